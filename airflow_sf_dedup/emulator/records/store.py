"""Where records are, and how they are found. A record is a value: a change puts a new one in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_sf_dedup.core.record_ids import SUFFIX_ALPHABET, checksum
from airflow_sf_dedup.emulator.records.index import Index
from airflow_sf_dedup.emulator.records.match_index import Blocking, Column, MatchIndexes
from airflow_sf_dedup.emulator.records.schema import Field, Sobject

Record = dict[str, Any]
#: Undoes one put when called.
Undo = Callable[[], None]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_POD = "5g"


def make_id(key_prefix: str, number: int) -> str:
    """The 18-character id number ``number`` of a key prefix; ids of one prefix sort by age."""
    high, low = divmod(number, _LOW)
    first_10, its_checksum = _first_10(key_prefix, high)
    (left, left_bits), (right, right_bits) = _PAIRS[low // 62**2 % 62**2], _PAIRS[low % 62**2]
    top = _DIGITS[low // 62**4]
    bits = top.isupper() | left_bits << 1 | right_bits << 3
    return f"{first_10}{top}{left}{right}{its_checksum}{SUFFIX_ALPHABET[bits]}"


_LOW = 62**5
#: Two digits, and which of them are upper-case letters.
_PAIRS = [(one + other, one.isupper() | other.isupper() << 1) for one in _DIGITS for other in _DIGITS]


@lru_cache(maxsize=1024)
def _first_10(key_prefix: str, high: int) -> tuple[str, str]:
    """The characters that ids have in common whose numbers are near each other, and what stands for their case."""
    digits = ""
    for _ in range(5):
        high, digit = divmod(high, 62)
        digits = _DIGITS[digit] + digits
    first_10 = key_prefix + _POD + digits
    return first_10, checksum(first_10.ljust(15, "0"))[:2]


def record_type_id(sobject: Sobject, position: int) -> str:
    """Of an sObject's record types; the first one is the master that every sObject has."""
    if not position:
        return "012000000000000AAA"
    first_15 = f"012{_POD}{sobject.key_prefix}{position:07d}"
    return first_15 + checksum(first_15)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a table holds at one moment. Records are values, so that keeping them copies none."""

    records: Mapping[str, Record]
    #: How many ids have been given out.
    last_number: int
    last_auto_number: int = 0


class Table:
    """The records of one sobject, live and deleted, with an index for each field that can be looked up."""

    def __init__(self, sobject: Sobject) -> None:
        self.sobject = sobject
        self.records: dict[str, Record] = {}
        self._last_number = 0
        self._last_auto_number = 0
        self._indexes = {each.name: Index() for each in sobject.indexed}
        self._match_indexes = MatchIndexes()

    def match_index(self, columns: tuple[Column, ...]) -> Index:
        """Ids by the blocking key of ``columns``; built on first use."""
        return self._match_indexes.get(columns, self.records)

    @property
    def blocking(self) -> Blocking:
        """Of all the columns that have a match index."""
        return self._match_indexes.blocking

    def new_id(self) -> str:
        while True:
            self._last_number += 1
            record_id = make_id(self.sobject.key_prefix, self._last_number)
            if record_id not in self.records:
                return record_id

    def next_number(self) -> int:
        """For auto-number fields; none is given twice, even after records were purged."""
        self._last_auto_number = max(self._last_auto_number, len(self.records)) + 1
        return self._last_auto_number

    def put(self, record_id: str, record: Record | None) -> Undo:
        """Sets, replaces or (with None) forgets a record; returns what undoes that."""
        old = self.records.get(record_id)
        for field in self.sobject.indexed:
            before = old.get(field.name) if old is not None else None
            after = record.get(field.name) if record is not None else None
            if before != after:
                self._reindex(field, record_id, before, after)
        self._match_indexes.replace(record_id, old, record)
        if record is None:
            self.records.pop(record_id, None)
        else:
            self.records[record_id] = record
        return lambda: _forget_undo(self.put(record_id, old))

    def _reindex(self, field: Field, record_id: str, before: Any, after: Any) -> None:
        index = self._indexes[field.name]
        if before is not None:
            index.remove(field.index_key(before), record_id)
        if after is not None:
            index.add(field.index_key(after), record_id)

    def live(self, record_id: str) -> Record | None:
        record = self.records.get(record_id)
        return record if record is not None and not record["IsDeleted"] else None

    def holders(self, field: Field, value: Any, *, deleted: bool = False) -> list[str]:
        """Ids of the records that carry ``value`` in an indexed field; of live ones only unless ``deleted``."""
        ids = self._indexes[field.name].find(field.index_key(value))
        return [each for each in ids if deleted or not self.records[each]["IsDeleted"]] if ids else []

    def all(self, *, deleted: bool = False) -> Iterator[Record]:
        return (record for record in list(self.records.values()) if deleted or not record["IsDeleted"])

    def load(self, records: Iterable[Record]) -> None:
        for record in records:
            self.put(record["Id"], record)

    def kept(self) -> Kept:
        return Kept(dict(self.records), self._last_number, self._last_auto_number)

    def go_back_to(self, kept: Kept) -> None:
        """Holds again what it held then; only records that differ are put."""
        for record_id in [each for each in self.records if each not in kept.records]:
            self.put(record_id, None)
        for record_id, record in kept.records.items():
            if self.records.get(record_id) is not record:
                self.put(record_id, record)
        self.records.clear()
        self.records.update(kept.records)
        self._last_number = kept.last_number
        self._last_auto_number = kept.last_auto_number


def _forget_undo(_: Undo) -> None:
    return None
