"""The promises that every policy keeps. Inherit :class:`PolicyContract`, hand in your policy, and run pytest."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from airflow_sf_dedup.core.decisions import (
    Ask,
    Decision,
    DuplicateCase,
    Fail,
    LinkRow,
    MatchedRecord,
    Pass,
    SaveRow,
    SkipRow,
    UndeleteMatch,
    UpdateMatch,
    UpdateOther,
    deleted_match,
    uncertainty,
)
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.other_matches import may_be_linked, may_be_stamped
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import Deletion, RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.policies import Chain, Policy, read_policy
from airflow_sf_dedup.policies.base import ask, decide

# ruff: noqa: S101

KEY = "External_Id__c"
FIRST, SECOND = to_18("00Q000000000001"), to_18("00Q000000000002")
#: The field by which contacts remember the keys of rows.
STAMP, CONTACT = "Lead_Key__c", to_18("003000000000001")
DELETED_BY = to_18("005000000000009")
READ_AT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)

_FIELDS: Mapping[str, Any] = {
    KEY: "A-1",
    "LastName": "Example",
    "Phone": None,
    "OwnerId": to_18("005000000000001"),
    "RecordTypeId": to_18("012000000000001"),
}


def matched(record_id: str = FIRST, sobject: str = "Lead", **changes: Any) -> MatchedRecord:
    """A live, readable lead without a key."""
    match = Match(record_id, sobject, "Leads_by_mail", "Mail", "FuzzyMatchEngine", 95.0, False)
    record = MatchedRecord((match,), RecordState.LIVE, values={KEY: None, "LastName": "Old", "Phone": None})
    return replace(record, **changes)


def deleted(record_id: str = FIRST, **changes: Any) -> MatchedRecord:
    """A lead that was deleted yesterday."""
    facts = {"state": RecordState.DELETED, "deletion": Deletion(READ_AT - timedelta(days=1), DELETED_BY)}
    return matched(record_id, **{**facts, "values": {KEY: None}, **changes})


#: A row with one certain match.
CERTAIN = DuplicateCase(Record(1, "A-1", _FIELDS, "0"), "Lead", KEY, (matched(),), read_at=READ_AT)

#: A row whose one certain match is a contact.
CERTAIN_CONTACT = replace(
    CERTAIN,
    matched=(matched(CONTACT, "Contact", own_values={"LastName": "Old", "Phone": None, STAMP: None}),),
    described=SObject(
        "Lead",
        (
            Field(KEY, "Key", "string", length=255, external_id=True, unique=True),
            Field("Contact__c", "Contact", "reference", reference_to=("Contact",)),
        ),
    ),
)

#: What makes it uncertain for whoever writes to contacts, by the reason that is given.
UNCERTAIN_CONTACT: Mapping[str, DuplicateCase] = {
    "match_is_another_sobject": replace(CERTAIN_CONTACT, matched=(matched(CONTACT, "Account"),)),
    "match_unreadable": replace(CERTAIN_CONTACT, matched=(matched(CONTACT, "Contact", state=RecordState.UNREADABLE),)),
    "match_carries_another_key": replace(
        CERTAIN_CONTACT, matched=(matched(CONTACT, "Contact", own_values={STAMP: "B-2"}),)
    ),
    "several_matches": replace(CERTAIN_CONTACT, matched=(matched(), *CERTAIN_CONTACT.matched)),
}

#: What makes it uncertain, by the reason that is given.
UNCERTAIN: Mapping[str, DuplicateCase] = {
    "several_matches": replace(CERTAIN, matched=(matched(), matched(SECOND))),
    "match_is_another_sobject": replace(CERTAIN, matched=(matched(sobject="Contact"),)),
    "match_deleted": replace(CERTAIN, matched=(deleted(),)),
    "match_merged_away": replace(CERTAIN, matched=(deleted(state=RecordState.MERGED_AWAY),)),
    "match_converted": replace(CERTAIN, matched=(matched(state=RecordState.CONVERTED),)),
    "match_unreadable": replace(CERTAIN, matched=(matched(state=RecordState.UNREADABLE),)),
    "match_carries_another_key": replace(CERTAIN, matched=(matched(key="B-2", carries_another_key=True),)),
    "key_already_held": replace(CERTAIN, key_holders=(SECOND,)),
    "no_match_named": replace(CERTAIN, matched=()),
    "match_not_named": replace(CERTAIN, all_named=False),
    "key_held_by_many": replace(CERTAIN, obstacle=Obstacle.KEY_HELD_BY_MANY, matched=(matched(), matched(SECOND))),
    "key_held_by_converted": replace(
        CERTAIN, obstacle=Obstacle.KEY_HELD_BY_CONVERTED, matched=(matched(state=RecordState.CONVERTED),)
    ),
    "key_held_in_recycle_bin": replace(
        CERTAIN, obstacle=Obstacle.KEY_HELD_IN_RECYCLE_BIN, matched=(deleted(key="A-1"),)
    ),
}


class PolicyContract:
    """Say in a subclass which policy is meant, and whether the grammar knows it."""

    policy: ClassVar[Policy]
    #: False for a policy of your own: its ``repr`` must be stable, the grammar cannot read it.
    in_grammar: ClassVar[bool] = True

    def test_its_repr_is_its_spelling(self) -> None:
        """Airflow serialises a policy by its repr; an address in it would be a new Dag version at every parse."""
        assert " at 0x" not in repr(self.policy)
        assert repr(copy.deepcopy(self.policy)) == repr(self.policy)
        if self.in_grammar:
            assert read_policy(repr(self.policy)) == Chain((self.policy,))
            assert repr(self.policy).startswith(self.policy.name)

    @pytest.mark.parametrize("case", UNCERTAIN.values(), ids=UNCERTAIN.keys())
    def test_it_never_updates_an_uncertain_match(self, case: DuplicateCase) -> None:
        """Nothing is done to a record that is not surely the one that is meant."""
        assert uncertainty(case) is not None
        assert not isinstance(self._says(case), UpdateMatch)

    def test_it_updates_only_the_match_and_stamps_the_key_on_it(self) -> None:
        """Without the key the next load would meet the same duplicate again."""
        for case in _cases():
            decision = self._says(case)
            if isinstance(decision, UpdateMatch):
                assert decision.record_id == case.matched[0].record_id
                assert decision.fields[KEY] == case.record.fields[KEY]
                assert decision.fields.keys() <= case.record.fields.keys()

    def test_it_updates_a_match_of_another_sobject_only_where_it_is_certain_and_stamps_the_key_on_it(self) -> None:
        """Without the stamp the next load would ask again."""
        for case in _cases():
            decision = self._says(case)
            assert not isinstance(decision, UpdateOther) or may_be_stamped(decision, case)

    def test_it_links_the_row_to_nothing_but_a_certain_match_that_the_field_may_point_to(self) -> None:
        """A row has one look-up field of that name."""
        for case in _cases():
            decision = self._says(case)
            assert not isinstance(decision, LinkRow) or may_be_linked(decision, case)

    def test_it_undeletes_only_the_one_record_that_was_deleted(self) -> None:
        """A merged-away record is not what it was, and beside a live one nobody needs it."""
        for case in _cases():
            decision = self._says(case)
            if isinstance(decision, UndeleteMatch):
                found = deleted_match(case)
                assert found is not None
                assert decision.record_id == found.record_id
                assert decision.fields[KEY] == case.record.fields[KEY]
                assert decision.fields.keys() <= case.record.fields.keys()

    def test_it_saves_anyway_only_where_the_org_allows_it(self) -> None:
        """A blocking rule cannot be overridden."""
        for case in _cases():
            assert case.allow_save or not isinstance(self._says(case), SaveRow | LinkRow)

    def test_its_decision_is_one_of_the_closed_set(self) -> None:
        """Only these can be carried out; that nobody claims the row, no policy says."""
        for case in _cases():
            decision = self._says(case)
            assert isinstance(decision, Decision | Pass)
            assert not isinstance(decision, Fail)

    def test_it_says_why_in_one_word(self) -> None:
        """Reasons are counted; a field value in one would be another reason for every row."""
        for case in _cases():
            decision = self._says(case)
            if isinstance(decision, SkipRow | Ask | Pass):
                assert decision.reason.isidentifier()

    def test_it_is_pure(self) -> None:
        """The same case gets the same decision, and neither the row nor the record is changed."""
        for case in _cases():
            before = copy.deepcopy(case)
            assert self._says(case) == self._says(case)
            assert case == before

    def test_it_combines_with_others(self) -> None:
        """Whatever it passes on goes to the next policy, and so does a case whose decision Salesforce refused."""
        chain = Chain((self.policy, _Next()))
        for case in _cases():
            decided = decide(chain, case)
            behind = decide(chain, case.without(decided, "settle_refused_by_rule"))
            assert decided.by == _Next() or behind.decision != decided.decision or behind.by != decided.by

    def _says(self, case: DuplicateCase) -> Decision | Pass:
        answer = ask(self.policy, case)
        return answer if isinstance(answer, Pass) else answer.decision


@dataclass(frozen=True)
class _Next:
    """Whom a chain asks next."""

    name: ClassVar[str] = "next"

    def decide(self, case: DuplicateCase) -> Ask:
        return Ask("next")


def _cases() -> Iterator[DuplicateCase]:
    for case in (CERTAIN, *UNCERTAIN.values(), CERTAIN_CONTACT, *UNCERTAIN_CONTACT.values()):
        yield case
        yield replace(case, allow_save=True)
