"""Which records hold a key now, what do they hold, and who wrote them when?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.salesforce.base import Origin, RecordReader


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A live record that holds a row's key."""

    #: 18 characters.
    record_id: str
    #: ``None``: this user cannot read it.
    values: Mapping[str, Any] | None
    #: ``None``: the sObject has no dates, or they cannot be read.
    origin: Origin | None

    def was_written_since(self, moment: datetime | None) -> bool:
        """Whether anybody may have written the record since; where no date tells, somebody may have."""
        modified_at = self.origin.modified_at if self.origin else None
        return modified_at is None or moment is None or is_since(modified_at, moment)

    def holds(self, row: Record) -> bool:
        """Whether the record has every value of the row that can be read back."""
        readable = self._readable(row)
        return bool(readable) and all(_same(value, self._stored(name)) for name, value in readable.items())

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
            _plain(value) and _same(value, self._stored(name)) and not _same(value, besides.get(name))
            for name, value in self._readable(row).items()
        )

    def _readable(self, row: Record) -> Mapping[str, Any]:
        return {name: value for name, value in row.fields.items() if name in (self.values or {})}

    def _stored(self, name: str) -> Any:
        return (self.values or {}).get(name)


def read_holders(reader: RecordReader, sobject: str, rows: Sequence[Record]) -> dict[str, list[KeyHolder]]:
    """The holders of the rows' keys, by key: three reads for all rows, one where nobody holds any.

    :raises CallError: the org does not answer.
    """
    held = reader.holders(list(dict.fromkeys(row.key for row in rows)))
    ids = sorted({record_id for each in held.values() for record_id in each})
    if not ids:
        return {}
    origins, stored = reader.origins(ids), reader.by_id(sobject, ids, _fields_of(rows))
    known = {each: KeyHolder(each, stored[each].values if each in stored else None, origins.get(each)) for each in ids}
    return {key: [known[each] for each in record_ids] for key, record_ids in held.items()}


def _fields_of(rows: Iterable[Record]) -> list[str]:
    """A parent that a row names by its key is read back as an id, which tells nothing."""
    plain = (name for row in rows for name, value in row.fields.items() if not isinstance(value, Mapping))
    return sorted({"Id", *plain})


def is_since(moment: datetime, since: datetime) -> bool:
    """Salesforce shows the second of a moment."""
    return moment.replace(microsecond=0) >= since.replace(microsecond=0)


def _same(value: Any, stored: Any) -> bool:
    """Whether the org holds the value, as far as it writes numbers, letters and punctuation in its own way."""
    return bool(value == stored) or _plain(value) == _plain(stored)


def _plain(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.15g}"
    return "" if value is None else "".join(filter(str.isalnum, str(value).lower()))
