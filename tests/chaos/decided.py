"""Runs in which policies decide about more than live leads: contacts, records in the recycle bin, keys that they hold.

Drawn around the scenarios of the other kinds, so that the same faults and kills befall them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from tests.chaos.scenario import CONTACT_FIELDS, KEY_FIELDS, LONG_AGO, MARKER, LoadPlan, Scenario, draw

#: A contact can only be stamped with the key that it has a field for.
KEY = KEY_FIELDS[0]

#: More often than a run has rounds.
WAITS = "retry_stale_rule(times=20, after='1h')"

_MAP = {name: name for name in CONTACT_FIELDS}
_TO_CONTACT = f"update_other(sobject='Contact', fields={_MAP}, stamp='{KEY.name}')"
_LINK = "link(field='Contact__c')"
_POLICIES = (
    f"{_LINK} | {_TO_CONTACT} | undelete | update_existing | ask_reviewer",
    f"{_TO_CONTACT} | undelete | save_anyway | ask_reviewer",
    "undelete | update_existing | ask_reviewer",
    "undelete | update_existing | skip",
    f"update_existing | {_LINK} | save_anyway | skip",
    f"{_TO_CONTACT} | skip",
    "ask_reviewer",
)


def decided(seed: int) -> Scenario:
    """The scenario of a seed among contacts and deleted leads."""
    random = Random(f"chaos/decided/{seed}")
    base = draw(seed, random.choice(("plain", "killed", "concurrent")), key_field=KEY)
    cities = {key: f"City of {key}" for key in _some(random, {KEY.fold(key) for key in base.keys if key.strip()}, 0.2)}
    emails = sorted({row["Email"] for load in base.loads for row in load.rows if row.get("Email")})
    stale = _stale_rules(seed)
    waits = f"{WAITS} | " if stale else ""
    return replace(
        base,
        kind="decided",
        stale_rules=stale,
        loads=tuple(_with_cities(load, cities, waits + random.choice(_POLICIES)) for load in base.loads),
        contacts_before=tuple(_contacts(random, emails, sorted(cities.values()))),
        deleted_before=tuple(_deleted(random, base, emails)),
        schedule=replace(base.schedule, stranger=False),
    )


def _stale_rules(seed: int) -> tuple[str, ...]:
    """A rule that is switched off, and that the org's saves hear of late."""
    random = Random(f"chaos/stale/{seed}")
    return (random.choice(("Same_Email", "Same_Email_As_Contact")),) if random.random() < 0.25 else ()


def _some(random: Random, of: set[str], share: float) -> list[str]:
    return [each for each in sorted(of) if random.random() < share]


def _with_cities(load: LoadPlan, cities: Mapping[str, str], policy: str) -> LoadPlan:
    """All rows of some keys are of a city in which a contact lives: a rule warns of it."""
    rows = (
        {**row, "City": cities[folded]} if (folded := KEY.fold(row.get(KEY.name) or "")) in cities else row
        for row in load.rows
    )
    return replace(load, policy=policy, rows=tuple(rows))


def _contacts(random: Random, emails: list[str], cities: list[str]) -> Iterator[Mapping[str, Any]]:
    by_email = [{"Email": email} for email in emails for _ in range(random.choice((0, 0, 0, 1, 1, 2)))]
    for number, values in enumerate([*by_email, *({"City": city} for city in cities)], 1):
        yield {"Id": to_18(f"0035g0000{number:06d}"), "LastName": f"Contact{number}", **LONG_AGO, **values}


def _deleted(random: Random, base: Scenario, emails: list[str]) -> Iterator[Mapping[str, Any]]:
    """Leads in the recycle bin: some that a rule still matches, some whose key a unique field keeps for them."""
    held = {KEY.fold(each[KEY.name]) for each in base.held_before if each.get(KEY.name)}
    free = {KEY.fold(key) for key in base.keys if key.strip()} - held
    matches = [{"Email": email} for email in emails if random.random() < 0.25]
    holders = [{KEY.name: key} for key in _some(random, free, 0.2)]
    for number, values in enumerate([*matches, *holders], 1):
        known = {"LastName": f"Gone{number}", MARKER: f"gone/{number}", **LONG_AGO}
        yield {"Id": to_18(f"00Q6g0000{number:06d}"), **known, **values}
