"""Update matches of other sObjects, each sObject and stamp by a way of its own: that of matches of the row's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.core.decisions import DuplicateCase, UpdateOther
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.lost_answers import ReRead
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.others import OtherSObjects
from airflow_sf_dedup.journeys.settling.updating import UpdatesMatch
from airflow_sf_dedup.salesforce.ports import ChunkApi, RecordReader


@dataclass(frozen=True)
class UpdatesOthers:
    """Updates matched records of other sObjects. Never a create.

    :ivar own: how matches of the row's own sObject are updated.
    :ivar by_stamp: what writes to an sObject, and reads which of its records carry keys in a field of theirs.
    :ivar user_id: of the API user, once it is known.
    :ivar stamped: records that an earlier try of the load may have stamped.
    """

    own: UpdatesMatch
    others: OtherSObjects
    by_stamp: Callable[[SObject, KeyRule], tuple[ChunkApi, RecordReader]]
    user_id: Callable[[], str | None] = lambda: None
    stamped: Container[str] = ()

    @property
    def way(self) -> UpdatesMatch:
        """As matches of the row's own sObject are."""
        return self.own

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """As matches of the row's own sObject are updated: claimed, written by id, re-read where no answer came."""
        ways: dict[tuple[str, str], list[Settling]] = defaultdict(list)
        for item in items:
            decision = item.decided.decision
            assert isinstance(decision, UpdateOther)  # noqa: S101 - narrows the union
            ways[decision.sobject, decision.stamp].append(item)
        return [case for way, some in ways.items() for case in self._way(*way).carry_out(some, book)]

    def _way(self, sobject: str, stamp: str) -> UpdatesMatch:
        """Who carries a row's key in the stamp tells what became of a call without an answer."""
        other = self.others.get(sobject)
        field = other.field(stamp) if other else None
        assert other is not None and field is not None  # noqa: S101 - a record of it was read, with that field
        api, reader = self.by_stamp(other, KeyRule(field))
        lost_answers = ReRead(reader, other, field.name, self.user_id, stamped=self.stamped)
        writer = replace(self.own.writer, lost_answers=lost_answers)
        return replace(self.own, key_field=field.name, api=api, writer=writer)
