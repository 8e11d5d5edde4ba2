"""The audit's matches as duplicate record sets of the org, where two live records stand for one row.

Before anything is written, the org is asked which sets hold the records together already, so that a task that runs
again, or after another one, adds nothing. Sets are made first and filled then; what a try leaves empty in between, the
next one finds and fills.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.known_record import KnownRecord
from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved
from airflow_sf_dedup.core.record_sets import RecordSet, Together, placed, together
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.refusals import is_in_doubt
from airflow_sf_dedup.journeys.sending.senders import Room, Senders, itself
from airflow_sf_dedup.journeys.sending.under_way import under_way
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.record_sets import RECORD_ID, RULE_ID, SET_ID, OrgRecordSets

#: Rows that are looked at together.
ROWS_TOGETHER = 500

_log = logging.getLogger(__name__)


@dataclass
class SetsMade:
    """What became of the rows that stand for two records or more."""

    rows: int = 0
    #: Those whose records stood in a set together already.
    before: int = 0
    #: Those of whose records fewer than two are there, or can be seen.
    gone: int = 0
    #: Sets that were made; those that an earlier try had left empty are not counted.
    sets: int = 0
    #: Records that were put into sets.
    items: int = 0
    #: Error code to sets and items that it kept out.
    failed: Counter[str] = field(default_factory=Counter)
    #: Of some nobody knows what became.
    in_doubt: bool = False


@dataclass
class SetMirror:
    """Makes the sets of one load.

    :ivar sobject: the load's.
    """

    sobject: str
    org: OrgRecordSets
    senders: Senders = field(default_factory=Senders)
    rows_together: int = ROWS_TOGETHER
    done: SetsMade = field(default_factory=SetsMade)

    def show(self, entries: Iterable[Entry]) -> SetsMade:
        """Put together what each entry says is one, some hundred rows at a time.

        :raises CallError: a call failed for good; what was made before it is in the org, and found by the next try.
        """
        told = filter(None, (together(entry, self.sobject) for entry in entries))
        while batch := list(islice(told, self.rows_together)):
            self.done.rows += len(batch)
            self._show(batch)
        return self.done

    def _show(self, batch: Sequence[Together]) -> None:
        live = self.org.live(self.sobject, _ids(batch))
        there = [each for each in (told.among(live) for told in batch) if each.are_several]
        self.done.gone += len(batch) - len(there)
        if not there:
            return
        wanted = ((each, self._rule_ids.get(each.rule or "")) for each in there)
        found = placed(wanted, self.org.holding(_ids(there)))
        self.done.before += found.before
        self._make([each for each in found.sets if each.set_id is None])
        self._fill([each for each in found.sets if each.set_id is not None])

    @cached_property
    def _rule_ids(self) -> Mapping[str, str]:
        rules = self.org.rule_ids(self.sobject)
        if rules is None:
            _log.warning("this user may not see duplicate rules, so that the duplicate record sets name none")
        return rules or {}

    @cached_property
    def _left_empty(self) -> dict[str | None, list[str]]:
        """Sets that an earlier try made and did not fill, by rule. The claim lets nobody else have them meanwhile."""
        found: dict[str | None, list[str]] = {}
        for each in self.org.never_filled():
            found.setdefault(each.rule_id, []).append(each.set_id or "")
        return found

    def _make(self, sets: Sequence[RecordSet]) -> None:
        """Give each an id: of one that was left empty, or of a new one."""
        for each in sets:
            empty = self._left_empty.get(each.rule_id)
            each.set_id = empty.pop() if empty else None
        new = [each for each in sets if each.set_id is None]
        rows = (_new(place, {RULE_ID: each.rule_id} if each.rule_id else {}) for place, each in enumerate(new))
        for place, outcome in self._sent(rows, self.org.sets):
            if isinstance(outcome, Saved):
                new[place].set_id = outcome.record_id
                self.done.sets += 1

    def _fill(self, sets: Sequence[RecordSet]) -> None:
        pairs = ((each.set_id, record_id) for each in sets for record_id in each.added)
        rows = (_new(place, {SET_ID: set_id, RECORD_ID: each}) for place, (set_id, each) in enumerate(pairs))
        self.done.items += sum(isinstance(outcome, Saved) for _, outcome in self._sent(rows, self.org.items))

    def _sent(self, rows: Iterable[Record], api: CollectionsApi) -> Iterator[tuple[int, Outcome]]:
        """Each row's number, and what became of it."""
        sender = self.senders.by_calls(api.upsert, Terms("Id", repeatable=False), Room.of(api), itself)
        try:
            for batch in sender.send(under_way(rows)):
                for answered in batch:
                    self._note(answered.outcome)
                    yield answered.row.row_number, answered.outcome
        finally:
            sender.close()

    def _note(self, outcome: Outcome) -> None:
        self.done.in_doubt |= is_in_doubt(outcome)
        if not isinstance(outcome, Saved):
            self.done.failed[outcome.code if isinstance(outcome, Failed) else type(outcome).__name__] += 1


def _new(number: int, values: Mapping[str, Any]) -> Record:
    return Record(number, "", values, "", known=KnownRecord())


def _ids(told: Iterable[Together]) -> list[str]:
    return list(dict.fromkeys(record_id for each in told for record_id in each.record_ids))
