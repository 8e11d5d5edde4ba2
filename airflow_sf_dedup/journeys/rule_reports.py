"""Which of the rows that a partition saved do duplicate rules report? Asked once all of them are sent.

A rule that only reports says nothing when it lets a row through. What it leaves is a duplicate record set, so the org
is asked in which sets the saved records stand. Nothing is written to it; to ask again changes nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from airflow_sf_dedup.audit.base import Audit
from airflow_sf_dedup.core.entries import WRITTEN, Entry
from airflow_sf_dedup.core.rule_reports import RuleReport

_log = logging.getLogger(__name__)

#: Records that are asked for together.
ASK_TOGETHER = 2000

#: The sets of records, by record id; ``None``: this user may not see them.
AsksReports = Callable[[Sequence[str]], Mapping[str, Sequence[RuleReport]] | None]


@dataclass(frozen=True)
class NotesReports:
    """Keeps in the audit what rules report of the rows of a partition.

    :ivar ask: raises a ``CallError`` where the org does not answer.
    """

    audit: Audit
    ask: AsksReports

    def note(self, load_id: str, partition: int) -> None:
        """Ask for all records that the partition wrote, in this try or an earlier one.

        :raises CallError: the org does not answer; what was found by then is kept.
        """
        entries = self.audit.entries(load_id, actions=WRITTEN, partition=partition)
        for rows in _together(entries):
            found = self.ask(list(rows))
            if found is None:
                _log.warning(
                    "audit_reports: this user may not see duplicate record sets and their rules, so that nobody knows "
                    "which of the saved rows a rule reports"
                )
                return
            of_rows = {number: found.get(each, ()) for each, numbers in rows.items() for number in numbers}
            self.audit.remember_reports(load_id, of_rows)


def _together(entries: Iterable[Entry]) -> Iterator[Mapping[str, Sequence[int]]]:
    """Record id to the rows that were written to it, so many at a time; rows of one key can be many."""
    written = ((entry.record_id, entry.row_number) for entry in entries if entry.record_id)
    while some := list(islice(written, ASK_TOGETHER)):
        rows: dict[str, list[int]] = defaultdict(list)
        for record_id, number in some:
            rows[record_id].append(number)
        yield rows
