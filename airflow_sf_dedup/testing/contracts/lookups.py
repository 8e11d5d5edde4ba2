"""What everything promises that says which records block a row."""

from __future__ import annotations

from typing import Generic

import pytest

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, DuplicateLookup
from airflow_sf_dedup.testing.contracts.orgs import ArrangedOrg, OrgT

# ruff: noqa: S101


class DuplicateLookupContract(Generic[OrgT]):
    """Inherit, and answer :meth:`make_org` and :meth:`make_lookup`."""

    def make_org(self) -> OrgT:
        """An org for one test."""
        raise NotImplementedError

    def make_lookup(self, org: OrgT, *, repeatable: bool = True) -> DuplicateLookup:
        """The look-up that is under test, for the leads of that org.

        :param repeatable: False: the key is not unique.
        """
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> OrgT:
        return self.make_org()

    @pytest.fixture
    def lookup(self, org: OrgT) -> DuplicateLookup:
        return self.make_lookup(org)

    @pytest.mark.parametrize("alerts", [False, True], ids=["a rule blocks", "a rule alerts"])
    def test_a_blocked_row_names_what_blocks_it(self, org: ArrangedOrg, lookup: DuplicateLookup, alerts: bool) -> None:
        """Whatever the rule does: a look-up overrides none."""
        row, blocker = org.blocked_row(alerts=alerts)
        [found] = _outcomes(lookup.look_up([row]))
        assert isinstance(found, DuplicatesFound)
        [match] = found.matches or ()
        assert (match.record_id, match.sobject) == (blocker, "Lead")
        assert match.duplicate_rule
        assert found.rules == (match.duplicate_rule,), "every rule that refuses the row is named, and no other one"
        assert found.all_named
        assert found.allow_save is alerts
        assert not found.in_doubt

    def test_a_row_that_nothing_blocks_any_more_is_saved(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        row, late = org.row(), list[None]()
        [created] = _outcomes(lookup.look_up([row], on_late=lambda: late.append(None)))
        assert isinstance(created, Saved)
        assert created.created is True
        assert org.values(created.record_id)["LastName"] == row.fields["LastName"]
        assert lookup.look_up([row]) == [Saved(created.record_id, False)]
        assert late == []

    def test_each_row_has_its_outcome_in_its_place(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        first, last = org.blocked_row(), org.blocked_row()
        outcomes = _outcomes(lookup.look_up([first[0], org.row(), org.failing_row(), last[0]]))
        assert [type(outcome) for outcome in outcomes] == [DuplicatesFound, Saved, Failed, DuplicatesFound]
        found = [outcome.matches or () for outcome in outcomes if isinstance(outcome, DuplicatesFound)]
        assert [match.record_id for matches in found for match in matches] == [first[1], last[1]]

    def test_as_many_rows_as_it_says_go_in_one_call(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        assert lookup.rows_per_call >= 1
        outcomes = _outcomes(lookup.look_up([org.row() for _ in range(lookup.rows_per_call)]))
        assert [type(outcome) for outcome in outcomes] == [Saved] * lookup.rows_per_call

    def test_no_row_has_no_outcome(self, lookup: DuplicateLookup) -> None:
        assert lookup.look_up([]) == []

    def test_a_call_that_is_refused_raises(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        org.refuse_a_call()
        with pytest.raises(CallError):
            lookup.look_up([org.row()])

    def test_after_a_lost_answer_its_rows_may_have_been_saved(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        """A look-up may be a write, and is one for the row that nothing blocks."""
        rows, late = [org.row(), org.blocked_row()[0]], list[None]()
        org.lose_an_answer()
        saved, found = _outcomes(lookup.look_up(rows, on_late=lambda: late.append(None)))
        assert isinstance(saved, Saved)
        assert saved.created is None
        assert isinstance(found, DuplicatesFound)
        assert found.in_doubt
        assert len(late) == 1

    def test_by_a_key_that_is_not_unique_a_row_of_unknown_outcome_is_not_sent_again(self, org: OrgT) -> None:
        org.lose_an_answer()
        with pytest.raises(OutcomeUnknownError):
            self.make_lookup(org, repeatable=False).look_up([org.row()])


def _outcomes(answer: ChunkAnswer) -> list[Outcome]:
    assert isinstance(answer, list), answer
    return answer
