"""Save anyway: the row is upserted by its key once more, past the rules that only warn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.decisions import DuplicateCase
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.key_conflicts import needs_re_read
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Room
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.writing import Writer
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkApi


@dataclass(frozen=True)
class SavesAnyway:
    """Upserts rows with ``allowSave=true``."""

    key_field: str
    api: ChunkApi
    writer: Writer
    action: Action = Action.SAVED_ANYWAY
    failed: str = "saved_anyway_failed"

    @property
    def way(self) -> SavesAnyway:
        """Itself."""
        return self

    def done(self, item: Settling) -> str | None:
        """The action says it all."""
        return None

    @property
    def terms(self) -> Terms:
        """By their key."""
        return Terms(self.key_field, self.api.repeatable)

    @property
    def room(self) -> Room:
        """As the API takes it."""
        return Room.of(self.api)

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """A rule that is in force by now refuses it."""
        return self.writer.write(items, self, book)

    def call(self, chunks: Sequence[Sequence[Settling]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        """One upsert for each."""
        rows = [[self.as_sent(each) for each in chunk] for chunk in chunks]
        return self.api.upsert(rows, allow_save=True, on_late=on_late)

    def changes(self, item: Settling) -> Iterable[Change]:
        """No matched record is touched."""
        return ()

    def as_sent(self, item: Settling) -> Record:
        """As it is."""
        return item.record

    def is_about(self, item: Settling, saved: Saved) -> bool:
        """Whichever record holds the key."""
        return True

    def refusal(self, item: Settling, outcome: Outcome) -> str | None:
        """By a rule."""
        return "settle_refused_by_rule" if isinstance(outcome, DuplicatesFound) else None

    def is_contested(self, answered: Answered[Record]) -> bool:
        """A unique value kept the row out."""
        return needs_re_read(answered, self.key_field)

    def release(self, items: Iterable[Settling]) -> None:
        """Nothing is claimed."""
