"""Which rows share a chunk? Those that are written in one way: by their key, by the id of a record, or as new ones.

The chunks that fresh rows fill are filled anew, way by way. A smaller one is never filled up: it was made small so that
a row which spoils it meets fewer others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.packing import Chunk

T = TypeVar("T")


def way_of(record: Record) -> Hashable:
    """How a row is written; equal for all that may share a chunk."""
    return None if record.known is None else record.known.record_id is not None


@dataclass(frozen=True)
class Lanes(Generic[T]):
    """Keeps rows apart that are not written in one way.

    :ivar way: how a row is written.
    """

    way: Callable[[T], Hashable]

    def apart(self, chunks: Sequence[Chunk[T]], *, full: Sequence[bool], size: int) -> list[Chunk[T]]:
        """The same rows, in chunks of one way each; none of them is empty.

        :param full: which of the chunks fresh rows had filled, to this size.
        """
        if len({self.way(each.row) for chunk in chunks for each in chunk}) <= 1:
            return [chunk for chunk in chunks if chunk]
        together = list(chain.from_iterable(chunk for chunk, is_full in zip(chunks, full, strict=True) if is_full))
        rest = (chunk for chunk, is_full in zip(chunks, full, strict=True) if not is_full)
        return [*self._in_ways(together, size), *chain.from_iterable(self._in_ways(chunk, size) for chunk in rest)]

    def _in_ways(self, rows: Chunk[T], size: int) -> Iterator[Chunk[T]]:
        by_way: dict[Hashable, Chunk[T]] = {}
        for each in rows:
            by_way.setdefault(self.way(each.row), []).append(each)
        for some in by_way.values():
            yield from (some[start : start + size] for start in range(0, len(some), size))
