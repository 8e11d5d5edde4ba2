"""Carry out decisions that write: send them, see what became of each, and hand back what Salesforce refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.decisions import DuplicateCase
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.refusals import is_in_doubt
from airflow_sf_dedup.journeys.sending.senders import Room, Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered, under_way
from airflow_sf_dedup.journeys.settling.blocked import Settling, record_of
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.salesforce.ports import ChunkAnswer


class Way(Protocol):
    """How one kind of decision is written."""

    @property
    def action(self) -> Action:
        """What is done, for the audit."""

    @property
    def failed(self) -> str:
        """Why a row failed that could not be written so, in one word."""

    def done(self, item: Settling) -> str | None:
        """What the audit says beside the action, in one word."""

    @property
    def terms(self) -> Terms:
        """By which key, and whether it repeats safely."""

    @property
    def room(self) -> Room:
        """How much one call takes."""

    def call(self, chunks: Sequence[Sequence[Settling]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        """Write what was decided."""

    def changes(self, item: Settling) -> Iterable[Change]:
        """What it changes in a record that was there before."""

    def as_sent(self, item: Settling) -> Record:
        """The row with the values that are written."""

    def is_about(self, item: Settling, saved: Saved) -> bool:
        """Whether a record that holds the row's values by now is the one that the decision was to write to."""

    def refusal(self, item: Settling, outcome: Outcome) -> str | None:
        """Why the decision cannot be carried out, in one word, so that the next policy is asked.

        ``None``: it was carried out, or the row failed.
        """

    def is_contested(self, answered: Answered[Record]) -> bool:
        """Whether only a re-read of the row's key tells why it was refused."""

    def release(self, items: Iterable[Settling]) -> None:
        """Let go of what was claimed for decisions that were surely not carried out."""


@runtime_checkable
class Writes(Protocol):
    """Carries out a decision that writes, and says how."""

    @property
    def way(self) -> Way:
        """How it is written, and what the audit says of it."""


def written_to(item: Settling) -> str | None:
    """The record that a decision would write to; ``None``: a new one, or whichever holds the key."""
    decision = item.decided.decision
    return getattr(decision, "record_id", None) if hasattr(decision, "fields") else None


@dataclass(frozen=True)
class Writer:
    """Writes decisions of any kind.

    :ivar keep_changes: commits what is about to be changed.
    """

    senders: Senders
    lost_answers: LostAnswers
    entries: EntryMaker
    keep_changes: Callable[[Sequence[Change]], None]

    def write(self, items: Sequence[Settling], way: Way, book: Book) -> list[DuplicateCase]:
        """Every row is closed in the book, handed back by it, or answered: its decision was refused.

        What is to be changed is committed before the first call.

        :raises CallError: a call failed for good; the book knows which of the rows may be in the org.
        """
        self.keep_changes([change for item in items for change in way.changes(item)])
        sender = self.senders.by_calls(way.call, way.terms, way.room, record_of)
        reopened: list[DuplicateCase] = []
        try:
            for batch in sender.send(under_way(items)):
                reopened += self._read(batch, way, book)
        except CallError:
            left = list(sender.left())
            book.doubt(each.of(each.row.record) for each in left)
            way.release(each.row for each in left if not each.in_doubt)
            raise
        return reopened

    def _read(self, batch: Sequence[Answered[Settling]], way: Way, book: Book) -> list[DuplicateCase]:
        known = [each for each in batch if not self._handed_back(each, way, book)]
        answers = self._told(known, way)
        way.release(item for item, outcome in answers if not (isinstance(outcome, Saved) or is_in_doubt(outcome)))
        refused = [(item, way.refusal(item, outcome)) for item, outcome in answers]
        book.close(
            self._entry(item, outcome, way)
            for (item, outcome), (_, why) in zip(answers, refused, strict=True)
            if why is None
        )
        return [item.refused(why) for item, why in refused if why is not None]

    def _handed_back(self, each: Answered[Settling], way: Way, book: Book) -> bool:
        answered = _of_record(each, way)
        if not way.is_contested(answered):
            return False
        book.hand_back(answered)
        return True

    def _told(self, answers: Sequence[Answered[Settling]], way: Way) -> list[tuple[Settling, Outcome]]:
        """A decision that is refused now may have been carried out by an earlier call, whose answer was lost."""
        told = self.lost_answers.refused_or_saved([_of_record(each, way) for each in answers])
        return [
            (each.row, now.outcome if _is_about(each.row, now.outcome, way) else each.outcome)
            for each, now in zip(answers, told, strict=True)
        ]

    def _entry(self, item: Settling, outcome: Outcome, way: Way) -> Entry:
        if isinstance(outcome, Saved):
            return self.entries.blocked(item.case, way.action, way.done(item), record_id=outcome.record_id)
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        return self.entries.not_saved(item.record, outcome, reason=way.failed, matches=self.entries.matches(item.case))


def _of_record(each: Answered[Settling], way: Way) -> Answered[Record]:
    """The row as it was sent."""
    return Answered(each.sent.of(way.as_sent(each.row)), each.outcome)


def _is_about(item: Settling, outcome: Outcome, way: Way) -> bool:
    return not isinstance(outcome, Saved) or way.is_about(item, outcome)
