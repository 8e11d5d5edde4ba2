"""Changes that are one: planned for the first time, and replayed as they were planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """The planned rows of one change; a row that is Refused stays refused."""

    rows: list[Any]
    #: The records that a row holds in the window.
    holds: Callable[[Any], frozenset[str]]


@dataclass
class Together:
    """The steps of several changes that are one; replayed once they have been planned."""

    steps: list[Step] = field(default_factory=list)
    replayed: Iterator[Step] | None = None

    def next(self, plan: Callable[[], Step]) -> Step:
        if self.replayed is not None:
            return next(self.replayed)
        self.steps.append(plan())
        return self.steps[-1]
