"""Runs in which loads do not simply upsert: modes, rules for fields, and what a policy may overwrite.

Drawn around the scenarios of the other kinds, so that the same faults and kills befall them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from tests.chaos.scenario import KEY_FIELDS, MARKER, ORDER, LoadPlan, Scenario, draw

_MODES = ("upsert", "upsert", "update_only", "create_only")

#: The markers tell in the ledger whose a line is, so that no rule holds one back alone.
_SEEN = {MARKER: "always"}
_FIELD_RULES: tuple[Mapping[str, str], ...] = (
    {},
    {"*": "on_create_only"},
    {"*": "only_blanks", **_SEEN},
    {"Title": "only_blanks", "City": "on_create_only", "NumberOfEmployees": "never"},
    {"*": "on_create_only", "Email": "always", "Phone": "only_blanks", **_SEEN},
    {"*": "never", "LastName": "on_create_only", "Email": "only_blanks", "City": "always", **_SEEN},
)

_WORDS = ("all", "keep", "longest", "fill_blanks", "newest")
_FIELDS = ("LastName", "Title", "City", "Phone", "NumberOfEmployees")


def modes(seed: int) -> Scenario:
    """The scenario of a seed with settings of what is written."""
    random = Random(f"chaos/modes/{seed}")
    base = draw(seed, random.choice(("plain", "killed", "concurrent")), key_field=random.choice(KEY_FIELDS[:2]))
    return replace(
        base,
        kind="modes",
        held_before=tuple(_with_values(random, record) for record in base.held_before),
        loads=tuple(_of_mode(random, load) for load in base.loads),
        schedule=replace(base.schedule, stranger=False),
    )


def _with_values(random: Random, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Something that a rule can keep, and something that it can fill."""
    held = {"Title": "Held title", "City": "Held city", "NumberOfEmployees": 7}
    return {**{name: value for name, value in held.items() if random.random() < 0.5}, **record}


def _of_mode(random: Random, load: LoadPlan) -> LoadPlan:
    mode, rules = random.choice(_MODES), random.choice(_FIELD_RULES)
    settings = {"mode": mode, "field_rules": rules}
    if random.random() < 0.6:
        settings |= {
            "policy": random.choice(("{} | ask_reviewer", "{} | save_anyway | skip")).format(_update(random, load))
        }
    return replace(load, rows=tuple(map(_in_time, load.rows)), **settings)


def _update(random: Random, load: LoadPlan) -> str:
    words = _WORDS if load.newer_than else _WORDS[:-1]
    named = {name: random.choice(words) for name in _FIELDS if random.random() < 0.6}
    return f"update_existing(fields={ {**named, MARKER: 'all', '*': random.choice(words)} })"


def _in_time(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its order is a time, some before the changes of the records that there are and some after the run."""
    return {**row, ORDER: f"20{row[ORDER]:02d}-06-01T00:00:00Z"} if ORDER in row else row
