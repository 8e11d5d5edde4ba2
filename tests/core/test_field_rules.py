"""Rules by field: what of a row makes a new record, and what of it is written to one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_sf_dedup.core.field_rules import FieldRule, FieldRules
from airflow_sf_dedup.journeys.field_rules import field_rules_of
from airflow_sf_dedup.testing.fake_org import KEY, LEAD

ALWAYS, ONLY_BLANKS, ON_CREATE_ONLY, NEVER = FieldRule
ROW = {KEY: "A-1", "LastName": "Ahlberg", "Phone": "555", "Owner": {"EmployeeNumber": "7"}}


def rules(**setting: str) -> FieldRules:
    return field_rules_of({name.replace("others", "*"): rule for name, rule in setting.items()}, LEAD, KEY)


@pytest.mark.parametrize(
    ("setting", "created", "updated"),
    [
        ({}, {"LastName", "Phone", "Owner"}, {"LastName", "Phone", "Owner"}),
        ({"Phone": "never"}, {"LastName", "Owner"}, {"LastName", "Owner"}),
        ({"Phone": "on_create_only"}, {"LastName", "Phone", "Owner"}, {"LastName", "Owner"}),
        ({"OwnerId": "on_create_only"}, {"LastName", "Phone", "Owner"}, {"LastName", "Phone"}),
        ({"owner.employeenumber": "never"}, {"LastName", "Phone"}, {"LastName", "Phone"}),
        ({"others": "never", "phone": "always"}, {"Phone"}, {"Phone"}),
        ({"others": "on_create_only"}, {"LastName", "Phone", "Owner"}, set()),
    ],
    ids=["none", "never", "on create", "a parent by its field", "a parent by its key", "all others", "only new ones"],
)
def test_what_is_written_by_rules_that_do_not_go_by_values(
    setting: Mapping[str, str], created: set[str], updated: set[str]
) -> None:
    of_load = rules(**setting)
    assert not of_load.need_values
    assert set(of_load.on_create(ROW).sent) == {KEY, *created}
    shared = of_load.on_update(ROW, {})
    assert set(shared.sent) == {KEY, *updated}
    assert {**shared.sent, **shared.held_back} == ROW


@pytest.mark.parametrize(
    ("value", "stored", "is_written", "is_kept"),
    [
        ("555", {"Phone": None}, True, False),
        ("555", {"Phone": ""}, True, False),
        ("555", {"Phone": "777"}, False, True),
        ("555", {"Phone": "555"}, False, False),
        (None, {"Phone": "777"}, False, True),
        (None, {"Phone": None}, False, False),
        ("555", {}, False, True),
    ],
    ids=["none there", "an empty one", "another one", "the same", "clears one", "clears none", "was not read"],
)
def test_only_blanks_fills_what_is_empty_and_nothing_that_was_not_read(
    value: Any, stored: Mapping[str, Any], is_written: bool, is_kept: bool
) -> None:
    shared = rules(Phone="only_blanks").on_update({KEY: "A-1", "Phone": value}, stored)
    assert ("Phone" in shared.sent, shared.kept) == (is_written, ("Phone",) if is_kept else ())


def test_a_parent_that_is_named_by_its_key_goes_by_the_field_that_refers_to_it() -> None:
    of_load = rules(Owner="only_blanks")
    assert of_load.fields_to_read(ROW) == {"OwnerId"}
    assert "Owner" in of_load.on_update(ROW, {"OwnerId": None}).sent
    assert of_load.on_update(ROW, {"OwnerId": "005000000000001AAA"}).kept == ("Owner",)


def test_the_key_is_under_no_rule() -> None:
    of_load = rules(others="only_blanks")
    assert of_load.fields_to_read(ROW) == {"LastName", "Phone", "OwnerId"}
    assert set(of_load.on_update(ROW, {}).sent) == {KEY}
