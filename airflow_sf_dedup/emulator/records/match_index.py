"""Which records share a blocking key? Kept up to date with every record that is put."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from airflow_sf_dedup.emulator.records.index import Index
from airflow_sf_dedup.emulator.records.matching import METHODS


@dataclass(frozen=True, slots=True)
class Column:
    field: str
    method: str
    match_blanks: bool


#: Records whose keys are remembered: the rules, the indexes and the reports of one save ask for the same ones.
_REMEMBERED = 4096


class Blocking:
    """The blocking keys of a record, one for each of ``sets`` of columns. What sets share is computed once."""

    def __init__(self, sets: Iterable[tuple[Column, ...]]) -> None:
        sets = tuple(sets)
        columns = list(dict.fromkeys(each for columns in sets for each in columns))
        self.fields = tuple(each.field for each in columns)
        self.positions = {each: position for position, each in enumerate(sets)}
        self._blocks = tuple((METHODS[each.method].block, "" if each.match_blanks else None) for each in columns)
        self._picks = tuple(itemgetter(*(columns.index(each) for each in of_set)) for of_set in sets)
        self._of_values = lru_cache(maxsize=_REMEMBERED, typed=True)(self._keys)

    def keys(self, record: Mapping[str, Any]) -> tuple[Hashable, ...]:
        """None stands for a set with a blank that may not match."""
        return self._of_values(*map(record.get, self.fields))

    def _keys(self, *values: Any) -> tuple[Hashable, ...]:
        blocks = [
            blank if value is None else block(value if type(value) is str else str(value))
            for value, (block, blank) in zip(values, self._blocks, strict=True)
        ]
        keys = [pick(blocks) for pick in self._picks]
        return tuple([None if type(key) is tuple and None in key else key for key in keys])


class MatchIndexes:
    """Of one table: ids by the combined blocking key of columns. Without records that have a blank which may not match.

    :ivar blocking: of the sets of columns that there are indexes for.
    """

    def __init__(self) -> None:
        self._indexes: dict[tuple[Column, ...], Index] = {}
        self.blocking = Blocking(())

    def get(self, columns: tuple[Column, ...], records: Mapping[str, Mapping[str, Any]]) -> Index:
        """The index over ``columns``, built on first use from all ``records``."""
        found = self._indexes.get(columns)
        if found is None:
            found = self._indexes[columns] = Index()
            self.blocking = Blocking(self._indexes)
            own = Blocking([columns])
            for record_id, record in records.items():
                [key] = own.keys(record)
                if key is not None:
                    found.add(key, record_id)
        return found

    def replace(self, record_id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if not self._indexes:
            return
        nothing = (None,) * len(self._indexes)
        before = nothing if old is None else self.blocking.keys(old)
        after = nothing if new is None else self.blocking.keys(new)
        if before == after:
            return
        for index, was, is_now in zip(self._indexes.values(), before, after, strict=True):
            if was == is_now:
                continue
            if was is not None:
                index.remove(was, record_id)
            if is_now is not None:
                index.add(is_now, record_id)
