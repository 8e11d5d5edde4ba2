"""Which ``DUPLICATE_VALUE`` is it, of which field, and who holds the value?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.record_ids import is_record_id, to_18
from airflow_sf_dedup.salesforce.wire.duplicate_value import (
    DuplicateValue,
    DuplicateValueMessage,
    kind_of,
    read_message,
)
from tests.salesforce.answers import answer

MESSAGES = answer("duplicate_value.json")
KEY = "Connect_Project_Id__c"
FIELDS = ("Id", "Name", "Email", KEY, "Tax_Id__c", "Connect_Project_Id__cc")
LEAD = to_18("00Q58000003tW4u")
OTHER = "006Ov000004iYzqIAE"
RACE, OTHER_FIELD, REPEATED, UNCLEAR = (
    DuplicateValue.RACE,
    DuplicateValue.OTHER_FIELD,
    DuplicateValue.REPEATED_IN_CALL,
    DuplicateValue.UNCLEAR,
)

READ = {
    "race": (MESSAGES["race"], RACE, KEY, LEAD),
    "18 characters, other case": (MESSAGES["race_18"], RACE, KEY.lower(), OTHER),
    "bulk": (MESSAGES["bulk"], RACE, KEY, OTHER),
    "bulk with code and fields": (
        f"DUPLICATE_VALUE:duplicate value found: {KEY} duplicates value on record with id: {OTHER}:{KEY} --",
        *(RACE, KEY, OTHER),
    ),
    "bulk, masked, fields named": (
        "DUPLICATE_VALUE:duplicate value found: <unknown> duplicates value on record with id: <unknown>:Tax_Id__c --",
        *(OTHER_FIELD, "Tax_Id__c", None),
    ),
    "masked": (MESSAGES["masked"], UNCLEAR, None, None),
    "field masked": (
        f"duplicate value found: <unknown> duplicates value on record with id: {OTHER}",
        *(UNCLEAR, None, OTHER),
    ),
    "id masked": (
        f"duplicate value found: {KEY} duplicates value on record with id: <unknown>",
        *(RACE, KEY, None),
    ),
    "masked without brackets": (
        "duplicate value found: unknown duplicates value on record with id: unknown",
        *(UNCLEAR, None, None),
    ),
    "wrong checksum": (
        f"duplicate value found: {KEY} duplicates value on record with id: 006Ov000004iYzqIAF",
        *(RACE, KEY, None),
    ),
    "16 characters": (
        f"duplicate value found: {KEY} duplicates value on record with id: 00Q58000003tW4uX",
        *(RACE, KEY, None),
    ),
    "other field": (MESSAGES["other_field"], OTHER_FIELD, "Tax_Id__c", "a01UP00000fw2ORYAY"),
    "field that contains ours": (
        f"duplicate value found: Old_{KEY} duplicates value on record with id: {OTHER}",
        *(OTHER_FIELD, f"Old_{KEY}", OTHER),
    ),
    "repeated": (MESSAGES["repeated"], REPEATED, KEY, None),
    "repeated, the key looks like an id": (f"Duplicate external id specified: {OTHER}", REPEATED, KEY, None),
    "repeated id": (f"Duplicate id specified: {OTHER}", REPEATED, KEY, None),
    "german": (MESSAGES["german"], RACE, KEY, LEAD),
    "german, other field": (f"Doppelter Wert gefunden: Tax_Id__c in {OTHER}", OTHER_FIELD, "Tax_Id__c", OTHER),
    "german, standard field": (f"Doppelter Wert gefunden: Email in {OTHER}", OTHER_FIELD, "Email", OTHER),
    "german, masked": (MESSAGES["german_masked"], UNCLEAR, None, None),
    "german, word of a standard field": ("doppelter name gefunden", UNCLEAR, None, None),
    "german, part of a field": (f"Doppelt: Old_{KEY}, {KEY}_2, ns__{KEY}, Account.{KEY}", UNCLEAR, None, None),
    "german, two fields": (f"Doppelt: {KEY} und Tax_Id__c", UNCLEAR, None, None),
    "german, two ids": (f"Doppelt: {KEY} in {OTHER} und {LEAD}", RACE, KEY, None),
    "japanese": (f"重複する値が見つかりました: {KEY}が{OTHER}のレコードと重複", RACE, KEY, OTHER),
    "french at a sentence's end": (f"Valeur en double pour {KEY}.", RACE, KEY, None),
    "another rule": (MESSAGES["campaign"], UNCLEAR, None, None),
    "nothing": ("", UNCLEAR, None, None),
}


@pytest.mark.parametrize(("message", "kind", "field", "holder"), READ.values(), ids=READ.keys())
def test_the_message_says_which_field_is_taken_and_by_whom(
    message: str, kind: DuplicateValue, field: str | None, holder: str | None
) -> None:
    assert read_message(message, KEY, FIELDS) == DuplicateValueMessage(kind, field, holder)


@pytest.mark.parametrize("name", MESSAGES)
def test_without_a_key_field_no_message_is_a_race(name: str) -> None:
    assert kind_of(MESSAGES[name], "") is not RACE


def test_without_the_fields_of_the_sobject_a_text_in_another_language_names_the_key_only() -> None:
    assert kind_of("Wert doppelt: Tax_Id__c", KEY) is UNCLEAR
    assert kind_of(f"Wert doppelt: {KEY}", KEY) is RACE


PARTS = st.sampled_from(
    ["duplicate value found: ", KEY, " duplicates value on record with id: ", "<unknown>", OTHER, LEAD[:15], ":--", " "]
)


@given(st.lists(PARTS | st.text(max_size=20), max_size=8).map("".join), st.sampled_from(["", KEY, "(", "Id", "\\"]))
def test_whatever_the_text_it_is_read_and_an_id_is_an_id(message: str, external_id_field: str) -> None:
    read = read_message(message, external_id_field, FIELDS)
    assert read.holder_id is None or (len(read.holder_id) == 18 and is_record_id(read.holder_id))
    assert (read.kind is RACE) <= (read.field is not None and read.field.lower() == external_id_field.lower() != "")
