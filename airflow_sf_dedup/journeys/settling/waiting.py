"""Wait for a rule: the row keeps an unsettled entry and gives its key back; the task's next round sends it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from airflow_sf_dedup.core.decisions import DuplicateCase, WaitForRule
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.stale_rules import StaleRules


@dataclass(frozen=True)
class WaitsForRule:
    """Closes rows as ``not_sent`` for now. How often a row has waited is committed with its entry.

    :ivar repeatable: a row may be sent again whatever became of it: its key is unique.
    :ivar stale_rules: knows how rows have waited before.
    """

    entries: EntryMaker
    repeatable: bool
    stale_rules: StaleRules

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """A row that may be in the org by a key that is not unique is not sent as if it were new."""
        now = self.stale_rules.now()
        waiting = [item for item in items if self.repeatable or not book.is_in_doubt(item.record.row_number)]
        numbers = {item.record.row_number for item in waiting}
        book.close(self._entry(item, now) for item in waiting)
        return [item.refused("row_in_doubt") for item in items if item.record.row_number not in numbers]

    def _entry(self, item: Settling, now: datetime) -> Entry:
        decision = item.decided.decision
        assert isinstance(decision, WaitForRule)  # noqa: S101 - narrows the union
        before = self.stale_rules.waits.get(item.record.row_number) or RuleWait(0, since=now, until=now)
        entry = self.entries.blocked(item.case, Action.NOT_SENT, decision.reason)
        return replace(entry, rule_wait=before.again(now, decision.after))
