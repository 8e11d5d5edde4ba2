"""Which records share a blocking key? Kept up to date with every record that is put."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.index import Index
from airflow_sf_dedup.emulator.matching import METHODS


@dataclass(frozen=True, slots=True)
class Column:
    field: str
    method: str
    match_blanks: bool


class MatchIndex:
    """Ids by the combined blocking key of ``columns``; a record with a blank that may not match is left out."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self._fields = tuple(each.field for each in columns)
        self._rest = tuple((METHODS[each.method].block, each.match_blanks) for each in columns)
        self._ids = Index()

    def key(self, record: Mapping[str, Any], names: tuple[str, ...] | None = None) -> Hashable:
        """The blocking key of ``record``, or None; ``names`` are its own names for the columns' fields."""
        keys = []
        for name, (block, match_blanks) in zip(names or self._fields, self._rest, strict=True):
            value = record.get(name)
            if value is None:
                if not match_blanks:
                    return None
                keys.append("")
            else:
                keys.append(block(value if type(value) is str else str(value)))
        return keys[0] if len(keys) == 1 else tuple(keys)

    def replace(self, record_id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        if old is not None and new is not None and all(old.get(name) == new.get(name) for name in self._fields):
            return
        before = self.key(old) if old is not None else None
        after = self.key(new) if new is not None else None
        if before == after:
            return
        if before is not None:
            self._ids.remove(before, record_id)
        if after is not None:
            self._ids.add(after, record_id)

    def find(self, key: Hashable) -> Collection[str]:
        return self._ids.find(key)
