"""What everything promises that takes records out of the recycle bin."""

from __future__ import annotations

from typing import Generic

import pytest

from airflow_sf_dedup.core.outcomes import Failed, Saved
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.ports import RecordUndeletes
from airflow_sf_dedup.testing.contracts.orgs import ArrangedOrg, OrgT

# ruff: noqa: S101

#: Nobody's.
_NO_RECORD = to_18("00Q000000999999")


class RecordUndeletesContract(Generic[OrgT]):
    """Inherit, and answer :meth:`make_org` and :meth:`make_undeletes`."""

    def make_org(self) -> OrgT:
        """An org for one test."""
        raise NotImplementedError

    def make_undeletes(self, org: OrgT) -> RecordUndeletes:
        """What is under test, for the leads of that org."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> OrgT:
        return self.make_org()

    @pytest.fixture
    def undeletes(self, org: OrgT) -> RecordUndeletes:
        return self.make_undeletes(org)

    def test_a_deleted_record_is_live_again_with_its_values(self, org: ArrangedOrg, undeletes: RecordUndeletes) -> None:
        gone, late = org.record(key="Gone", is_deleted=True), list[None]()
        [saved] = undeletes.undelete([gone], on_late=lambda: late.append(None))
        assert isinstance(saved, Saved)
        assert saved.record_id == gone
        assert org.values(gone)[org.key_rule.field.name] == "Gone"
        assert late == []

    def test_a_record_that_is_not_in_the_recycle_bin_is_refused_in_its_place(
        self, org: ArrangedOrg, undeletes: RecordUndeletes
    ) -> None:
        """A live one, and one that is gone for good: only a re-read tells which."""
        first, live, last = org.record(is_deleted=True), org.record(), org.record(is_deleted=True)
        outcomes = undeletes.undelete([first, live, _NO_RECORD, last])
        assert [type(outcome) for outcome in outcomes] == [Saved, Failed, Failed, Saved]

    def test_after_a_lost_answer_a_refused_record_may_be_live(
        self, org: ArrangedOrg, undeletes: RecordUndeletes
    ) -> None:
        gone, late = org.record(is_deleted=True), list[None]()
        org.lose_an_answer()
        [refused] = undeletes.undelete([gone], on_late=lambda: late.append(None))
        assert isinstance(refused, Failed)
        assert refused.in_doubt
        assert len(late) == 1
        assert not org.values(gone).get("IsDeleted")

    def test_as_many_records_as_it_says_go_in_one_call(self, org: ArrangedOrg, undeletes: RecordUndeletes) -> None:
        assert undeletes.ids_per_call >= 1
        gone = [org.record(is_deleted=True) for _ in range(min(undeletes.ids_per_call, 20))]
        outcomes = undeletes.undelete(gone)
        assert [outcome.record_id for outcome in outcomes if isinstance(outcome, Saved)] == gone

    def test_no_record_is_no_call(self, org: ArrangedOrg, undeletes: RecordUndeletes) -> None:
        org.refuse_a_call()
        assert undeletes.undelete([]) == []

    def test_a_call_that_is_refused_raises(self, org: ArrangedOrg, undeletes: RecordUndeletes) -> None:
        gone = org.record(is_deleted=True)
        org.refuse_a_call()
        with pytest.raises(CallError):
            undeletes.undelete([gone])
