"""What everything promises that says which records block a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

import pytest

from airflow_sf_dedup.core.outcomes import NOTHING_FOUND, DuplicatesFound, Failed, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, RequestRefusedError
from airflow_sf_dedup.salesforce.ports import DuplicateLookup
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
        [found] = _outcomes(lookup, [row])
        assert isinstance(found, DuplicatesFound)
        [match] = found.matches or ()
        assert (match.record_id, match.sobject) == (blocker, "Lead")
        assert match.duplicate_rule
        assert found.rules == (match.duplicate_rule,), "every rule that refuses the row is named, and no other one"
        assert found.all_named
        assert found.allow_save is alerts
        assert not found.in_doubt

    def test_a_row_that_nothing_blocks_any_more_is_saved_or_told_apart(
        self, org: ArrangedOrg, lookup: DuplicateLookup
    ) -> None:
        """Saved by a look-up that writes; by another one it is not in the org afterwards."""
        row, late = org.row(), list[None]()
        [outcome] = _outcomes(lookup, [row], lambda: late.append(None))
        if lookup.writes:
            assert isinstance(outcome, Saved)
            assert outcome.created is True
            assert org.values(outcome.record_id)["LastName"] == row.fields["LastName"]
            assert _outcomes(lookup, [row]) == [Saved(outcome.record_id, False)]
        else:
            assert _is_nothing_found(outcome)
            assert _outcomes(lookup, [row]) == [outcome]
            assert not org.holds(row.key)
        assert late == []

    def test_each_row_has_its_outcome_in_its_place(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        first, last = org.blocked_row(), org.blocked_row()
        rows = [first[0], org.row(), org.failing_row(), last[0]]
        blocked, unblocked, failing, blocked_too = _outcomes(lookup, rows)
        assert _blockers([blocked, blocked_too]) == [first[1], last[1]]
        assert isinstance(unblocked, Saved) if lookup.writes else _is_nothing_found(unblocked)
        assert isinstance(failing, Failed) or (not lookup.writes and _is_nothing_found(failing))

    def test_as_many_rows_as_it_says_go_in_one_call(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        assert lookup.rows_per_call >= 1
        answer = lookup.look_up([org.row() for _ in range(lookup.rows_per_call)])
        assert isinstance(answer, list)
        assert len(answer) == lookup.rows_per_call
        assert all(isinstance(each, Saved) if lookup.writes else _is_nothing_found(each) for each in answer)

    def test_no_row_has_no_outcome(self, lookup: DuplicateLookup) -> None:
        assert lookup.look_up([]) == []

    def test_a_call_that_is_refused_raises(self, org: ArrangedOrg, lookup: DuplicateLookup) -> None:
        """Unless it carries one row alone, of which the refusal may speak."""
        org.refuse_a_call()
        if lookup.rows_per_call == 1:
            [outcome] = _outcomes(lookup, [org.row()])
            assert isinstance(outcome, Failed)
            return
        with pytest.raises(CallError):
            lookup.look_up([org.row()])

    def test_after_a_lost_answer_its_rows_may_have_been_saved_unless_it_writes_nothing(
        self, org: ArrangedOrg, lookup: DuplicateLookup
    ) -> None:
        late = list[None]()
        org.lose_an_answer()
        [unblocked] = _outcomes(lookup, [org.row()], lambda: late.append(None))
        blocked = org.blocked_row()[0]
        org.lose_an_answer()
        [found] = _outcomes(lookup, [blocked], lambda: late.append(None))
        assert isinstance(found, DuplicatesFound)
        assert found.matches
        assert found.in_doubt is lookup.writes
        assert len(late) == (2 if lookup.writes else 0)
        if lookup.writes:
            assert isinstance(unblocked, Saved)
            assert unblocked.created is None
        else:
            assert _is_nothing_found(unblocked)

    def test_by_a_key_that_is_not_unique_a_row_of_unknown_outcome_is_not_sent_again(self, org: OrgT) -> None:
        lookup = self.make_lookup(org, repeatable=False)
        org.lose_an_answer()
        if lookup.writes:
            with pytest.raises(OutcomeUnknownError):
                lookup.look_up([org.row()])
        else:
            assert all(map(_is_nothing_found, _outcomes(lookup, [org.row()])))


def _outcomes(
    lookup: DuplicateLookup, rows: Sequence[Record], on_late: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """What it says of the rows, call by call; the refusal of a call that carries one row alone is the row's."""
    outcomes: list[Outcome] = []
    for start in range(0, len(rows), lookup.rows_per_call):
        try:
            answer = lookup.look_up(rows[start : start + lookup.rows_per_call], on_late=on_late)
        except RequestRefusedError as error:
            assert lookup.rows_per_call == 1
            answer = [Failed(error.code, str(error))]
        assert isinstance(answer, list), answer
        outcomes += answer
    return outcomes


def _is_nothing_found(outcome: Outcome) -> bool:
    return isinstance(outcome, DuplicatesFound) and outcome.why_unnamed == NOTHING_FOUND and not outcome.matches


def _blockers(outcomes: Sequence[Outcome]) -> list[str]:
    found = [outcome.matches or () for outcome in outcomes if isinstance(outcome, DuplicatesFound)]
    return [match.record_id for matches in found for match in matches]
