"""How does a source row become a record? Pure: a row in, a record or a refusal out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from airflow_sf_dedup.core.keys import KeyRule, UnusableKey
from airflow_sf_dedup.core.ordering import UnusableOrder, kind_of, order_of
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.values import MalformedValue
from airflow_sf_dedup.core.wording import shown
from airflow_sf_dedup.errors import SalesforceDedupError
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.columns import Column


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be sent, and why, in words that repeat none of its values."""

    row_number: int
    #: ``UNREADABLE_ROW``, ``UNUSABLE_KEY``, ``MALFORMED_VALUE`` or ``UNUSABLE_ORDER``.
    code: str
    #: One word that says more, such as ``missing_key``.
    reason: str
    message: str
    #: The key, where it could be read.
    key: str | None = None


@dataclass
class OrderReader:
    """Reads the ``newer_than`` column of one source, whose values are of the kind that its first row has.

    :param wanted: the column, as ``newer_than`` spells it.
    """

    wanted: str
    #: As the rows spell it; ``None`` until a row brings it.
    column: str | None = None
    #: As messages call it: what a person looks for in the source.
    own_name: str | None = None
    _kind: str | None = None

    @property
    def called(self) -> str:
        """What a message calls the column."""
        return shown(self.own_name or self.column or self.wanted)

    def read(self, values: Mapping[str, Any]) -> str:
        """The order of a row.

        :raises UnusableOrder: there is none, or it cannot be compared with those before; names the column.
        """
        column = self.column or self.wanted
        try:
            order = order_of(values.get(column))
        except UnusableOrder as unusable:
            raise UnusableOrder(unusable.reason, f"column {self.called} {unusable.message}") from None
        kind = kind_of(order)
        self._kind = self._kind or kind
        if kind != self._kind:
            raise UnusableOrder(
                "unusable_order", f"column {self.called} is a {kind} after rows in which it is a {self._kind}"
            )
        return order


@dataclass(slots=True)
class _At:
    """How far the reading of a row has come."""

    column: str
    key: str | None = None


@dataclass(frozen=True)
class RecordBuilder:
    """Reads rows of one source.

    :param key_rule: how to read the key.
    :param columns: source column to where it goes.
    :param order: reads how new a row is, maybe from a column that goes nowhere; ``None`` where nothing asks.
    """

    key_rule: KeyRule
    columns: Mapping[str, Column]
    order: OrderReader | None = None

    def read(self, row: SourceRow) -> Record | RejectedRow:
        """The record of a row, or why there is none.

        Any object can stand in a row, and fail in any way when it is looked at: that is the row's fault alone.

        :raises SettingError: the row names a parent by what cannot name one.
        """
        if row.problem is not None:
            return RejectedRow(
                row.row_number, "UNREADABLE_ROW", "unreadable_row", f"row {row.row_number} {row.problem}"
            )
        at = _At(self._key_columns[self.key_rule.names[0]])
        try:
            return self._record(row, at)
        except UnusableKey as unusable:
            return RejectedRow(row.row_number, "UNUSABLE_KEY", unusable.reason, self._of_key(unusable))
        except UnusableOrder as unusable:
            return RejectedRow(row.row_number, "UNUSABLE_ORDER", unusable.reason, unusable.message, at.key)
        except MalformedValue as malformed:
            column, why = shown(malformed.field_name), malformed.reason
        except (SalesforceDedupError, MemoryError):
            raise
        except Exception as error:
            column, why = self._called(at.column), f"cannot be read ({type(error).__name__})"
        return RejectedRow(row.row_number, "MALFORMED_VALUE", "malformed_value", f"column {column} {why}", at.key)

    def _record(self, row: SourceRow, at: _At) -> Record:
        at.key = key = self.key_rule.read_row(partial(self._of_key_field, row, at))
        fields = self.key_rule.sent(key)
        passed_over = self._passed_over
        for name, value in row.values.items():
            if name not in passed_over:
                at.column = name
                self.columns[name].put(fields, value)
        if self.order is None:
            return Record(row.row_number, key, fields, row_hash(fields))
        at.column = self.order.column or self.order.wanted
        return Record(row.row_number, key, fields, row_hash(fields), order=self.order.read(row.values))

    def _of_key_field(self, row: SourceRow, at: _At, name: str) -> Any:
        at.column = self._key_columns[name]
        return row.values.get(at.column)

    def _called(self, column: str) -> str:
        """What a message calls a column: what a person looks for who mends the source."""
        if column in self.columns:
            return shown(self.columns[column].name)
        return shown(column) if self.order is None or column != self.order.column else self.order.called

    def _of_key(self, unusable: UnusableKey) -> str:
        """What is wrong with a key, said of its field, or of its column where that was renamed."""
        column = self._key_columns[unusable.field_name]
        called = self._called(column)
        return unusable.message if called == shown(column) else f"column {called} {unusable.why}"

    @cached_property
    def _key_columns(self) -> Mapping[str, str]:
        """The key's fields to the columns that hold them."""
        found = {column.field.name: name for name, column in self.columns.items()}
        return {name: found.get(name, name) for name in self.key_rule.names}

    @cached_property
    def _passed_over(self) -> frozenset[str]:
        """Columns that are not put into a record: a key's own, which is there already, and what is not sent."""
        order_column = None if self.order is None else self.order.column
        unsent = set() if order_column is None or order_column in self.columns else {order_column}
        return frozenset({*(self._key_columns.values() if self.key_rule.is_field else ()), *unsent})
