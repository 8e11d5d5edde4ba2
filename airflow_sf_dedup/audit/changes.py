"""How to remember what a load changed in records that were there before, and what of it was taken back.

A change is told before the call that makes it. What a revert did about it stands beside it: neither the change nor the
row's entry is ever altered by a revert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.reverts import Left, RevertState

#: What identifies a change within its load: the number of the row, the record as the change names it, and the field.
ChangeId = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class MadeChange:
    """A change, and what the row's entry says of it."""

    change: Change
    #: The record: as the change names it, or the one that the row was written to. Empty: nobody knows it.
    record_id: str
    #: The row's action, key and record; ``None``: the row has no entry, or it says so.
    action: Action | None
    key: str | None
    written_id: str | None
    #: Of the entry: its one word more, and when it was made, UTC by the worker's clock.
    reason: str | None = None
    settled_at: datetime | None = None

    @property
    def id(self) -> ChangeId:
        """By which reverts know it."""
        return (self.change.row_number, self.change.record_id, self.change.field)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a revert did about one change."""

    id: ChangeId
    state: RevertState
    reason: Left | None = None
    #: Salesforce's code, where it refused the update.
    error_code: str | None = None
    #: Of the record right before the call, UTC.
    system_modstamp: datetime | None = None


@dataclass(frozen=True, slots=True)
class RevertTotals:
    """One revert of a load, in numbers."""

    revert_id: str
    #: The Dag, the run and the task, for people.
    task: str
    started_at: datetime
    ended_at: datetime | None
    #: State and reason to changes.
    changes: Mapping[tuple[RevertState, Left | None], int]

    def count(self, state: RevertState) -> int:
        """Changes in that state, whatever the reason."""
        return sum(count for (each, _), count in self.changes.items() if each is state)


class ChangeWriter(Protocol):
    """Takes what is about to be changed."""

    def keep_changes(self, load_id: str, changes: Sequence[Change]) -> None:
        """Write changes, committed when the call returns.

        Of two tries of a row, the one counts that knows what was there before the load.

        :raises LoadMissingError: the load was not opened, or has been purged.
        """


class ChangeReader(Protocol):
    """What did a load change?"""

    def changes(self, load_id: str, *, after: tuple[str, str] = ("", ""), records: int = 1000) -> list[MadeChange]:
        """Changes of the next records, by sObject and record, those of one record oldest first.

        What was kept back is not among them.

        :param after: sObject and record of the last ones that were read.
        :param records: most records; all changes of a record come together.
        """


class CreatedReader(Protocol):
    """Which records did a load create, and who has written them besides?"""

    def created(self, load_id: str, *, before: int | None = None, records: int = 1000) -> list[MadeChange]:
        """The rows that were saved as records of their own, or may have been: the latest in the source first.

        Each as the change of :data:`.IS_DELETED` that it is.

        :param before: only rows before that one.
        :param records: most of them.
        """

    def written_elsewhere(
        self, load_id: str, record_ids: Iterable[str], keys: Iterable[str], *, since: datetime
    ) -> frozenset[str]:
        """Those of the records that another load has written since then, or may have.

        :param keys: of the rows that wrote them in this load, by which other loads may have found them.
        """


class RevertReader(Protocol):
    """Was a load reverted?"""

    def reverts(self, load_id: str) -> list[RevertTotals]:
        """All reverts of a load, oldest first."""


class Reverts(RevertReader, Protocol):
    """Which changes were taken back, by whom? Committed when a call returns."""

    def begin_revert(self, revert_id: str, load_id: str, task: str) -> None:
        """Beginning again changes nothing but that it has not ended.

        :raises LoadMissingError: the load was not opened, or has been purged.
        """

    def end_revert(self, revert_id: str, load_id: str) -> None:
        """Nothing is left to be done by it."""

    def mark(self, revert_id: str, load_id: str, marks: Sequence[Mark]) -> None:
        """Say how far the revert of changes is; the last word of a revert counts, and ``reverted`` is its last.

        :raises LoadMissingError: the load was not opened, or has been purged.
        """

    def standing(self, load_id: str, rows: Iterable[int]) -> Mapping[ChangeId, Mark]:
        """How far the changes of rows are, over all reverts: ``reverted`` goes before ``announced``, and that before
        ``left``. Of several announced ones, the latest.
        """


class ChangeLog(ChangeWriter, ChangeReader, CreatedReader, Reverts, Protocol):
    """All of it."""
