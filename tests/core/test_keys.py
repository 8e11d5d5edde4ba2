from __future__ import annotations

import json
import math
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.keys import KeyRule, UnusableKey
from airflow_sf_dedup.core.sobjects import Field

TEXT = KeyRule(Field("Key__c", "Key", "string", length=255, external_id=True, unique=True))
EXACT_TEXT = KeyRule(Field("Key__c", "Key", "string", length=255, external_id=True, unique=True, case_sensitive=True))
NON_UNIQUE = KeyRule(Field("Key__c", "Key", "string", length=255, external_id=True))
EMAIL = KeyRule(Field("Email", "Email", "email", length=80, id_lookup=True))
NUMBER = KeyRule(Field("No__c", "No", "double", scale=0, external_id=True, unique=True))
DECIMAL = KeyRule(Field("No__c", "No", "double", scale=2, external_id=True, unique=True))
INT = KeyRule(Field("No__c", "No", "int", external_id=True, unique=True))
RULES = {"text": TEXT, "exact": EXACT_TEXT, "non_unique": NON_UNIQUE, "email": EMAIL}


class Code(StrEnum):
    ONE = "C-1"


def reason_of(rule: KeyRule, value: object) -> str:
    with pytest.raises(UnusableKey) as refused:
        rule.read(value)
    assert rule.field.name in refused.value.message
    return refused.value.reason


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param("A-1", "A-1", id="plain"),
        pytest.param("  A-1\t\r\n", "A-1", id="padded"),
        pytest.param("a/1?x#y", "a/1?x#y", id="url characters"),
        pytest.param(".", ".", id="dot"),
        pytest.param("..", "..", id="two dots"),
        pytest.param("Zoë 😀", "Zoë 😀", id="unicode"),
        pytest.param("\u00a0A-1\u200d", "\u00a0A-1\u200d", id="blanks that Salesforce keeps"),
        pytest.param("0010", "0010", id="leading zeros"),
        pytest.param("1.0", "1.0", id="digits as text"),
        pytest.param("x" * 255, "x" * 255, id="255 characters"),
        pytest.param(17, "17", id="int"),
        pytest.param(Decimal("1.50"), "1.50", id="decimal"),
        pytest.param(UUID(int=1), "00000000-0000-0000-0000-000000000001", id="uuid"),
        pytest.param(Code.ONE, "C-1", id="enum"),
    ],
)
def test_text_keys_are_read_as_they_are(value: object, key: str) -> None:
    assert TEXT.read(value) == key
    assert TEXT.wire_value(key) == key


@pytest.mark.parametrize("value", ["1", "1.0", "0001", "+1", "1.", " 1 ", 1, 1.0, Decimal("1.00"), "01.000"])
@pytest.mark.parametrize("rule", [NUMBER, DECIMAL, INT], ids=["double", "two decimals", "int"])
def test_one_number_is_one_key_however_it_is_written(rule: KeyRule, value: object) -> None:
    assert rule.read(value) == "1"
    assert rule.wire_value("1") == 1


@pytest.mark.parametrize(
    ("value", "key", "wire"),
    [
        pytest.param("0010", "10", 10, id="leading zeros"),
        pytest.param("100", "100", 100, id="trailing zeros of a whole number"),
        pytest.param("-0", "0", 0, id="minus zero"),
        pytest.param("0.00", "0", 0, id="zero"),
        pytest.param("-2.50", "-2.5", -2.5, id="negative"),
        pytest.param(".5", "0.5", 0.5, id="no digit before the point"),
        pytest.param("9007199254740993", "9007199254740993", 9007199254740993, id="beyond 2**53"),
        pytest.param("999999999999999999", "999999999999999999", 999999999999999999, id="18 digits"),
        pytest.param(Decimal("1E+3"), "1000", 1000, id="decimal with an exponent"),
        pytest.param("1234567890123.45", "1234567890123.45", 1234567890123.45, id="15 digits with decimals"),
        pytest.param("9007199254740992", "9007199254740992", 9007199254740992, id="2**53 as text"),
        pytest.param(9007199254740991.0, "9007199254740991", 9007199254740991, id="the last float"),
    ],
)
def test_number_keys_keep_their_digits(value: object, key: str, wire: object) -> None:
    assert DECIMAL.read(value) == key
    assert DECIMAL.wire_value(key) == wire
    assert type(DECIMAL.wire_value(key)) is type(wire)


