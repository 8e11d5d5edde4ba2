"""Reading by key: every key in a statement, and no statement too long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.salesforce.wire.soql import literal, selects_by_key

TEXT = Field("Key__c", "Key", "string")
NUMBER = Field("No__c", "No", "double")


@pytest.mark.parametrize(
    ("key", "text"),
    [("A-1", "'A-1'"), ("O'Hara", r"'O\'Hara'"), ("a\\", r"'a\\'"), ("a\nb\r\tc", r"'a\nb\r\tc'"), ("50%_", "'50%_'")],
)
def test_text_is_quoted(key: str, text: str) -> None:
    assert literal(TEXT, key) == text


def test_numbers_are_not_quoted() -> None:
    assert literal(NUMBER, "17") == "17"


def test_few_keys_are_one_statement() -> None:
    assert list(selects_by_key("Lead", TEXT, ["a", "b"])) == ["SELECT Id, Key__c FROM Lead WHERE Key__c IN ('a','b')"]


def test_no_keys_are_no_statement() -> None:
    assert list(selects_by_key("Lead", TEXT, [])) == []


def test_two_thousand_short_keys_are_one_statement() -> None:
    assert len(list(selects_by_key("Lead", TEXT, [f"key-{n:06d}" for n in range(2000)]))) == 1


@given(st.lists(st.text("ab'\\\n", min_size=1, max_size=255), min_size=1, max_size=900))
def test_every_key_is_asked_for_once_and_no_statement_is_too_long(keys: list[str]) -> None:
    statements = list(selects_by_key("Lead", TEXT, keys))
    assert all(len(statement) <= 100_000 for statement in statements)
    asked = [found for statement in statements for found in re.findall(r"'(?:[^'\\]|\\.)*'", statement)]
    assert asked == [literal(TEXT, key) for key in keys]
