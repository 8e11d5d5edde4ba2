"""Keys made of several values: read, compared and asked for as one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.keys import UnusableKey
from airflow_sf_dedup.core.match_keys import MatchRule, key_of_load, key_rule_of, match_fields, read_match_on
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.salesforce.wire.soql import Room, selects_by_values

EMAIL, NAME = Field("Email", "E-mail", "email", length=80), Field("Name", "Name", "string", length=255)
BORN, SALARY = Field("Born__c", "Born", "date"), Field("Salary__c", "Salary", "currency", scale=2)
RULE = MatchRule.of([NAME, EMAIL])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"Email": "A@b.eu", "Name": " Ann "}, {"Email": "a@B.eu", "Name": "ANN"}, True),
        ({"Email": "a@b.eu", "Name": "\u00c9mile"}, {"Email": "a@b.eu", "Name": "\u00e9mile"}, True),
        ({"Email": "a@b.eu", "Name": "Ann"}, {"Email": "a@b.eu", "Name": "Anne"}, False),
        ({"Email": "a", "Name": 'b","Name":"c'}, {"Email": 'a","Name":"b', "Name": "c"}, False),
        ({"Email": "a@b.eu", "Name": "\u212aarl"}, {"Email": "a@b.eu", "Name": "karl"}, False),
    ],
    ids=["case and blanks", "an accent", "another name", "quotes", "another letter"],
)
def test_rows_have_one_key_where_the_org_takes_their_values_for_equal(
    one: dict[str, str], other: dict[str, str], same: bool
) -> None:
    assert (RULE.read_row(one.get) == RULE.read_row(other.get)) is same
    assert (RULE.read_row(one.get) == RULE.fold_record(other)) is same


@given(st.text(min_size=1), st.text(min_size=1))
def test_what_was_sent_is_found_again_by_its_key(email: str, name: str) -> None:
    row = {"Email": email, "Name": name}
    try:
        key = RULE.read_row(row.get)
    except UnusableKey as unusable:
        assert unusable.field_name in row
        return
    assert RULE.fold_record(row) == key
    assert RULE.read_row(dict(zip(RULE.names, RULE.values(key), strict=True)).get) == key


@pytest.mark.parametrize("blank", [None, "", " \t"], ids=repr)
@pytest.mark.parametrize("field", ["Email", "Name"])
def test_a_blank_part_is_no_key_and_is_named(field: str, blank: Any) -> None:
    values = {"Email": "a@b.eu", "Name": "Ann", field: blank}
    with pytest.raises(UnusableKey, match=f"{field} is blank"):
        RULE.read_row(values.get)
    assert RULE.fold_record(values) == ""


def test_a_character_that_no_query_carries_is_refused() -> None:
    with pytest.raises(UnusableKey, match="Name holds a control character"):
        RULE.read_row({"Email": "a@b.eu", "Name": "Ann\x01"}.get)


def test_dates_and_numbers_are_asked_for_as_such() -> None:
    rule = MatchRule.of([SALARY, BORN])
    key = rule.read_row({"Born__c": "2001-02-03", "Salary__c": "100.50"}.get)
    assert rule.fold_record({"Born__c": "2001-02-03", "Salary__c": "1.005E2"}) == key
    [statement] = selects_by_values("Lead", [each.field for each in rule.parts], [rule.values(key)])
    assert statement.endswith("WHERE (Born__c = 2001-02-03 AND Salary__c = 100.5)")


def test_statements_escape_what_stands_in_values_and_stay_within_their_length() -> None:
    keys = [RULE.values(RULE.read_row({"Email": f"a{n}@b.eu", "Name": "O'Neil \\ OR"}.get)) for n in range(500)]
    fields = [each.field for each in RULE.parts]
    assert "Name = 'o\\'neil \\\\ or'" in next(selects_by_values("Lead", fields, keys))
    for room, most in ((Room(90_000), 200), (Room(2_000), 40)):
        statements = list(selects_by_values("Lead", fields, keys, room=room))
        assert max(map(len, statements)) <= room.most
        assert max(each.count(" OR (") + 1 for each in statements) <= most
        assert sum(each.count("(Email = ") for each in statements) == 500


def test_the_order_in_which_fields_are_named_makes_no_other_key() -> None:
    assert RULE.field.name == MatchRule.of([EMAIL, NAME]).field.name == "match_on(Email, Name)"
    assert match_fields("match_on(Email, Name)") == ("Email", "Name")
    found = key_rule_of(SObject("Lead", (EMAIL, NAME)), "match_on(email, name)")
    assert found == RULE
    assert key_rule_of(SObject("Lead", (EMAIL,)), "match_on(Email, Name)") is None


@pytest.mark.parametrize(
    "setting",
    ["Email", [], ["Email", "email"], ["Email", ""], ["E-Mail"], [f"A{n}" for n in range(6)], {"Email": 1}, 7],
    ids=repr,
)
def test_what_names_no_fields_is_refused(setting: Any) -> None:
    with pytest.raises(SettingError, match="match_on"):
        read_match_on(setting)


@pytest.mark.parametrize(
    ("field", "match_on", "says"),
    [
        (None, None, "external_id_field: a load needs it, or match_on"),
        ("Key__c", ["Email"], "external_id_field or match_on, not both"),
        ("match_on(Email)", None, "is no field: give the names as match_on"),
    ],
    ids=["neither", "both", "spelled as the other"],
)
def test_a_load_has_one_kind_of_key(field: str | None, match_on: Any, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        key_of_load(field, match_on)
