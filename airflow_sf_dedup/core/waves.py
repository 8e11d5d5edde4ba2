"""In which wave does each row go? Pure: from what must come before what.

A row goes after the row of its key before it, after the first rows of the keys that it names as its parents, and never
together with a row that may be its twin. Beyond that, rows keep their place.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row as its order is decided."""

    #: As the org compares keys.
    key: str
    #: Names of its parents: keys in the same form, or further names; of any load.
    parents: tuple[str, ...] = ()
    #: Rows that may be twins have the same one.
    twins: int | None = None
    #: What else it may be named by as a parent.
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Waves:
    """Where rows go, each by its index."""

    #: From 0.
    wave: list[int]
    #: The first rows of the keys of its parents, as far as they are here.
    parents: list[tuple[int, ...]]
    #: Rows that go before a parent of theirs, because each waits for the other.
    in_a_ring: list[int]


def in_waves(rows: Sequence[Waiting]) -> Waves:
    """Decide.

    :param rows: in the order in which they would go, were there nothing to wait for.
    """
    parents = _parents(rows)
    order = _Order([(*each, *parents[index]) for index, each in enumerate(_rows_before(rows))])
    waves, last_twin = [0] * len(rows), dict[int, int]()
    for index, before in order.run():
        wave = max((waves[each] + 1 for each in before), default=0)
        twins = rows[index].twins
        if twins is not None:
            wave = last_twin[twins] = max(wave, last_twin.get(twins, -1) + 1)
        waves[index] = wave
    return Waves(waves, parents, order.in_a_ring)


def _parents(rows: Sequence[Waiting]) -> list[tuple[int, ...]]:
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        of_key = first.setdefault(row.key, index)
        for name in row.names:
            first.setdefault(name, of_key)
    named = ([first[name] for name in row.parents if name in first] for row in rows)
    return [
        tuple(dict.fromkeys(each for each in parents if rows[each].key != row.key))
        for row, parents in zip(rows, named, strict=True)
    ]


def _rows_before(rows: Sequence[Waiting]) -> Iterator[tuple[int, ...]]:
    """The row of the same key before each row, where there is one."""
    last: dict[str, int] = {}
    for index, row in enumerate(rows):
        yield (last[row.key],) if row.key in last else ()
        last[row.key] = index


class _Order:
    """What must come first comes first; of what may come next, the first in place.

    :param before: what each index waits for.
    """

    def __init__(self, before: Sequence[tuple[int, ...]]) -> None:
        self._before = before
        self._behind: list[list[int]] = [[] for _ in before]
        self._waits_for = list(map(len, before))
        self._is_out = [False] * len(before)
        self._next = [index for index, number in enumerate(self._waits_for) if not number]
        self.in_a_ring: list[int] = []
        for index, each in enumerate(before):
            for other in each:
                self._behind[other].append(index)

    def run(self) -> Iterator[tuple[int, list[int]]]:
        """Each index once, with what came before it of what it waits for: all of it, but in a ring."""
        start = 0
        while True:
            while self._next:
                index = heapq.heappop(self._next)
                if not self._is_out[index]:
                    yield index, [each for each in self._before[index] if self._is_out[each]]
                    self._release(index)
            while start < len(self._is_out) and self._is_out[start]:
                start += 1
            if start == len(self._is_out):
                return
            self.in_a_ring.append(first := min(self._ring(start)))
            self._next.append(first)

    def _release(self, index: int) -> None:
        self._is_out[index] = True
        for other in self._behind[index]:
            self._waits_for[other] -= 1
            if not self._waits_for[other] and not self._is_out[other]:
                heapq.heappush(self._next, other)

    def _ring(self, index: int) -> list[int]:
        """A ring that keeps an index back: itself in it, or something that it waits for."""
        path: dict[int, int] = {}
        while index not in path:
            path[index] = len(path)
            index = next(each for each in self._before[index] if not self._is_out[each])
        return list(path)[path[index] :]
