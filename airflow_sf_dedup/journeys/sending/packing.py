"""Which rows go into the next call: those that come back before fresh ones, in chunks of the size of the day."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

from airflow_sf_dedup.journeys.sending.pace import Pace
from airflow_sf_dedup.journeys.sending.under_way import UnderWay

T = TypeVar("T")
Chunk = list[UnderWay[T]]

#: Bytes of values in one call, roughly; Salesforce takes far more, but slow calls time out.
MOST_BYTES = 5_000_000

#: Rows of a chunk by the try that sends them again: those that met a lock meet fewer of their kind.
_ROWS_OF_A_RETRY = {2: 50, 3: 20, 4: 10}


class Packing(Generic[T]):
    """The rows of one sending, as far as they are not on their way.

    :param size: bytes of a row's values, roughly.
    :param pace: how much a call carries, whenever one is packed.
    """

    def __init__(self, size: Callable[[T], int], pace: Pace) -> None:
        self._size = size
        self._pace = pace
        self._fresh: Iterator[Chunk[T]] = iter(())
        #: Chunks that go before fresh ones.
        self._waiting: deque[Chunk[T]] = deque()

    def read(self, rows: Iterable[UnderWay[T]]) -> None:
        """From now on these rows are the fresh ones; they are read as calls are packed."""
        self._fresh = self._chunks(rows)

    def next_call(self, most_chunks: int, *, fresh: bool = True) -> list[Chunk[T]]:
        """The chunks of the next call; none are left where it has none.

        :param fresh: False: only of rows that came back.
        """
        chunks: list[Chunk[T]] = []
        size = 0
        while len(chunks) < most_chunks and (chunk := self._next_chunk(fresh=fresh)):
            size += sum([self._size(each.row) for each in chunk])
            if chunks and size > MOST_BYTES:
                self._waiting.appendleft(chunk)
                break
            chunks.append(chunk)
        return chunks

    def put_back(self, chunks: Iterable[Chunk[T]]) -> None:
        """Let these go before all others."""
        self._waiting.extendleft(reversed(list(chunks)))

    def append(self, chunks: Iterable[Chunk[T]]) -> None:
        """Let these go after all others that came back."""
        self._waiting.extend(chunks)

    def probe(self, number: int) -> None:
        """Let so many rows from everywhere go first, each alone: the bad ones may come first."""
        self._waiting.extend(islice(self._fresh, number))
        rows = list(chain.from_iterable(self._waiting))
        step = max(1, len(rows) // number)
        chosen = list(range(len(rows)))[::-step][:number]
        rest = self._without(set(chosen))
        self._waiting = deque([*([rows[place]] for place in chosen), *rest])

    def left(self) -> Iterator[UnderWay[T]]:
        """The rows that are not on their way; what was not read yet is read as it is asked for."""
        return chain(chain.from_iterable(self._waiting), chain.from_iterable(self._fresh))

    def _without(self, places: set[int]) -> list[Chunk[T]]:
        """The waiting chunks without the rows at these places, counted over all of them."""
        place = iter(range(sum(map(len, self._waiting))))
        kept = ([each for each in chunk if next(place) not in places] for chunk in self._waiting)
        return [chunk for chunk in kept if chunk]

    def _next_chunk(self, *, fresh: bool) -> Chunk[T] | None:
        chunk = self._waiting.popleft() if self._waiting else next(self._fresh, None) if fresh else None
        if chunk is not None and len(chunk) > self._pace.rows:
            self._waiting.appendleft(chunk[self._pace.rows :])
            chunk = chunk[: self._pace.rows]
        return chunk

    def _chunks(self, rows: Iterable[UnderWay[T]]) -> Iterator[Chunk[T]]:
        chunk: Chunk[T] = []
        size = 0
        for each in rows:
            row_size = self._size(each.row)
            if chunk and (len(chunk) >= self._pace.rows or size + row_size > MOST_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(each)
            size += row_size
        if chunk:
            yield chunk


def parts(rows: Chunk[T], number: int) -> list[Chunk[T]]:
    """The rows in so many parts, each with a row at least."""
    size = -(-len(rows) // number)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def chunks_of_a_retry(rows: Chunk[T], number: int, pace: Pace) -> list[Chunk[T]]:
    """Rows that are sent again, in smaller chunks.

    :param number: of the try, from 2.
    """
    step = max(1, min(_ROWS_OF_A_RETRY[number], pace.rows // 2, len(rows) // 2))
    return [rows[start : start + step] for start in range(0, len(rows), step)]
