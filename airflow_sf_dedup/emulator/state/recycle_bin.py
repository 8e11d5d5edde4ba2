"""What went with a deleted record, so that undelete brings it back with it?

Records that were taken along are deleted as well, but not in the recycle bin themselves: they come back, and go for
good, with the record they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cleared:
    """A lookup that was set to null because the record it pointed at was deleted."""

    record_id: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Deletion:
    #: Records that were deleted with it.
    taken_along: tuple[str, ...] = ()
    cleared: tuple[Cleared, ...] = ()


class RecycleBin:
    """What is said here about a record counts only while that record is deleted, so nothing has to be taken back."""

    def __init__(self) -> None:
        self._deletions: dict[str, Deletion] = {}
        self._went_with: dict[str, str] = {}

    def copy(self) -> RecycleBin:
        copied = RecycleBin()
        copied._deletions, copied._went_with = self._deletions.copy(), self._went_with.copy()
        return copied

    def put(self, record_id: str, deletion: Deletion) -> None:
        self._went_with.pop(record_id, None)
        self._deletions[record_id] = deletion
        self._went_with.update(dict.fromkeys(deletion.taken_along, record_id))

    def holds(self, record_id: str) -> bool:
        """Whether a deleted record is in the bin itself."""
        return record_id not in self._went_with

    def of(self, record_id: str) -> Deletion:
        return self._deletions.get(record_id, Deletion())

    def leave(self, record_id: str) -> None:
        """The record is live again, or gone for good, with all that was taken along."""
        for each in (record_id, *self._deletions.pop(record_id, Deletion()).taken_along):
            self._went_with.pop(each, None)
