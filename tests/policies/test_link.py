"""Saving the row with a look-up to the record that it matches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import DuplicateCase, LinkRow, Pass
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import AskReviewer, Link, read_policy
from airflow_sf_dedup.policies.base import lookup_fields
from airflow_sf_dedup.testing.contracts.policies import (
    CERTAIN,
    CERTAIN_CONTACT,
    CONTACT,
    UNCERTAIN_CONTACT,
    PolicyContract,
    matched,
)

ALERT = replace(CERTAIN_CONTACT, allow_save=True)
OTHER = to_18("003000000000009")


class TestLink(PolicyContract):
    policy = Link("Contact__c")


class TestLinkWithConfidence(PolicyContract):
    policy = Link("Contact__c", min_confidence=90)


@pytest.mark.parametrize(
    "spelling",
    [
        Link("Contact__c", min_confidence=90) | AskReviewer(),
        "link(field='Contact__c', min_confidence=90) | ask_reviewer",
        [{"link": {"field": "Contact__c", "min_confidence": 90}}, "ask_reviewer"],
    ],
    ids=["objects", "string", "yaml"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert repr(read_policy(spelling)) == "link(field='Contact__c', min_confidence=90) | ask_reviewer"
    assert lookup_fields(read_policy(spelling)) == ("Contact__c",)


def test_the_row_points_to_the_match_by_the_orgs_spelling_of_the_field() -> None:
    assert Link("contact__C").decide(ALERT) == LinkRow(CONTACT, "Contact__c")


def says(**fields: Any) -> DuplicateCase:
    return replace(ALERT, record=replace(ALERT.record, fields={**ALERT.record.fields, **fields}))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (CERTAIN_CONTACT, "rule_blocks_saving"),
        (replace(CERTAIN, allow_save=True), "match_is_another_sobject"),
        (says(Contact__c=OTHER), "row_links_elsewhere"),
        (says(contact__c="not an id"), "row_links_elsewhere"),
        (replace(ALERT, key_holders=(CONTACT,)), "key_already_held"),
        *(
            (replace(case, allow_save=True), reason)
            for reason, case in UNCERTAIN_CONTACT.items()
            if "key" not in reason
        ),
    ],
)
def test_a_row_that_may_not_be_linked_passes_on(case: DuplicateCase, reason: str) -> None:
    assert Link("Contact__c").decide(case) == Pass(reason)


@pytest.mark.parametrize(
    "case",
    [
        says(Contact__c=None),
        says(Contact__c=CONTACT),
        says(Contact__c=CONTACT[:15]),
        replace(ALERT, key_holders=(to_18("00Q000000000007"),)),
        replace(ALERT, matched=(*ALERT.matched, matched(state=RecordState.DELETED))),
    ],
    ids=["blank", "the same", "the same in 15", "saved on an earlier day", "beside a deleted one"],
)
def test_what_the_row_says_and_who_holds_its_key_are_no_obstacle_where_they_agree(case: DuplicateCase) -> None:
    assert Link("Contact__c").decide(case) == LinkRow(CONTACT, "Contact__c")


def test_a_match_below_the_least_confidence_passes_on() -> None:
    assert Link("Contact__c", min_confidence=96).decide(ALERT) == Pass("confidence_too_low")


@pytest.mark.parametrize("options", [{"field": ""}, {"field": "a b"}, {"field": 1}, {"min_confidence": -1}], ids=str)
def test_an_unusable_option_is_refused_by_its_setting(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as raised:
        Link(**{"field": "Contact__c", **options})
    assert raised.value.setting == "on_duplicate"