@pytest.mark.parametrize("rule", [TEXT, NUMBER, EMAIL], ids=["text", "number", "email"])
@pytest.mark.parametrize("value", [None, "", "   ", "\u00a0\t", math.nan, Decimal("NaN"), Decimal("sNaN")], ids=repr)
def test_nothing_is_a_missing_key(rule: KeyRule, value: object) -> None:
    assert reason_of(rule, value) == "missing_key"


def test_the_missing_values_of_pandas_are_missing_keys() -> None:
    pandas = pytest.importorskip("pandas")
    for value in (pandas.NA, pandas.NaT):
        assert reason_of(TEXT, value) == "missing_key"


def test_numpy_numbers_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert TEXT.read(numpy.int64(7)) == "7"
    assert NUMBER.read(numpy.float64(7.0)) == "7"


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        pytest.param(TEXT, True, "key_is_a_boolean", id="boolean"),
        pytest.param(NUMBER, True, "key_is_a_boolean", id="boolean as number"),
        pytest.param(TEXT, 1.0, "key_is_a_float", id="float as text"),
        pytest.param(TEXT, "x" * 256, "key_too_long", id="256 characters"),
        pytest.param(TEXT, 10**5000, "key_too_long", id="huge int"),
        pytest.param(TEXT, Decimal("1E+99999"), "key_too_long", id="huge decimal"),
        pytest.param(TEXT, "a\0b", "key_has_bad_characters", id="NUL"),
        pytest.param(TEXT, "a\ud800", "key_has_bad_characters", id="lone surrogate"),
        pytest.param(TEXT, "\ufeffA-1", "key_has_bad_characters", id="byte order mark"),
        pytest.param(TEXT, "A\ufeff-1", "key_has_bad_characters", id="byte order mark inside"),
        pytest.param(TEXT, "A-1\ufeff ", "key_has_bad_characters", id="byte order mark at the end"),
        pytest.param(TEXT, "\ufffeA-1", "key_has_bad_characters", id="byte order mark with its bytes swapped"),
        pytest.param(EMAIL, "\ufeffada@example.com", "key_has_bad_characters", id="byte order mark in an address"),
        pytest.param(NUMBER, "\ufeff1", "key_not_a_number", id="byte order mark before a number"),
        pytest.param(TEXT, ["A"], "key_is_no_text", id="list"),
        pytest.param(TEXT, b"A", "key_is_no_text", id="bytes"),
        pytest.param(NUMBER, "1,000", "key_not_a_number", id="thousands separator"),
        pytest.param(NUMBER, "1 000", "key_not_a_number", id="thousands blank"),
        pytest.param(NUMBER, "1.23457E+11", "key_not_a_number", id="spreadsheet's exponent"),
        pytest.param(NUMBER, "abc", "key_not_a_number", id="letters"),
        pytest.param(NUMBER, "１", "key_not_a_number", id="full-width digit"),
        pytest.param(NUMBER, "inf", "key_not_a_number", id="inf as text"),
        pytest.param(NUMBER, math.inf, "key_not_a_number", id="inf"),
        pytest.param(NUMBER, 1e17, "key_is_a_float", id="float beyond 2**53"),
        pytest.param(NUMBER, 2.0**53, "key_is_a_float", id="float of 2**53, perhaps 2**53 + 1 once"),
        pytest.param(NUMBER, -(2.0**53), "key_is_a_float", id="float of -2**53"),
        pytest.param(DECIMAL, "1234567890123456.78", "key_has_too_many_digits", id="no float holds it"),
        pytest.param(DECIMAL, Decimal("-1234567890123456.78"), "key_has_too_many_digits", id="no float, as a decimal"),
        pytest.param(NUMBER, "1.5", "key_has_too_many_decimals", id="decimals in a whole number"),
        pytest.param(DECIMAL, 0.125, "key_has_too_many_decimals", id="three decimals of two"),
        pytest.param(NUMBER, "1" * 19, "key_too_long", id="19 digits"),
        pytest.param(NUMBER, Decimal("1E+999999"), "key_too_long", id="huge number"),
        pytest.param(NUMBER, Decimal("1E-999999"), "key_too_long", id="tiny number"),
    ],
)
def test_unusable_keys_say_why(rule: KeyRule, value: object, reason: str) -> None:
    assert reason_of(rule, value) == reason


