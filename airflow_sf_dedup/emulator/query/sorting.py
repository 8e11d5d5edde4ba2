"""In which order do the rows of a query come?"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from airflow_sf_dedup.emulator.query.columns import Column
from airflow_sf_dedup.emulator.records.schema import Field

Row = TypeVar("Row")
#: A column, whether it is descending, and whether nulls come last.
Key = tuple[Column, bool, bool]

_FEW = 2000


def ordered(rows: Iterable[Row], keys: list[Key], first: int | None) -> list[Row]:
    """The ``first`` rows in order; all of them with None."""
    if not keys:
        return list(islice(rows, first))
    if len(keys) == 1 and first is not None and first <= _FEW:
        column, descending, nulls_last = keys[0]
        choose = heapq.nlargest if descending else heapq.nsmallest
        return choose(first, rows, key=sort_key(column, descending, nulls_last))
    found = list(rows)
    for column, descending, nulls_last in reversed(keys):
        found.sort(key=sort_key(column, descending, nulls_last), reverse=descending)
    return found[:first]


def sort_key(column: Column, descending: bool = False, nulls_last: bool = False) -> Callable[[Any], Any]:
    """A key that puts nulls where they belong, first unless they are to be last."""
    get, rank = column.get, ranked(column.field)
    of_null = (descending != nulls_last, 0)
    of_value = not of_null[0]

    def key(row: Any) -> tuple[bool, Any]:
        value = get(row)
        return of_null if value is None else (of_value, rank(value))

    return key


def ranked(field: Field) -> Callable[[Any], Any]:
    """What is compared: of a picklist's value its place in the org's list, of an id its age, of a text not its case."""
    if field.kind == "picklist" and field.values:
        places = {value.lower(): place for place, value in enumerate(field.values)}
        return lambda value: (places.get(value.lower(), len(places)), value.lower())
    if field.kind in ("id", "reference"):
        return lambda value: value
    return lambda value: value.lower() if isinstance(value, str) else value
