"""Which records block these rows? Salesforce's batch APIs do not say, so those rows are asked about once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from airflow_sf_dedup.core.outcomes import DuplicatesFound
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Room, Senders, itself
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay, under_way
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, DuplicateLookup


@dataclass
class Naming:
    """Looks up what blocked rows. A look-up may be a write: a row that nothing blocks any more is saved by it."""

    lookup: DuplicateLookup
    terms: Terms
    lost_answers: LostAnswers
    senders: Senders
    #: Rows whose look-up got no answer, once a call failed for good.
    left: list[UnderWay[Record]] = field(default_factory=list, init=False)

    def name(self, blocked: Sequence[Blocked]) -> Iterator[list[Answered[Record]]]:
        """What the look-up says of the rows whose refusal did not name its matches, call by call.

        :raises CallError: a call failed for good; :attr:`left` has the other rows.
        """
        unnamed = [row.record for row in blocked if row.found.matches is None]
        sender = self.senders.by_calls(self._call, self.terms, Room(self.lookup.rows_per_call), itself)
        try:
            for batch in sender.send(under_way(unnamed)):
                yield self.lost_answers.resolved(batch)
        except CallError:
            self.left = list(sender.left())
            raise

    def _call(self, chunks: Sequence[Sequence[Record]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        return [self.lookup.look_up(chunk, on_late=on_late) for chunk in chunks]


def named(rows: Sequence[Blocked]) -> list[Blocked]:
    """The rows whose refusal named its matches at once."""
    return [row for row in rows if row.found.matches is not None]


def unnamed(rows: Sequence[Blocked]) -> list[Blocked]:
    """The rows without what their refusal named: it is asked anew, since other rules may be in force by now."""
    return [replace(row, found=replace(row.found, matches=None)) for row in rows]


def still_blocked(answered: Sequence[Answered[Record]]) -> list[Blocked]:
    """The rows that the look-up found blocked, with what it named."""
    return [Blocked(each.sent, each.outcome) for each in answered if isinstance(each.outcome, DuplicatesFound)]