def test_no_message_repeats_the_key() -> None:
    with pytest.raises(UnusableKey) as refused:
        TEXT.read("secret" * 60)
    assert "secret" not in str(refused.value)


def test_email_keys_are_lower_cased() -> None:
    assert EMAIL.read(" Ada@Example.COM ") == "ada@example.com"


@pytest.mark.parametrize(
    ("rule", "first", "second", "same"),
    [
        pytest.param(TEXT, "ABC", "abc", True, id="case-insensitive unique"),
        pytest.param(EXACT_TEXT, "ABC", "abc", False, id="case-sensitive unique"),
        pytest.param(NON_UNIQUE, "ABC", "abc", False, id="not unique compares exactly"),
        pytest.param(TEXT, "STRASSE", "straße", False, id="sharp s is no double s"),
        pytest.param(TEXT, "ﬁ", "fi", False, id="ligature"),
        pytest.param(EMAIL, "A@x.org", "a@X.org", True, id="email"),
    ],
)
def test_repeats_are_judged_by_the_fields_own_case_rule(rule: KeyRule, first: str, second: str, same: bool) -> None:
    assert (rule.fold(first) == rule.fold(second)) is same


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("ABC", "abc", id="case"),
        pytest.param("STRASSE", "straße", id="sharp s"),
        pytest.param("é", "e\u0301", id="decomposed"),
        pytest.param("ﬁ", "fi", id="ligature"),
        pytest.param("A\u00a0", "a", id="no-break space"),
        pytest.param("ΑΣ", "ας", id="final sigma"),
        pytest.param("１", "1", id="full width"),
    ],
)
def test_what_any_case_rule_could_take_for_one_key_meets_in_one_partition(first: str, second: str) -> None:
    assert EXACT_TEXT.partition_fold(first) == EXACT_TEXT.partition_fold(second)


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
spelled = st.sampled_from([str, str.upper, str.lower, str.title, str.swapcase])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(key=keys, spell=spelled)
def test_repeats_always_share_a_partition(rule: KeyRule, key: str, spell: type[str]) -> None:
    other = spell(key)
    if rule.fold(key) == rule.fold(other):
        assert rule.partition_fold(key) == rule.partition_fold(other)


@given(value=keys)
def test_reading_a_key_again_changes_nothing(value: str) -> None:
    try:
        key = TEXT.read(value)
    except UnusableKey:
        return
    assert TEXT.read(key) == key


@given(number=st.decimals(min_value=-(10**15), max_value=10**15, places=2))
def test_number_keys_mean_the_number_that_was_written(number: Decimal) -> None:
    try:
        key = DECIMAL.read(str(number))
    except UnusableKey as refused:
        assert refused.reason == "key_has_too_many_digits"
        assert len(number.normalize().as_tuple().digits) > 15
        return
    assert Decimal(key) == number
    assert "e" not in key.lower()
    assert DECIMAL.read(key) == key
    assert Decimal(str(json.loads(json.dumps(DECIMAL.wire_value(key))))) == number


def test_a_stored_key_that_no_source_can_name_is_no_key() -> None:
    assert DECIMAL.fold_stored("1.23456789012345678E15") == ""
