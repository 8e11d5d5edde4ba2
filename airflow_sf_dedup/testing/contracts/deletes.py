"""What everything promises that puts records into the recycle bin."""

from __future__ import annotations

from typing import Generic

import pytest

from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, RecordDeletes
from airflow_sf_dedup.testing.contracts.orgs import ArrangedOrg, OrgT

# ruff: noqa: S101

#: Nobody's.
_NO_RECORD = to_18("00Q000000999999")


class RecordDeletesContract(Generic[OrgT]):
    """Inherit, and answer :meth:`make_org` and :meth:`make_deletes`."""

    def make_org(self) -> OrgT:
        """An org for one test."""
        raise NotImplementedError

    def make_deletes(self, org: OrgT) -> RecordDeletes:
        """What is under test, for the leads of that org."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> OrgT:
        return self.make_org()

    @pytest.fixture
    def deletes(self, org: OrgT) -> RecordDeletes:
        return self.make_deletes(org)

    def test_a_live_record_goes(self, org: ArrangedOrg, deletes: RecordDeletes) -> None:
        live, late = org.record(key="Live"), list[None]()
        saved = _only(deletes.delete([[live]], on_late=lambda: late.append(None)))
        assert isinstance(saved, Saved)
        assert saved.record_id == live
        assert late == []
        assert isinstance(_only(deletes.delete([[live]])), Failed)

    def test_a_record_that_is_not_there_is_refused_in_its_place(self, org: ArrangedOrg, deletes: RecordDeletes) -> None:
        first, gone, last = org.record(), org.record(is_deleted=True), org.record()
        chunks = deletes.delete([[first, gone], [_NO_RECORD, last]])
        kinds = [[type(each) for each in chunk] for chunk in chunks if isinstance(chunk, list)]
        assert kinds == [[Saved, Failed], [Failed, Saved]]

    def test_nothing_is_no_call(self, org: ArrangedOrg, deletes: RecordDeletes) -> None:
        org.refuse_a_call()
        assert deletes.delete([]) == []

    def test_a_lost_answer_leaves_what_is_refused_in_doubt(self, org: ArrangedOrg, deletes: RecordDeletes) -> None:
        """The call is sent again, and the records that it has deleted are not there any more."""
        record, late = org.record(), list[None]()
        org.lose_an_answer()
        outcome = _only(deletes.delete([[record]], on_late=lambda: late.append(None)))
        assert isinstance(outcome, Failed)
        assert outcome.in_doubt
        assert late == [None]

    def test_a_call_that_fails_raises(self, org: ArrangedOrg, deletes: RecordDeletes) -> None:
        record = org.record()
        org.refuse_a_call()
        with pytest.raises(CallError):
            deletes.delete([[record]])


def _only(answers: list[ChunkAnswer]) -> Outcome:
    """What became of the one record of the one chunk."""
    [answer] = answers
    assert isinstance(answer, list)
    [outcome] = answer
    return outcome
