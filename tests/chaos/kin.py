"""Runs in which rows of a load have to do with each other: suspected twins, and parents in the same file.

Drawn around the scenarios of the other kinds, so that the same faults and kills befall them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from tests.chaos.scenario import KEY_FIELDS, KeyField, LoadPlan, Scenario, draw, parent_column

_TWIN_FIELDS = ((), ("Email",), ("Email",), (("Email",), ("Phone",)), (("Phone",), ("Email", "LastName")))

#: A parent that no org and no load has.
NOBODY = "K-nobody"


def kin(seed: int) -> Scenario:
    """The scenario of a seed among twins, parents and children."""
    random = Random(f"chaos/kin/{seed}")
    base = draw(seed, random.choice(("plain", "killed", "concurrent")), key_field=random.choice(KEY_FIELDS[:2]))
    emails = _shared(random, [*base.held_before, *(row for load in base.loads for row in load.rows)])
    parents = _parents(random, base)
    return replace(
        base,
        kind="kin",
        held_before=tuple(_at(emails, record) for record in base.held_before),
        loads=tuple(_with_kin(random, load, emails, parents, base.key_field) for load in base.loads),
        schedule=replace(base.schedule, stranger=False),
    )


def _shared(random: Random, records: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """E-mail address to the one that stands for it: that of several people."""
    emails = sorted({each["Email"] for each in records if each.get("Email")})
    shared: dict[str, str] = {}
    while emails:
        some = random.choice((1, 2, 2, 3, 5))
        shared |= dict.fromkeys(emails[:some], emails[0])
        emails = emails[some:]
    return shared


def _at(emails: Mapping[str, str], record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**record, "Email": emails[record["Email"]]} if record.get("Email") else record


def _parents(random: Random, base: Scenario) -> Mapping[str, str]:
    """Folded key to the key of its parent: mostly an earlier one, else perhaps one of its own children."""
    keys = sorted({key for key in base.keys if key.strip()})
    parents: dict[str, str] = {}
    for place, key in enumerate(keys):
        if random.random() < 0.4:
            earlier = random.random() < 0.9 and place > 0
            parents[base.key_field.fold(key)] = random.choice(keys[:place] if earlier else [*keys, NOBODY])
    return parents


def _with_kin(
    random: Random, load: LoadPlan, emails: Mapping[str, str], parents: Mapping[str, str], key_field: KeyField
) -> LoadPlan:
    rows = []
    for row in load.rows:
        parent = parents.get(key_field.fold(row.get(key_field.name) or ""))
        named = {parent_column(key_field): parent} if parent and random.random() < 0.7 else {}
        rows.append({**_at(emails, row), **named})
    return replace(load, rows=tuple(rows), twin_fields=random.choice(_TWIN_FIELDS), group_by=None)
