"""What is written of a row where a load keeps to its plan? What is beyond it is left before it is written.

Who holds a row's key is asked right before the call. A row that a rule kept out in the plan is not sent to find that
out again: it goes to the policy with the matches that the plan found, whose records are read anew. So one that nothing
blocks any more is not created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_sf_dedup.audit.base import EntryReader
from airflow_sf_dedup.core.decisions import Decision, DuplicateCase
from airflow_sf_dedup.core.entries import BEYOND_PLAN, WRITTEN, Action, Entry
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import DuplicatesFound, KeyHeldByMany, Match
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.sending.known import Before, LeftAlone, WriteRules
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.settlement import CarriesOut
from airflow_sf_dedup.journeys.settling.writing import Way, Writes, written_to

_BLOCKED = Obstacle.DUPLICATE_RULE.code


@dataclass
class PlannedRows:
    """The entries of a plan, which its load has by the same row numbers: their digests are the same."""

    audit: EntryReader
    plan_id: str
    _known: dict[int, Entry] = field(default_factory=dict, init=False)

    def meet(self, rows: Sequence[Record]) -> None:
        """Read those of the rows that are not known; one set of queries of the audit's database."""
        self._known |= self.audit.entries_of(
            self.plan_id, [row.row_number for row in rows if row.row_number not in self._known]
        )

    def of(self, row: Record) -> Entry | None:
        """What was planned of a row; ``None``: nothing."""
        if row.row_number not in self._known:
            self.meet([row])
        return self._known.get(row.row_number)


@dataclass(frozen=True)
class WithinPlan(WriteRules):
    """The rules of a load, and no more than was planned."""

    plan: PlannedRows = field(kw_only=True)

    @property
    def ask_first(self) -> bool:
        """What the org has decides whether a row is sent at all."""
        return True

    def meet(self, rows: Sequence[Record]) -> None:
        """Read what was planned of them."""
        self.plan.meet(rows)

    def decide(self, row: Record, before: Before) -> Record | LeftAlone | KeyHeldByMany | DuplicatesFound:
        """How the row is sent, where that was planned; or what the plan says of it."""
        planned, holders = self.plan.of(row), before.holders.get(row.key, ())
        if planned is None:
            return LeftAlone(Action.SKIPPED, BEYOND_PLAN)
        if planned.error_code == _BLOCKED and not _is_stamped(planned, holders):
            return _found(planned)
        if planned.action not in WRITTEN:
            return _as_planned(planned)
        decided = super().decide(row, before)
        if isinstance(decided, Record) and not _is_within(planned, holders):
            return LeftAlone(Action.SKIPPED, BEYOND_PLAN, holders[0] if holders else None)
        return decided

    def allows(self, item: Settling, way: Way) -> bool:
        """Whether a decision is the one that was planned."""
        planned, record_id = self.plan.of(item.record), written_to(item)
        if planned is None or planned.action is not way.action:
            return False
        return planned.record_id is None or record_id is None or planned.record_id == record_id


def within_plan(rules: WriteRules, audit: EntryReader, plan_id: str) -> WithinPlan:
    """The same rules, of a load that keeps to its plan."""
    return WithinPlan(rules.rules, rules.mode, keep_before=rules.keep_before, plan=PlannedRows(audit, plan_id))


def _is_stamped(planned: Entry, holders: Sequence[str]) -> bool:
    """An earlier try of the load has carried out what was planned: the match carries the key."""
    return planned.action is Action.MATCHED_UPDATED and tuple(holders) == (planned.record_id,)


def _is_within(planned: Entry, holders: Sequence[str]) -> bool:
    """Whether writing to whoever holds the key, or creating a record, is what was planned."""
    if planned.action is Action.CREATED:
        return not holders
    return bool(holders) and planned.record_id in (None, holders[0])


def _found(planned: Entry) -> DuplicatesFound:
    """What the rules found for the plan."""
    matches = tuple(
        Match(
            each.record_id,
            each.sobject,
            each.duplicate_rule,
            each.matching_rule,
            each.engine,
            each.confidence,
            each.allow_save,
        )
        for each in planned.matches
        if each.duplicate_rule is not None
    )
    may_be_saved = bool(matches) and all(each.allow_save for each in matches)
    rules = tuple(dict.fromkeys(each.duplicate_rule for each in matches))
    return DuplicatesFound("a duplicate rule kept the row out of the plan", matches, may_be_saved, rules=rules)


def _as_planned(planned: Entry) -> LeftAlone:
    return LeftAlone(
        planned.action,
        planned.reason,
        planned.record_id,
        planned.error_fields,
        error_code=planned.error_code,
        matches=planned.matches,
    )


@dataclass(frozen=True)
class KeptTo:
    """Carries out a decision that writes, where it was planned; the other rows are left.

    :ivar way: how it is written.
    """

    writes: CarriesOut
    way: Way
    within: WithinPlan
    entries: EntryMaker

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """As what it stands before."""
        planned = [each for each in items if self.within.allows(each, self.way)]
        beyond = [each for each in items if not self.within.allows(each, self.way)]
        book.close(self.entries.blocked(each.case, Action.SKIPPED, BEYOND_PLAN) for each in beyond)
        return self.writes.carry_out(planned, book) if planned else []


def kept_to_plan(
    carries_out: Mapping[type[Decision], CarriesOut], within: WithinPlan, entries: EntryMaker
) -> Mapping[type[Decision], CarriesOut]:
    """The same kinds of decisions, of which those that write are kept to the plan."""
    return {
        kind: KeptTo(each, each.way, within, entries) if isinstance(each, Writes) else each
        for kind, each in carries_out.items()
    }
