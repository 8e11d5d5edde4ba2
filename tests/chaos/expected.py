"""What should be sent of a source, worked out without the package: which rows, with which values, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.scenario import ORDER, KeyField, LoadPlan


@dataclass(frozen=True, slots=True)
class Sent:
    """A row that is sent."""

    key: str
    #: Field to value, the key among them; a blank text is null.
    values: Mapping[str, Any]
    #: Its place among the rows of its key.
    place: int
    #: How new it is, where the load goes by that: numbers, or texts that sort.
    order: Any


@dataclass(frozen=True, slots=True)
class Expected:
    """Each row number of a source is in exactly one of the three."""

    sent: Mapping[int, Sent]
    superseded: frozenset[int]
    invalid: frozenset[int]


def expected_of(load: LoadPlan, key_field: KeyField) -> Expected:
    """What the partition task should make of a source."""
    by_key: dict[str, list[int]] = {}
    invalid: set[int] = set()
    for number, row in enumerate(load.rows, 1):
        key = row.get(key_field.name)
        if key is None or not key.strip():
            invalid.add(number)
        else:
            by_key.setdefault(key_field.fold(key), []).append(number)
    sent: dict[int, Sent] = {}
    superseded: set[int] = set()
    for numbers in by_key.values():
        ordered = sorted(numbers, key=lambda number: (load.rows[number - 1].get(ORDER, 0), number))
        kept = _kept(ordered, load.on_repeat)
        superseded.update(set(numbers) - set(kept))
        for place, number in enumerate(kept):
            row = load.rows[number - 1]
            values = _merged(load, ordered) if load.on_repeat == "merge_fields" else row
            order = row[ORDER] if load.newer_than else None
            sent[number] = Sent(row[key_field.name], _values(values), place, order)
    return Expected(sent, frozenset(superseded), frozenset(invalid))


def _kept(numbers: list[int], on_repeat: str) -> list[int]:
    if on_repeat == "in_order":
        return numbers
    return numbers[:1] if on_repeat == "first" else numbers[-1:]


def _merged(load: LoadPlan, numbers: list[int]) -> Mapping[str, Any]:
    return {name: value for number in numbers for name, value in load.rows[number - 1].items()}


def _values(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: None if value == "" else value for name, value in row.items() if name != ORDER}
