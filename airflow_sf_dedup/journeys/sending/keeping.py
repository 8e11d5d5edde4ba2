"""What are rows about to overwrite in the records that hold their keys? It is kept before (``keep_before``).

It is read under the claims of the keys, in the very moment in which it is decided how each row is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_sf_dedup.core.changes import Change, ChangeKind, NotKept
from airflow_sf_dedup.core.likeness import Likeness, likeness
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.salesforce.wire.moments import read_org_moment

_STAMP = "SystemModstamp"


class Keeper(Protocol):
    """Keeps what is about to be overwritten."""

    def fields_to_read(self, rows: Iterable[Record]) -> frozenset[str]:
        """What has to be asked of the records to which these rows may be written."""

    def keep(self, rows: Iterable[Record], stored: Mapping[str, Mapping[str, Any]], *, with_key: bool = False) -> None:
        """Commit what the rows are about to overwrite in records that are known by their ids.

        :param stored: record id to values; a record that cannot be read is absent.
        :param with_key: whether the key is written too, as the row spells it.
        """


class KeepsNothing:
    """Nobody has asked for it."""

    def fields_to_read(self, rows: Iterable[Record]) -> frozenset[str]:
        """None."""
        return frozenset()

    def keep(self, rows: Iterable[Record], stored: Mapping[str, Mapping[str, Any]], *, with_key: bool = False) -> None:
        """Nothing."""


@dataclass(frozen=True)
class KeepsBefore:
    """Keeps it as changes of the load.

    :ivar described: the sObject with all fields that the user sees.
    :ivar keeps: whether the audit keeps values of a field, by all names that it has in rows and records.
    :ivar keep_changes: commits them.
    """

    described: SObject
    key_field: str
    keeps: Callable[..., bool]
    keep_changes: Callable[[Sequence[Change]], None]

    def fields_to_read(self, rows: Iterable[Record]) -> frozenset[str]:
        """All that the rows send, and when the record was written last."""
        sent = {name: value for row in rows for name, value in row.carried.items()}
        fields = (self._field(name, value) for name, value in sent.items())
        return frozenset(each.name for each in (*fields, self.described.field(_STAMP)) if each is not None)

    def keep(self, rows: Iterable[Record], stored: Mapping[str, Mapping[str, Any]], *, with_key: bool = False) -> None:
        """Each field that will differ."""
        self.keep_changes([change for row in rows for change in self._changes(row, stored, with_key=with_key)])

    def _changes(self, row: Record, stored: Mapping[str, Mapping[str, Any]], *, with_key: bool) -> Iterator[Change]:
        if row.known is None or row.known.record_id is None:
            return
        values = stored.get(row.known.record_id, {})
        for name, value in row.fields.items():
            field = self._field(name, value)
            own = field.name if field else name
            if own == self.key_field and not with_key:
                continue
            if own not in values or likeness(value, values[own], field) is not Likeness.SAME:
                yield self._change(row, row.known.record_id, name, own, values)

    def _change(self, row: Record, record_id: str, name: str, own: str, values: Mapping[str, Any]) -> Change:
        not_kept = NotKept.NOT_READ if own not in values else None if self.keeps(name, own) else NotKept.MASKED
        return Change(
            row_number=row.row_number,
            record_id=record_id,
            sobject=self.described.name,
            kind=ChangeKind.UPDATE_BY_KEY,
            field=own,
            before=None if not_kept else values[own],
            after=None if not_kept else row.fields[name],
            not_kept=not_kept,
            system_modstamp=read_org_moment(values.get(_STAMP)),
        )

    def _field(self, name: str, value: Any) -> Field | None:
        """A row names a parent by its relationship, with a mapping; what is changed is the look-up field."""
        return self.described.parent(name) if isinstance(value, Mapping) else self.described.field(name)
