"""How many look-ups may a task make? The rows beyond go to the policy as they are: blocked, and nobody named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from airflow_sf_dedup.core.outcomes import NOT_LOOKED_UP, DuplicatesFound
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, DuplicateLookup, nobody


@dataclass
class CappedLookup:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateLookup` that ends after so many calls.

    :ivar on_end: told once, before the first row that is not looked up.
    """

    lookup: DuplicateLookup
    most_calls: int
    on_end: Callable[[], None] = nobody
    rows_per_call: int = field(init=False)
    writes: bool = field(init=False)
    _calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.rows_per_call, self.writes = self.lookup.rows_per_call, self.lookup.writes

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """What blocks the rows, as long as there are calls left."""
        if not records:
            return []
        self._calls += 1
        if self._calls <= self.most_calls:
            return self.lookup.look_up(records, on_late=on_late)
        if self._calls == self.most_calls + 1:
            self.on_end()
        return [_NOT_LOOKED_UP] * len(records)


_NOT_LOOKED_UP = DuplicatesFound("blocked; not looked up, max_lookup_calls is used up", (), why_unnamed=NOT_LOOKED_UP)
