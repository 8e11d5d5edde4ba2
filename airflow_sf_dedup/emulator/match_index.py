"""Which records share a blocking key? Kept up to date with every record that is put."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from airflow_sf_dedup.emulator.index import Index
from airflow_sf_dedup.emulator.matching import METHODS


@dataclass(frozen=True, slots=True)
class Column:
    field: str
    method: str
    match_blanks: bool


class Blocking:
    """The blocking keys of a record, one for each of ``sets`` of columns. What sets share is computed once."""

    def __init__(self, sets: Iterable[tuple[Column, ...]]) -> None:
        sets = tuple(sets)
        columns = list(dict.fromkeys(each for columns in sets for each in columns))
        self.fields = tuple({each.field for each in columns})
        self._parts = tuple(
            (each.field, METHODS[each.method].block, "" if each.match_blanks else None) for each in columns
        )
        self._picks = tuple(itemgetter(*(columns.index(each) for each in of_set)) for of_set in sets)

    def keys(self, record: Mapping[str, Any]) -> list[Hashable]:
        """None stands for a set with a blank that may not match."""
        get = record.get
        blocks = [
            blank if (value := get(name)) is None else block(value if type(value) is str else str(value))
            for name, block, blank in self._parts
        ]
        keys = [pick(blocks) for pick in self._picks]
        return [None if type(key) is tuple and None in key else key for key in keys] if None in blocks else keys


class MatchIndex:
    """Ids by the combined blocking key of ``columns``; a record with a blank that may not match is left out."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.ids = Index()
        self._blocking = Blocking([columns])

    def find_like(self, record: Mapping[str, Any]) -> Collection[str]:
        [key] = self._blocking.keys(record)
        return () if key is None else self.ids.find(key)


class MatchIndexes:
    """The indexes of one table."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[Column, ...], MatchIndex] = {}
        self._all = Blocking(())

    def get(self, columns: tuple[Column, ...], records: Mapping[str, Mapping[str, Any]]) -> MatchIndex:
        """The index over ``columns``, built on first use from all ``records``."""
        found = self._indexes.get(columns)
        if found is None:
            found = self._indexes[columns] = MatchIndex(columns)
            self._all = Blocking(self._indexes)
            own = Blocking([columns])
            for record_id, record in records.items():
                [key] = own.keys(record)
                if key is not None:
                    found.ids.add(key, record_id)
        return found

    def replace(self, record_id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if not self._indexes:
            return
        if old is not None and new is not None and all(old.get(name) == new.get(name) for name in self._all.fields):
            return
        nothing: list[Hashable] = [None] * len(self._indexes)
        before = nothing if old is None else self._all.keys(old)
        after = nothing if new is None else self._all.keys(new)
        for index, was, is_now in zip(self._indexes.values(), before, after, strict=True):
            if was == is_now:
                continue
            if was is not None:
                index.ids.remove(was, record_id)
            if is_now is not None:
                index.ids.add(is_now, record_id)
