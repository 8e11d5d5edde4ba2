"""How well were the true duplicates traced? The truth is known, because :mod:`people` made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from dags_examples.demo.people import Held

#: A row of the file, and the id of a record that is the same person.
Pair = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Score:
    """Counted in pairs of a row and a record."""

    true: int
    traced: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the traced pairs that are true."""
        return self.right / self.traced if self.traced else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were traced."""
        return self.right / self.true if self.true else 1.0


def true_pairs(held: Mapping[str, Held], found_by_key: Set[int]) -> set[Pair]:
    """Rows and the records that are the same person, for rows that no key led to their record."""
    return {(row, record_id) for record_id, each in held.items() for row in each.rows if row not in found_by_key}


def score(true: Set[Pair], traced: Iterable[Pair]) -> Score:
    """Compare what was traced with the truth."""
    found = set(traced)
    return Score(true=len(true), traced=len(found), right=len(found & true))
