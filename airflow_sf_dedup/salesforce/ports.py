"""How to talk to an org, in the words of a load. Each port is one need, not one API of Salesforce."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from airflow_sf_dedup.core.outcomes import Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject


@dataclass(frozen=True, slots=True)
class ChunkRefused:
    """Salesforce refused a whole chunk, as it does when one value in it is malformed."""

    code: str
    message: str
    #: An earlier sending of the chunk got no answer: its rows may be in the org all the same.
    in_doubt: bool = False


#: The answer to one chunk: an outcome a row, in the order sent, or the refusal of all of it.
ChunkAnswer = list[Outcome] | ChunkRefused


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """New values for a record known by its id."""

    #: 18 characters.
    record_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as the org holds it."""

    #: 18 characters.
    record_id: str
    values: Mapping[str, Any]
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """When and by whom a record was created, and last written.

    Times are UTC, by the org's clock; Salesforce tells whole seconds. Users have 18 characters. ``None``: the org
    does not say.
    """

    created_at: datetime | None
    created_by: str | None
    modified_at: datetime | None = None
    modified_by: str | None = None


def nobody() -> None:
    """Tells nobody."""


class UpsertApi(Protocol):
    """Writes rows by their key.

    Calls take ``on_late``: called when a sending of the call was given up and sent again although it may still be
    carried out; in the thread that sends.
    """

    #: Rows of one chunk; Salesforce answers or refuses a chunk as a whole.
    rows_per_chunk: int
    #: Chunks that one call can carry.
    chunks_per_call: int
    #: Whether rows of unknown outcome may be sent again at once: their key is unique.
    repeatable: bool

    def upsert(
        self, chunks: Sequence[Sequence[Record]], *, allow_save: bool = False, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Upsert the chunks in one call; answers chunk by chunk.

        :raises CallError: the call as a whole did not do its work.
        """

    def update(
        self, chunks: Sequence[Sequence[RecordUpdate]], *, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Update records by id in one call, duplicate rules in force, assignment rules off."""


class DuplicateLookup(Protocol):
    """Says which records block a row."""

    #: Rows that one call can carry.
    rows_per_call: int

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """One outcome a row: ``DuplicatesFound`` with its matches, or ``Saved`` if nothing blocked it.

        :param on_late: as for :class:`UpsertApi`; a look-up may be a write.
        """


class RecordReader(Protocol):
    """Reads records in bulk."""

    def describe(self, sobject: str) -> SObject:
        """The sObject as the org describes it to this user.

        :raises PreflightError: there is no such sObject, or the user may not see it.
        """

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        """The records the user can read, by 18-character id, deleted ones included and marked as such."""

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Normalised key to the ids of the live records that hold it; keys without holder are absent."""

    def deleted_holders(self, keys: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The same for records in the recycle bin."""

    def origins(self, record_ids: Sequence[str]) -> Mapping[str, Origin]:
        """When and by whom live records were created, by 18-character id; those that cannot be read are absent."""
