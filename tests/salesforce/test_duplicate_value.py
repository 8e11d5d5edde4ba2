"""Which ``DUPLICATE_VALUE`` is it?"""

from __future__ import annotations

import pytest

from airflow_sf_dedup.salesforce.duplicate_value import DuplicateValue, kind_of
from tests.salesforce.answers import answer

MESSAGES = answer("duplicate_value.json")
KINDS = {
    "race": DuplicateValue.RACE,
    "race_18": DuplicateValue.RACE,
    "bulk": DuplicateValue.RACE,
    "masked": DuplicateValue.UNCLEAR,
    "other_field": DuplicateValue.OTHER_FIELD,
    "repeated": DuplicateValue.REPEATED_IN_CALL,
    "german": DuplicateValue.RACE,
    "german_masked": DuplicateValue.UNCLEAR,
    "campaign": DuplicateValue.UNCLEAR,
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS.keys())
def test_the_message_says_which_field_is_taken(name: str, kind: DuplicateValue) -> None:
    assert kind_of(MESSAGES[name], "Connect_Project_Id__c") is kind


@pytest.mark.parametrize("name", ["masked", "german", "campaign"])
def test_without_a_key_field_no_message_is_a_race(name: str) -> None:
    assert kind_of(MESSAGES[name], "") is DuplicateValue.UNCLEAR


def test_a_field_whose_name_contains_the_keys_is_another_one() -> None:
    assert kind_of("Wert doppelt: Old_Key__c", "Key__c") is DuplicateValue.UNCLEAR
