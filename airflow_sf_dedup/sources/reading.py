"""How does a source row become a record? Pure: a row in, a record or a refusal out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from airflow_sf_dedup.core.keys import KeyRule, UnusableKey
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.values import MalformedValue
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.columns import Column


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be sent, and why, in words that repeat none of its values."""

    row_number: int
    #: ``UNREADABLE_ROW``, ``UNUSABLE_KEY`` or ``MALFORMED_VALUE``.
    code: str
    #: One word that says more, such as ``missing_key``.
    reason: str
    message: str
    #: The key, where it could be read.
    key: str | None = None


@dataclass(frozen=True)
class RecordReader:
    """Reads rows of one source.

    :param key_rule: how to read the key.
    :param columns: source column to where it goes.
    """

    key_rule: KeyRule
    columns: Mapping[str, Column]

    def read(self, row: SourceRow) -> Record | Refusal:
        """The record of a row, or why there is none."""
        if row.problem is not None:
            return Refusal(row.row_number, "UNREADABLE_ROW", "unreadable_row", f"row {row.row_number} {row.problem}")
        key_column = self._key_column
        try:
            key = self.key_rule.read(row.values.get(key_column))
        except UnusableKey as unusable:
            return Refusal(row.row_number, "UNUSABLE_KEY", unusable.reason, unusable.message)
        fields = {self.key_rule.field.name: self.key_rule.wire_value(key)}
        try:
            for name, value in row.values.items():
                if name != key_column:
                    self.columns[name].put(fields, value)
        except MalformedValue as malformed:
            return Refusal(row.row_number, "MALFORMED_VALUE", "malformed_value", f"column {name}: {malformed}", key)
        return Record(row.row_number, key, fields, row_hash(fields))

    @cached_property
    def _key_column(self) -> str:
        wanted = self.key_rule.field.name
        return next((name for name, column in self.columns.items() if column.field.name == wanted), wanted)
