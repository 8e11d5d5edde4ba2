"""Runs whose loads are mirrored in the org and then taken back, under faults and kills of their own.

Drawn around scenarios in which policies decide about records that rows match.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.chaos.decided import decided
from tests.chaos.modes import modes
from tests.chaos.scenario import Afterwards, Kill, Scenario

_EVENTS = ("call", "answer", "remember", "remembered")


def taken_back(seed: int) -> Scenario:
    """The scenario of a seed with what follows its loads."""
    random = Random(f"chaos/taken_back/{seed}")
    base = random.choice((decided, decided, modes))(seed)
    kills = tuple(_kill(random) for _ in range(random.choice((0, 1, 2, 3))))
    after = Afterwards(kills, seed=random.randrange(2**32), edits=random.choice((0.0, 0.0, 0.2, 0.5)))
    return replace(base, kind="taken_back", afterwards=after, late_calls=base.late_calls)


def _kill(random: Random) -> Kill | None:
    if random.random() < 0.3:
        return None
    return Kill(random.choice(_EVENTS), nth=random.choice((1, 1, 2, 3, 4, 6)), delay=random.choice((0.0, 0.0, 0.005)))
