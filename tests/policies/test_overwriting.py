"""What an update of a matched record may overwrite, field by field, in every spelling of the grammar."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import UndeleteMatch, UpdateMatch, UpdateOther
from airflow_sf_dedup.core.opt_outs import is_opt_out
from airflow_sf_dedup.core.ordering import order_of
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.overwrite_settings import check_overwriting
from airflow_sf_dedup.policies import Undelete, UpdateExisting, read_policy
from airflow_sf_dedup.policies.update_other import UpdateOther as UpdateOtherPolicy
from airflow_sf_dedup.testing.contracts.policies import (
    CERTAIN,
    CERTAIN_CONTACT,
    CONTACT,
    KEY,
    STAMP,
    PolicyContract,
    deleted,
    matched,
)

PER_FIELD = {"Phone": "keep", "Title": "newest", "Description": "longest", "*": "fill_blanks"}
DESCRIBED = SObject("Lead", tuple(Field(name, name, "string") for name in (KEY, "Phone", "Title", "Email")))
LONG_AGO, LATELY = "2026-03-01T06:00:00Z", "2026-03-02T06:00:00.000+0000"


class TestPerField(PolicyContract):
    policy = UpdateExisting(fields=PER_FIELD)


class TestPerFieldUndelete(PolicyContract):
    policy = Undelete(fields={"HasOptedOutOfEmail": "write", "*": "longest"})


class TestPerFieldOfAnother(PolicyContract):
    policy = UpdateOtherPolicy("Contact", {"LastName": "LastName"}, STAMP, overwrite={"LastName": "longest"})


@pytest.mark.parametrize(
    "spelling",
    [
        UpdateExisting(fields=PER_FIELD),
        f"update_existing(fields={PER_FIELD!r})",
        {"update_existing": {"fields": PER_FIELD}},
        [{"update_existing": {"fields": PER_FIELD}}],
        repr(UpdateExisting(fields=PER_FIELD)),
    ],
    ids=["object", "string", "yaml mapping", "yaml list", "repr"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert read_policy(spelling) == read_policy(UpdateExisting(fields=PER_FIELD))


def written(fields: Any, row: dict[str, Any], record: dict[str, Any], order: str | None = None) -> dict[str, Any]:
    """What the policy writes beside the key."""
    case = replace(
        CERTAIN,
        record=Record(1, "A-1", {KEY: "A-1", **row}, "0", order=order),
        matched=(matched(values={KEY: None, **record}),),
    )
    decision = UpdateExisting(fields=fields).decide(case)
    assert isinstance(decision, UpdateMatch)
    assert decision.fields[KEY] == "A-1"
    return {name: value for name, value in decision.fields.items() if name != KEY}


@pytest.mark.parametrize(
    ("word", "row", "record", "is_written"),
    [
        ("write", "new", "old", True),
        ("write", None, "old", True),
        ("all", "new", "old", True),
        ("keep", "new", "old", False),
        ("keep", "new", None, False),
        ("fill_blanks", "new", "old", False),
        ("fill_blanks", "new", None, True),
        ("fill_blanks", "new", "", True),
        ("fill_blanks", None, "", False),
        ("fill_blanks", 5, 0, False),
        ("fill_blanks", True, False, False),
        ("longest", "longer", "long", True),
        ("longest", "long", "long", False),
        ("longest", "long   ", "long", False),
        ("longest", "", "long", False),
        ("longest", "long", None, True),
        ("longest", 500, 5, False),
    ],
)
@pytest.mark.parametrize("fields", ["for this field", "for the others"])
def test_a_word_says_when_a_field_is_written(word: str, row: Any, record: Any, is_written: bool, fields: str) -> None:
    rules = {"Phone": word, "*": "keep"} if fields == "for this field" else {"Title": "keep", "*": word}
    assert written(rules, {"Phone": row}, {"Phone": record}) == ({"Phone": row} if is_written else {})


def test_what_was_not_read_is_no_blank() -> None:
    assert written({"*": "fill_blanks"}, {"Phone": "new"}, {}) == {}


@pytest.mark.parametrize(
    ("order", "changed", "is_newer"),
    [
        (LONG_AGO, LATELY, False),
        ("2026-03-03T00:00:00Z", LATELY, True),
        ("2026-03-02T07:00:00+01:00", LATELY, False),
        ("2026-03-02T06:00:00.900Z", LATELY, False),
        (None, LATELY, False),
        ("7", LATELY, False),
        ("2026-03-03T00:00:00Z", None, False),
    ],
    ids=["older", "newer", "the same, elsewhere", "the same second", "no order", "a number", "not read"],
)
def test_the_newest_value_is_written_where_the_row_is_newer(order: Any, changed: Any, is_newer: bool) -> None:
    record = {"Phone": "old", "LastModifiedDate": changed}
    found = written({"Phone": "newest"}, {"Phone": "new"}, record, order_of(order) if order else None)
    assert found == ({"Phone": "new"} if is_newer else {})


@pytest.mark.parametrize("name", ["DoNotCall", "HasOptedOutOfEmail", "hasoptedoutoffax", "PersonDoNotCall"])
@pytest.mark.parametrize("fields", ["all", "fill_blanks", ["Phone"], {"*": "keep"}, {"Phone": "newest"}], ids=str)
def test_an_opt_out_is_set_and_never_cleared_unless_it_is_named(name: str, fields: Any) -> None:
    assert written(fields, {name: True}, {name: False}) == {name: True}
    assert written(fields, {name: False}, {name: True}) == {}
    assert written(fields, {name: None}, {name: True}) == {}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (["DoNotCall"], {"DoNotCall": False}),
        ({"DoNotCall": "write"}, {"DoNotCall": False}),
        ({"DoNotCall": "keep"}, {}),
    ],
    ids=["in a list", "in a mapping", "kept"],
)
def test_an_opt_out_that_is_named_goes_by_its_rule(fields: Any, found: dict[str, Any]) -> None:
    assert written(fields, {"DoNotCall": False}, {"DoNotCall": True}) == found


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("DoNotCall", True),
        ("HasOptedOutOfFax", True),
        ("et4ae5__HasOptedOutOfMobile__c", True),
        ("PersonHasOptedOutOfEmail", True),
        ("DoNotCallBefore", False),
        ("Email", False),
    ],
)
def test_opt_outs_are_known_by_their_names(name: str, is_one: bool) -> None:
    assert is_opt_out(name) is is_one


def test_what_is_kept_back_is_told_with_the_reason() -> None:
    row = {"Phone": "2", "Title": "Dr", "Email": "same@example.com", "DoNotCall": False}
    case = replace(
        CERTAIN,
        record=Record(1, "A-1", {KEY: "A-1", **row}, "0"),
        matched=(matched(values={KEY: None, "Phone": "1", "Title": "Ms", "Email": row["Email"], "DoNotCall": True}),),
    )
    decision = UpdateExisting(fields={"Phone": "keep", "*": "fill_blanks"}).decide(case)
    assert isinstance(decision, UpdateMatch)
    assert decision.kept_back == {"Phone": "keep", "Title": "fill_blanks", "DoNotCall": "opted_out"}


def test_undelete_goes_by_the_same_rules() -> None:
    case = replace(CERTAIN, matched=(deleted(values={KEY: None, "LastName": "Old", "Phone": None}),))
    decision = Undelete(fields={"LastName": "keep"}).decide(case)
    assert isinstance(decision, UndeleteMatch)
    assert "LastName" not in decision.fields


def test_another_sobject_goes_by_the_names_of_its_own_fields() -> None:
    contact = matched(
        CONTACT, "Contact", own_values={"LastName": "Longer name", "HasOptedOutOfEmail": True, STAMP: None}
    )
    row = Record(1, "A-1", {KEY: "A-1", "LastName": "Name", "Optout__c": False}, "0")
    policy = UpdateOtherPolicy(
        "Contact",
        {"LastName": "lastname", "Optout__c": "HasOptedOutOfEmail"},
        STAMP,
        overwrite={"LASTNAME": "longest"},
    )
    decision = policy.decide(replace(CERTAIN_CONTACT, matched=(contact,), record=row))
    assert isinstance(decision, UpdateOther)
    assert decision.fields == {STAMP: "A-1"}
    assert decision.kept_back == {"LastName": "longest", "HasOptedOutOfEmail": "opted_out"}


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("update_existing(fields={'Phone': 'newst'})", "'newst' is not known .*newest"),
        ("update_existing(fields='fil_blanks')", "'fil_blanks' is not known .*fill_blanks"),
        ("update_existing(fields={})", "is no mapping of field names to words"),
        ("update_existing(fields={'Phone': 'keep', 'phone': 'write'})", "names a field twice"),
        (
            "update_other(sobject='Contact', fields={'A': 'B'}, stamp='S__c', overwrite={'C': 'keep'})",
            "overwrite names 'C', which fields does not write",
        ),
        (
            "update_other(sobject='Contact', fields={'A': 'B'}, stamp='S__c', overwrite=['B'])",
            "overwrite=.* nor a mapping",
        ),
    ],
)
def test_what_means_nothing_is_refused(policy: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        read_policy(policy)


@pytest.mark.parametrize(
    ("fields", "newer_than", "says"),
    [
        ({"Phone": "newest"}, None, "set newer_than"),
        ({"*": "newest"}, None, "set newer_than"),
        ({KEY: "keep"}, "Changed", f"{KEY} is the key"),
    ],
)
def test_what_does_not_fit_the_load_is_refused_before_anything_is_sent(fields: Any, newer_than: Any, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        check_overwriting(read_policy(UpdateExisting(fields=fields)), DESCRIBED, KEY, newer_than)
    check_overwriting(read_policy(UpdateExisting(fields={"Phone": "newest"})), DESCRIBED, KEY, "Changed")
