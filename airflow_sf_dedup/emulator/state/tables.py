"""The records of an org, and how changes of them happen together or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import no_such_sobject
from airflow_sf_dedup.emulator.records.looking import filters, fits, without_nulls
from airflow_sf_dedup.emulator.records.schema import Schema, Sobject
from airflow_sf_dedup.emulator.records.store import Kept, Record, Table, Undo
from airflow_sf_dedup.emulator.rules.duplicate_sets import ITEM, SET, recounted
from airflow_sf_dedup.emulator.state.ledger import Change

_ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


class Transaction:
    """The puts since it began, so that they can be taken back, and what the ledger will say about them."""

    def __init__(self) -> None:
        self.undos: list[Undo] = []
        self.changes: list[Change] = []

    def roll_back(self, code: str = _ROLLED_BACK) -> None:
        """Takes everything back; the ledger shows its rows as refused.

        :param code: why a row that was saved is not any more.
        """
        self._undo()
        self.changes = [each.taken_back(code) for each in self.changes]

    def forget(self) -> None:
        """Takes everything back as if it had not been tried."""
        self._undo()
        self.changes = []

    def _undo(self) -> None:
        while self.undos:
            self.undos.pop()()


class Tables:
    """A table for each sobject.

    :param ended: is handed what the outermost transaction did, once it ends.
    """

    def __init__(self, schema: Schema, *, ended: Callable[[Iterable[Change]], None]) -> None:
        self.lock = threading.RLock()
        self._schema = schema
        self._ended = ended
        self._tables = {each.name: Table(each) for each in schema}
        self._transactions: list[Transaction] = []

    def __getitem__(self, sobject: str) -> Table:
        return self._tables[sobject]

    def items(self) -> Iterable[tuple[str, Table]]:
        return self._tables.items()

    # --- finding ---

    def sobject(self, name: str) -> Sobject:
        """:raises ApiError: INVALID_TYPE."""
        found = self._schema.find(name)
        if found is None:
            raise no_such_sobject(name)
        return found

    def record(self, record_id: str) -> Record | None:
        """A record, live or deleted, by its 18-character id."""
        sobject = self._schema.of_id(record_id)
        return self._tables[sobject.name].records.get(record_id) if sobject else None

    def shown(self, record_id: str) -> Record | None:
        """A record, live or deleted, by its id of 15 or 18 characters, without its null fields."""
        try:
            found = self.record(to_18(record_id))
        except ValueError:
            return None
        return without_nulls(found) if found is not None else None

    def all(self, sobject: str, having: Mapping[str, Any], *, deleted: bool) -> list[Record]:
        """The records of a sobject that have these values, without their null fields.

        :raises ApiError: no such sobject or field.
        """
        with self.lock:
            table = self._tables[self.sobject(sobject).name]
            wanted = filters(table.sobject, having)
            found = [each for each in table.all(deleted=deleted) if fits(each, wanted)]
        return [without_nulls(record) for record in found]

    # --- changing ---

    def put(self, sobject: str, record_id: str, record: Record | None) -> None:
        old = self._tables[sobject].records.get(record_id) if sobject == ITEM else None
        undo = self._tables[sobject].put(record_id, record)
        if self._transactions:
            self._transactions[-1].undos.append(undo)
        if sobject == ITEM:
            self._recount(old, record)

    def _recount(self, *items: Record | None) -> None:
        for set_id, changed in recounted(self._tables, *items).items():
            self.put(SET, set_id, changed)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Holds the org; puts inside can be rolled back, alone or with the transaction around this one.

        What the outermost transaction did is in the ledger once it ends; one that raises is rolled back.
        """
        with self.lock:
            transaction = Transaction()
            self._transactions.append(transaction)
            try:
                yield transaction
            except BaseException:
                transaction.roll_back("UNKNOWN_EXCEPTION")
                raise
            finally:
                self._transactions.pop()
                self._end(transaction)

    def _end(self, transaction: Transaction) -> None:
        if self._transactions:
            self._transactions[-1].undos.extend(transaction.undos)
            self._transactions[-1].changes.extend(transaction.changes)
        else:
            self._ended(transaction.changes)

    # --- back to how it was ---

    def kept(self) -> dict[str, Kept]:
        return {name: table.kept() for name, table in self._tables.items()}

    def go_back_to(self, kept: Mapping[str, Kept]) -> None:
        for name, each in kept.items():
            self._tables[name].go_back_to(each)
