"""Which records hold a key now, what do they hold, and who wrote them when?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness, of_all
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.salesforce.ports import Origin, RecordReader


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A live record that holds a row's key."""

    #: 18 characters.
    record_id: str
    #: ``None``: this user cannot read it.
    values: Mapping[str, Any] | None
    #: ``None``: the sObject has no dates, or they cannot be read.
    origin: Origin | None
    #: What it is.
    sobject: SObject
    #: The fields that hold the key.
    key_fields: Collection[str]

    def was_written_since(self, moment: datetime | None) -> bool:
        """Whether anybody may have written the record since; where no date tells, somebody may have."""
        modified_at = self.origin.modified_at if self.origin else None
        return modified_at is None or moment is None or is_since(modified_at, moment)

    def likeness(self, row: Record) -> Likeness:
        """Whether the record has the values of the row, beside the key."""
        return of_all(self._likenesses(row).values())

    def was_overwritten_since(self, moment: datetime) -> bool:
        """Whether somebody has written the record since, and not only by creating it, as far as its dates tell."""
        if self.origin is None or self.origin.modified_at is None or not is_since(self.origin.modified_at, moment):
            return False
        if self.origin.created_at is None or self.origin.created_by != self.origin.modified_by:
            return True
        return not is_since(self.origin.created_at, self.origin.modified_at)

    def has_traces_of(self, row: Record, besides: Mapping[str, Any]) -> bool:
        """Whether the record has a value of the row, not a blank one, that is not among those that others write."""
        return any(
            each <= Likeness.LIKE
            and not is_blank(row.fields[name])
            and likeness(row.fields[name], besides.get(name), self._field(name)) > Likeness.LIKE
            for name, each in self._likenesses(row).items()
        )

    def _likenesses(self, row: Record) -> dict[str, Likeness]:
        """Of each field of the row, but the key."""
        stored = self.values or {}
        return {
            name: likeness(value, stored[name], self._field(name)) if name in stored else Likeness.UNTOLD
            for name, value in row.fields.items()
            if name not in self.key_fields
        }

    def _field(self, name: str) -> Field | None:
        return self.sobject.field(name)


def read_holders(
    reader: RecordReader, sobject: SObject, key_fields: Collection[str], rows: Sequence[Record]
) -> dict[str, list[KeyHolder]]:
    """The holders of the rows' keys, by key: three reads for all rows, one where nobody holds any.

    :raises CallError: the org does not answer.
    """
    held = reader.holders(list(dict.fromkeys(row.key for row in rows)))
    ids = sorted({record_id for each in held.values() for record_id in each})
    if not ids:
        return {}
    origins, stored = reader.origins(ids), reader.by_id(sobject.name, ids, _fields_of(rows))
    values = {each: stored[each].values if each in stored else None for each in ids}
    known = {each: KeyHolder(each, values[each], origins.get(each), sobject, key_fields) for each in ids}
    return {key: [known[each] for each in record_ids] for key, record_ids in held.items()}


def _fields_of(rows: Iterable[Record]) -> list[str]:
    """A parent that a row names by its key is read back as an id, which tells nothing."""
    plain = (name for row in rows for name, value in row.fields.items() if not isinstance(value, Mapping))
    return sorted({"Id", *plain})


def is_since(moment: datetime, since: datetime) -> bool:
    """Salesforce shows the second of a moment."""
    return moment.replace(microsecond=0) >= since.replace(microsecond=0)
