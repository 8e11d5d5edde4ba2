"""A short part of the chaos: ``make chaos N=10000`` is the long one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.record_ids import to_18
from tests.chaos.run import Outcome, run_scenario, run_seed
from tests.chaos.scenario import HANG, KEY_FIELDS, SHORT_READ_TIMEOUT, Kill, LoadPlan, Scenario, Schedule, draw
from tests.chaos.world import World

#: Seeds of a kind in one test; together some twenty seconds.
SEEDS = {
    "plain": range(9000, 9012),
    "killed": range(9100, 9110),
    "concurrent": range(9200, 9208),
    "decided": range(9300, 9310),
    "kin": range(9400, 9406),
    "modes": range(9500, 9506),
    "taken_back": range(9600, 9602),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with World() as opened:
        yield opened
    logging.disable(before)


def said(outcome: Outcome) -> list[str]:
    return [str(finding) for finding in outcome.findings]


@pytest.mark.parametrize("kind", SEEDS)
def test_whatever_goes_wrong_nothing_is_lost_and_nothing_doubled(world: World, kind: str) -> None:
    found = {seed: said(run_seed(world, seed, kind)) for seed in SEEDS[kind]}
    assert {seed: texts for seed, texts in found.items() if texts} == {}


def row(number: int, key: str, load: str) -> dict[str, object]:
    return {"Folded_Key__c": key, "Marker__c": f"{load}/{number}", "LastName": f"Name {number}", "Title": f"T {number}"}


def load(name: str, keys: list[str], **settings: object) -> LoadPlan:
    plan = LoadPlan(
        name=name,
        rows=tuple(row(number, key, name) for number, key in enumerate(keys, 1)),
        partitions=1,
        on_repeat="last",
        policy="ask_reviewer",
        newer_than=False,
        group_by=None,
        max_in_flight=1,
        rows_per_chunk=2,
        chunks_per_call=1,
    )
    return replace(plan, **settings)  # type: ignore[arg-type]


def scenario(*loads: LoadPlan, schedule: Schedule, window: float = 0.01) -> Scenario:
    physics = {"commit_window": window, "lock_wait": 0.0, "lock_parents": False, "latency": [0.0, 0.0]}
    return Scenario(1, "concurrent", "sqlite", KEY_FIELDS[0], (), loads, (), physics, schedule)


KEYS = [f"K-{number:02d}" for number in range(24)]
SAME_KEYS = (load("load1", KEYS, partitions=2), load("load2", KEYS, partitions=3))
AT_ONCE = Schedule(own=True, together=5, rounds_with_faults=1)


def test_two_loads_of_the_same_keys_at_once_never_meet_in_the_org(world: World) -> None:
    outcome = run_scenario(world, scenario(*SAME_KEYS, schedule=AT_ONCE))
    assert said(outcome) == []
    assert outcome.counts["DUPLICATE_VALUE"] == 0
    assert outcome.actions == {"created": 24, "updated": 24}


@pytest.mark.parametrize("event", ["call", "answer", "remember", "remembered", "claimed", "released"])
def test_a_process_that_is_killed_anywhere_leaves_a_whole_load_to_its_next_try(world: World, event: str) -> None:
    killed = Schedule(own=True, together=1, rounds_with_faults=1, kills=(Kill(event, nth=2),))
    outcome = run_scenario(world, scenario(load("load1", KEYS[:8]), schedule=killed))
    assert said(outcome) == []
    assert outcome.counts["kills"] == 1
    assert outcome.actions == {"created": 8}


def test_a_call_that_is_given_up_and_carried_out_later_overwrites_nothing_newer(world: World) -> None:
    """The second row of a key waits until the call that was given up cannot come any more."""
    late = {"kind": "slow", "on": "write", "calls": [1], "seconds": [HANG, HANG]}
    rows = load("load1", [*KEYS[:12], *KEYS[:6]], on_repeat="in_order", rows_per_chunk=12)
    plain = scenario(rows, schedule=Schedule(own=False, together=1, rounds_with_faults=1))
    outcome = run_scenario(world, replace(plain, faults=(late,), read_timeout=SHORT_READ_TIMEOUT, late_calls=True))
    assert said(outcome) == []
    assert outcome.faults == {"slow": 1}
    assert outcome.counts["put off"] == 6


#: Half of the rows match a contact by their address, which blocks them, half by their city, which only warns.
CONTACTS = tuple(
    {"Id": to_18(f"0035g0000{n:06d}"), "LastName": f"Held{n}", "Email": f"p{n}@example.com", "City": f"City {n}"}
    for n in range(1, 9)
)
MAP = {name: name for name in ("LastName", "Title", "Email", "City", "Marker__c")}
TO_CONTACTS = (
    f"link(field='Contact__c') | update_other(sobject='Contact', fields={MAP}, stamp='Folded_Key__c') | ask_reviewer"
)


def leads_that_are_contacts(schedule: Schedule, *faults: Mapping[str, Any]) -> Scenario:
    told = ({"Email": f"p{n}@example.com"} if n % 2 else {"City": f"City {n}"} for n in range(1, 9))
    rows = [{**row(n, KEYS[n], "load1"), **which} for n, which in enumerate(told, 1)]
    plan = load("load1", [], rows=tuple(rows), policy=TO_CONTACTS, rows_per_chunk=3)
    return replace(scenario(plan, schedule=schedule), contacts_before=CONTACTS, faults=faults)


def test_leads_that_are_contacts_update_them_or_point_to_them(world: World) -> None:
    outcome = run_scenario(world, leads_that_are_contacts(Schedule(own=False, together=1, rounds_with_faults=1)))
    assert said(outcome) == []
    assert outcome.actions == {"matched_updated": 4, "saved_anyway": 4}
    all_found_their_contact(world, outcome)


def all_found_their_contact(world: World, outcome: Outcome) -> None:
    """A lead that a killed try has saved is met again by its key, and called what it is then; its link stays."""
    assert outcome.actions["matched_updated"] == 4
    contacts = {each["Id"]: each for each in world.org.records("Contact")}
    assert sorted(filter(None, (each.get("Folded_Key__c") for each in contacts.values()))) == KEYS[1:9:2]
    leads = {each["Folded_Key__c"]: each for each in world.org.records("Lead")}
    assert {key: contacts[lead["Contact__c"]]["LastName"] for key, lead in leads.items()} == {
        KEYS[number]: f"Held{number}" for number in range(2, 9, 2)
    }


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("event", ["call", "answer", "remember", "remembered", "released"])
def test_a_process_that_is_killed_while_it_updates_contacts_and_links_leaves_a_whole_load_to_its_next_try(
    world: World, event: str, nth: int
) -> None:
    late = nth + 5 if event == "call" else nth
    killed = Schedule(own=True, together=1, rounds_with_faults=1, kills=(Kill(event, nth=late),))
    outcome = run_scenario(world, leads_that_are_contacts(killed))
    assert said(outcome) == []
    assert outcome.counts["kills"] == 1
    all_found_their_contact(world, outcome)


@pytest.mark.parametrize("seed", range(6))
def test_answers_that_are_lost_while_contacts_are_updated_double_nothing(world: World, seed: int) -> None:
    lost = {"kind": "reset", "after_commit": True, "how": "rst", "on": "write", "rate": 0.5, "times": 6}
    refused = {"kind": "refuse_rows", "code": "UNABLE_TO_LOCK_ROW", "share": 0.4, "on": "write", "rate": 0.3}
    schedule = Schedule(own=False, together=1, rounds_with_faults=2)
    outcome = run_scenario(world, replace(leads_that_are_contacts(schedule, lost, refused), seed=seed))
    assert said(outcome) == []
    all_found_their_contact(world, outcome)


#: Half of the rows have keys of leads that have become contacts.
CONVERTED = tuple(
    {
        "Id": to_18(f"00Q5g0001{n:06d}"),
        "LastName": f"Held{n}",
        "Folded_Key__c": KEYS[n],
        "IsConverted": True,
        "ConvertedContactId": CONTACTS[n - 1]["Id"],
    }
    for n in range(1, 9, 2)
)


def keys_of_converted_leads(schedule: Schedule, *faults: Mapping[str, Any]) -> Scenario:
    rows = [{**row(n, KEYS[n], "load1"), "Email": f"q{n}@example.com", "City": f"Town {n}"} for n in range(1, 9)]
    plan = load("load1", [], rows=tuple(rows), policy=TO_CONTACTS, rows_per_chunk=3)
    plain = scenario(plan, schedule=schedule)
    return replace(plain, held_before=CONVERTED, contacts_before=CONTACTS, faults=faults)


def the_contacts_have_the_rows(world: World, outcome: Outcome) -> None:
    assert outcome.actions["matched_updated"] == 4
    stamped = {each["LastName"]: each.get("Folded_Key__c") for each in world.org.records("Contact")}
    assert sorted(filter(None, stamped.values())) == KEYS[1:9:2]
    assert len(world.org.records("Lead")) == 8, "no lead is made for a key that a converted one holds"


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("event", ["call", "answer", "remember", "remembered", "released"])
def test_a_process_that_is_killed_while_it_updates_what_leads_became_leaves_a_whole_load_to_its_next_try(
    world: World, event: str, nth: int
) -> None:
    killed = Schedule(own=True, together=1, rounds_with_faults=1, kills=(Kill(event, nth=nth),))
    outcome = run_scenario(world, keys_of_converted_leads(killed))
    assert said(outcome) == []
    assert outcome.counts["kills"] == 1
    the_contacts_have_the_rows(world, outcome)


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_are_lost_while_what_leads_became_is_updated_double_nothing(world: World, seed: int) -> None:
    lost = {"kind": "reset", "after_commit": True, "how": "rst", "on": "write", "rate": 0.5, "times": 6}
    schedule = Schedule(own=False, together=1, rounds_with_faults=2)
    outcome = run_scenario(world, replace(keys_of_converted_leads(schedule, lost), seed=seed))
    assert said(outcome) == []
    the_contacts_have_the_rows(world, outcome)


#: Half of the rows match a lead by their address, by a rule that is switched off.
KNOWN = tuple(
    {"Id": to_18(f"00Q5g0000{n:06d}"), "LastName": f"Held{n}", "Email": f"p{n}@example.com"} for n in range(1, 9, 2)
)


def rows_that_wait(schedule: Schedule, *faults: Mapping[str, Any]) -> Scenario:
    rows = [{**row(n, KEYS[n], "load1"), "Email": f"p{n}@example.com"} for n in range(1, 9)]
    policy = "retry_stale_rule(times=20, after='1h') | ask_reviewer"
    plan = load("load1", [], rows=tuple(rows), policy=policy, rows_per_chunk=3)
    plain = replace(scenario(plan, schedule=schedule), held_before=KNOWN, faults=faults)
    return replace(plain, stale_rules=("Same_Email",))


@pytest.mark.parametrize("event", ["call", "answer", "remember", "remembered", "claimed", "released"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_process_that_is_killed_while_rows_wait_for_a_stale_rule_loses_and_doubles_none(
    world: World, event: str, nth: int
) -> None:
    kills = (Kill(event, nth=nth), Kill(event, nth=1))
    schedule = Schedule(own=True, together=1, rounds_with_faults=3, kills=kills, seed=nth)
    outcome = run_scenario(world, rows_that_wait(schedule))
    assert said(outcome) == []
    assert outcome.counts["kills"] >= 1
    assert outcome.actions == {"created": 8}


def test_a_load_that_is_closed_and_cleared_while_rows_wait_sends_them_in_the_end(world: World) -> None:
    schedule = Schedule(own=False, together=1, rounds_with_faults=1, closed_early=True)
    outcome = run_scenario(world, rows_that_wait(schedule))
    assert said(outcome) == []
    assert outcome.counts["put off"] == 4
    assert outcome.actions == {"created": 8}


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_are_lost_while_rows_wait_lose_and_double_none(world: World, seed: int) -> None:
    lost = {"kind": "reset", "on": "write", "rate": 0.3, "after_commit": True}
    schedule = Schedule(own=False, together=1, rounds_with_faults=3, seed=seed)
    outcome = run_scenario(world, replace(rows_that_wait(schedule, lost), seed=seed))
    assert said(outcome) == []
    assert outcome.actions == {"created": 8}


def test_without_claims_the_checks_find_the_races(world: World) -> None:
    slow = scenario(*SAME_KEYS, schedule=AT_ONCE, window=0.05)
    outcomes = [run_scenario(world, slow, broken="open_claims") for _ in range(3)]
    assert 8 in {finding.check for outcome in outcomes for finding in outcome.findings}


def test_an_audit_that_forgets_is_found(world: World) -> None:
    kept = Schedule(own=False, together=1, rounds_with_faults=1)
    outcome = run_scenario(world, scenario(load("load1", KEYS), schedule=kept), broken="forgetful_audit")
    assert {2, 3} & {finding.check for finding in outcome.findings}


def test_claims_that_are_never_released_are_found(world: World) -> None:
    kept = Schedule(own=False, together=1, rounds_with_faults=1)
    outcome = run_scenario(world, scenario(load("load1", KEYS[:3]), schedule=kept), broken="forgetful_release")
    assert [finding.check for finding in outcome.findings] == [10, 10, 10]


def test_a_seed_draws_the_same_scenario_again() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
