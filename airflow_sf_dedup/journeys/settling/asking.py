"""Ask: the row waits for a person, and the audit keeps its values until then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.core.decisions import DuplicateCase
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.deciding import reason_of

CountsChildren = Callable[[Mapping[str, Sequence[str]]], Mapping[str, Mapping[str, int]]]


def counts_none(ids: Mapping[str, Sequence[str]]) -> Mapping[str, Mapping[str, int]]:
    """No load asks for children unless it is told which."""
    return {}


@dataclass(frozen=True)
class Asks:
    """Closes rows as ``awaiting_review``."""

    entries: EntryMaker
    #: sObject to ids of its records, to how many children each has, by child sObject.
    count_children: CountsChildren = counts_none

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Nothing refuses it."""
        children = self.count_children(_matches(items))
        items = [replace(each, case=replace(each.case, children=children)) for each in items]
        book.close(self.entries.blocked(each.case, Action.AWAITING_REVIEW, reason_of(each)) for each in items)
        return []


def _matches(items: Iterable[Settling]) -> dict[str, list[str]]:
    """The matches that can be read, each once: sObject to ids."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for item in items:
        for match in item.case.matched:
            for record in filter(None, (match, match.became)):
                if record.readable:
                    found[record.sobject][record.record_id] = None
    return {sobject: list(ids) for sobject, ids in found.items()}
