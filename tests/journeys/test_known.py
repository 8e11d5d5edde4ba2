"""Loads that ask what the org has of a key before they write: what becomes of rows, and of the records they meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.outcomes import Failed, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, KeysInFlightError, TransientCallError
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.write_rules import write_rules_of
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.salesforce.ports import Origin
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    KEY_RULE,
    LEAD,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
    taken,
)
from airflow_sf_dedup.testing.workshops import workshop
from tests.journeys.rows_under_way import clear

HELD = lead_id(100)
GONE = Failed("ENTITY_IS_DELETED", "entity is deleted", ("Id",))


class Loads:
    """Loads into one org, of which one record holds ``key-1``."""

    def __init__(self, engine: Engine, new_load: Callable[..., Load]) -> None:
        self.engine, self.audit = engine, SqlAudit(engine)
        self.load = new_load()
        self.org_id = uuid4().hex[:18]
        self.org = FakeOrg(writes=False)
        self.hold("key-1", HELD, LastName="Sales", Phone=None)

    def hold(self, key: str, record_id: str, **values: Any) -> None:
        self.org.held[key] = (record_id,)
        self.org.records[record_id] = stored(record_id, **{KEY: key, **values})

    def upsert(
        self,
        mode: str = "upsert",
        field_rules: Mapping[str, str] | None = None,
        *,
        policy: str = "ask_reviewer",
        claims: SqlKeyClaims | None = None,
        try_number: int = 1,
        **settings: Any,
    ) -> Upsert:
        made = workshop(
            self.engine,
            self.load,
            self.org,
            policy=policy,
            org_id=self.org_id,
            key_claims=claims,
            try_number=try_number,
            write_rules=write_rules_of(WriteSettings(mode=mode, field_rules=field_rules), LEAD, KEY_RULE),
            **settings,
        )
        return made.upsert()

    def run(self, rows: Iterable[Record], *args: Any, **how: Any) -> None:
        self.upsert(*args, **how).run(rows)

    def entries(self) -> dict[int, Entry]:
        return {entry.row_number: entry for entry in self.audit.entries(self.load.load_id)}

    def said(self) -> list[tuple[str, str | None, str | None]]:
        return [(str(each.action), each.reason, each.record_id) for each in self.entries().values()]

    def values(self, record_id: str) -> Mapping[str, Any]:
        return self.org.records[record_id].values


@pytest.fixture
def loads(sql_engine: Engine, new_load: Callable[..., Load]) -> Loads:
    return Loads(sql_engine, new_load)


# Modes


def test_update_only_creates_nothing_and_says_which_keys_nobody_holds(loads: Loads) -> None:
    loads.run([row(1), row(2)], "update_only")
    assert loads.said() == [("updated", None, HELD), ("not_found", None, None)]
    assert loads.values(HELD)["LastName"] == "Name 1"
    assert list(loads.org.records) == [HELD]
    assert loads.org.kinds() == ["holders", "upsert"], "no values are read where no rule goes by them"


def test_create_only_writes_to_nothing_that_is_there(loads: Loads) -> None:
    loads.run([row(1), row(2)], "create_only")
    assert loads.said() == [("skipped", "key_exists", HELD), ("created", None, lead_id(2))]
    assert loads.values(HELD)["LastName"] == "Sales"
    assert loads.org.sent("upsert") == [[["key-2"]]]


@pytest.mark.parametrize(
    ("mode", "field_rules", "said"),
    [
        ("create_only", None, ("skipped", "key_exists", HELD)),
        ("upsert", {"LastName": "on_create_only"}, ("unchanged", "fields_kept", HELD)),
        ("upsert", {"LastName": "on_create_only", "Phone": "always"}, ("updated", "fields_kept", HELD)),
    ],
    ids=["create_only", "nothing left to write", "something left"],
)
def test_a_record_that_comes_to_hold_the_key_after_the_question_is_met_by_the_same_rules(
    loads: Loads, mode: str, field_rules: Mapping[str, str] | None, said: tuple[Any, ...]
) -> None:
    """Somebody who claims nothing creates it between the question and the insert."""
    held, loads.org.held = loads.org.held, {}
    loads.org.answers["key-1"] = [taken(HELD)]

    def refuse(keys: list[str]) -> None:
        loads.org.held = held

    loads.org.refuse = refuse
    fields = {"Phone": "555"} if field_rules and "Phone" in field_rules else {}
    loads.run([row(1, **fields)], mode, field_rules)
    action, reason, record_id = said
    if action == "updated":
        reason = "written_to_key_holder"
    assert loads.said() == [(action, reason, record_id)]
    assert loads.values(HELD)["LastName"] == "Sales"
    assert loads.values(HELD)["Phone"] == fields.get("Phone")


@pytest.mark.parametrize(
    ("mode", "said"),
    [("update_only", ("not_found", None, None)), ("upsert", ("created", None, lead_id(1)))],
)
def test_a_record_that_is_deleted_after_the_question_is_asked_for_once_more(
    loads: Loads, mode: str, said: tuple[Any, ...]
) -> None:
    loads.org.updates[HELD] = [GONE]

    def refuse(keys: list[str]) -> None:
        loads.org.held = {}

    loads.org.refuse = refuse
    loads.run([row(1)], mode, {"Phone": "never"})
    assert loads.said() == [said]


def test_a_record_that_says_it_is_deleted_for_ever_fails_its_row_and_no_more(loads: Loads) -> None:
    loads.org.updates[HELD] = [GONE]
    loads.run([row(1)], "update_only")
    assert [(action, record) for action, _, record in loads.said()] == [("failed", None)]
    assert loads.org.kinds().count("upsert") == 2


@pytest.mark.parametrize("mode", ["update_only", "upsert"])
def test_several_holders_of_a_key_are_a_case_before_anything_is_sent(loads: Loads, mode: str) -> None:
    loads.org.held["key-1"] = (HELD, lead_id(101))
    loads.run([row(1)], mode, {"Phone": "never"})
    assert loads.said() == [("awaiting_review", "key_held_by_many", None)]
    assert loads.org.sent("upsert") == []


@pytest.mark.parametrize("policy", ["update_existing", "save_anyway", "undelete", "update_existing | skip"])
def test_no_policy_writes_to_a_record_that_is_there_in_a_load_that_only_creates(loads: Loads, policy: str) -> None:
    loads.hold("other", lead_id(7), LastName="Sales")
    loads.org.records[lead_id(7)] = stored(lead_id(7), LastName="Sales")
    loads.org.lookups["key-2"] = blocked_by(match(lead_id(7)))
    loads.run([row(2)], "create_only", policy=policy)
    [(action, _, _)] = loads.said()
    assert action == ("skipped" if "skip" in policy else "awaiting_review")
    assert loads.values(lead_id(7))["LastName"] == "Sales"


def test_a_row_that_is_saved_anyway_is_created_in_a_load_that_only_creates(loads: Loads) -> None:
    loads.org.records[lead_id(7)] = stored(lead_id(7))
    loads.org.lookups["key-2"] = blocked_by(match(lead_id(7), allow_save=True))
    loads.run([row(2)], "create_only", policy="save_anyway")
    assert loads.said() == [("saved_anyway", None, lead_id(2))]


def test_a_row_that_is_saved_anyway_is_written_to_the_holder_of_its_key_by_the_rules(loads: Loads) -> None:
    loads.org.records[lead_id(7)] = stored(lead_id(7))
    loads.org.lookups["key-1"] = blocked_by(match(lead_id(7), allow_save=True))
    loads.run([row(1, Phone="555")], "update_only", {"LastName": "only_blanks"}, policy="save_anyway")
    assert loads.said() == [("saved_anyway", "fields_kept", HELD)]
    assert (loads.values(HELD)["LastName"], loads.values(HELD)["Phone"]) == ("Sales", "555")


# Rules for fields


def test_rules_say_what_of_a_row_reaches_the_record_that_holds_its_key(loads: Loads) -> None:
    rules = {"LastName": "only_blanks", "Phone": "only_blanks", "OwnerId": "on_create_only", "Contact__c": "never"}
    fields = {"Phone": "555", "OwnerId": "005000000000001AAA", "Contact__c": "003000000000001AAA"}
    loads.run([row(1, **fields), row(2, **fields)], "upsert", rules)
    assert loads.said() == [("updated", "fields_kept", HELD), ("created", None, lead_id(2))]
    assert loads.entries()[1].error_fields == ("LastName", "OwnerId")
    assert loads.values(HELD) == {"Id": HELD, KEY: "key-1", "LastName": "Sales", "Phone": "555"}
    assert loads.values(lead_id(2)).items() >= {"LastName": "Name 2", "OwnerId": fields["OwnerId"]}.items()
    assert "Contact__c" not in loads.values(lead_id(2))
    assert loads.org.kinds() == ["holders", "by_id", "upsert"]


@pytest.mark.parametrize(
    ("stored_name", "reason", "kept"), [("Sales", "fields_kept", ("LastName",)), ("Name 1", None, ())]
)
def test_a_row_with_only_its_key_left_is_unchanged_and_costs_no_write(
    loads: Loads, stored_name: str, reason: str | None, kept: tuple[str, ...]
) -> None:
    loads.hold("key-1", HELD, LastName=stored_name)
    loads.run([row(1)], "upsert", {"*": "only_blanks"})
    assert loads.said() == [("unchanged", reason, HELD)]
    assert loads.entries()[1].error_fields == kept
    assert loads.org.sent("upsert") == []


def test_a_record_whose_values_this_user_cannot_read_keeps_them(loads: Loads) -> None:
    del loads.org.records[HELD]
    loads.run([row(1)], "upsert", {"*": "only_blanks"})
    assert loads.said() == [("unchanged", "fields_kept", HELD)]


def test_the_audit_keeps_what_the_row_carries_and_not_only_what_is_sent(loads: Loads) -> None:
    loads.org.lookups["key-1"] = blocked_by(match(lead_id(7)))
    loads.run([row(1, Phone="555")], "upsert", {"LastName": "never"})
    [entry] = loads.entries().values()
    assert (entry.action, entry.values) == ("awaiting_review", {KEY: "key-1", "LastName": "Name 1", "Phone": "555"})


@pytest.mark.parametrize("max_in_flight", [1, 3])
def test_new_records_and_updates_share_calls_and_no_chunk(loads: Loads, max_in_flight: int) -> None:
    for number in range(1, 30, 3):
        loads.hold(f"key-{number}", lead_id(100 + number), LastName="Sales")
    loads.run((row(number) for number in range(1, 31)), "upsert", {"Phone": "never"}, max_in_flight=max_in_flight)
    assert [action for action, _, _ in loads.said()] == ["updated", "created", "created"] * 10
    chunks = [chunk for call in loads.org.sent("upsert") for chunk in call]
    assert all(len({key in ("key-1",) or int(key[4:]) % 3 == 1 for key in chunk}) == 1 for chunk in chunks)
    assert sorted(key for chunk in chunks for key in chunk) == sorted(f"key-{n}" for n in range(1, 31))


def test_a_load_without_rules_asks_nothing(loads: Loads) -> None:
    loads.run([row(1), row(2)], "upsert", {"*": "always"})
    assert loads.said() == [("updated", None, HELD), ("created", None, lead_id(2))]
    assert loads.org.kinds() == ["upsert"]


# What can go wrong


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("create_only", ("created", "answer_lost", lead_id(1))),
        ("upsert", ("created", "answer_lost", lead_id(1))),
    ],
)
def test_a_try_that_was_killed_after_its_insert_is_told_from_a_record_that_was_there(
    loads: Loads, mode: str, said: tuple[Any, ...]
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    loads.org.held.clear()
    claims = SqlKeyClaims(loads.engine, timedelta(0), clock=lambda: now)
    clear(loads.upsert(mode, {"*": "on_create_only"}, claims=claims).clearance, [row(1)])
    loads.hold("key-1", lead_id(1), LastName="Name 1")
    loads.org.created[lead_id(1)] = Origin(now + timedelta(seconds=1), None, now + timedelta(seconds=1), None)
    loads.run([row(1)], mode, {"*": "on_create_only"}, claims=SqlKeyClaims(loads.engine), try_number=2)
    assert loads.said() == [said]
    assert loads.org.sent("upsert") == []


@pytest.mark.parametrize(
    ("made", "action"),
    [(timedelta(seconds=1), "created"), (timedelta(days=-9), "updated")],
    ids=["by the killed try", "long ago"],
)
def test_what_is_left_to_write_after_a_killed_try_is_written_and_the_dates_tell_who_made_the_record(
    loads: Loads, made: timedelta, action: str
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    loads.org.held.clear()
    rules = {"Phone": "on_create_only"}
    claims = SqlKeyClaims(loads.engine, timedelta(0), clock=lambda: now)
    clear(loads.upsert("upsert", rules, claims=claims).clearance, [row(1, Phone="555")])
    loads.hold("key-1", lead_id(1), LastName="Name 1", Phone="777")
    loads.org.created[lead_id(1)] = Origin(now + made, None, now + made, None)
    loads.run([row(1, Phone="555")], "upsert", rules, claims=SqlKeyClaims(loads.engine), try_number=2)
    [(told, _, record_id)] = loads.said()
    assert (told, record_id) == (action, lead_id(1))
    assert loads.values(lead_id(1))["Phone"] == "777"


@pytest.mark.parametrize("mode", ["create_only", "upsert"])
def test_a_try_that_was_killed_before_its_insert_did_not_make_the_record_that_is_there(loads: Loads, mode: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    claims = SqlKeyClaims(loads.engine, timedelta(0), clock=lambda: now)
    clear(loads.upsert(mode, {"*": "on_create_only"}, claims=claims).clearance, [row(1)])
    long_ago = now - timedelta(days=9)
    loads.org.created[HELD] = Origin(long_ago, None, long_ago, None)
    loads.run([row(1)], mode, {"*": "on_create_only"}, claims=SqlKeyClaims(loads.engine), try_number=2)
    assert [action for action, _, _ in loads.said()] == ["skipped" if mode == "create_only" else "updated"]
    assert loads.values(HELD)["LastName"] == "Sales"


def test_an_insert_whose_answer_is_lost_is_created_once(loads: Loads) -> None:
    now = datetime.now(UTC)
    loads.org.lost = {2}
    loads.org.created[lead_id(2)] = Origin(now + timedelta(seconds=1), None, now + timedelta(seconds=1), None)
    loads.run([row(2)], "create_only")
    assert loads.said() == [("created", "answer_lost", lead_id(2))]
    assert sorted(loads.org.records) == sorted([HELD, lead_id(2)])


@pytest.mark.parametrize("call", [1, 2], ids=["who holds the keys", "what the records have"])
def test_where_the_question_is_not_answered_nothing_is_sent_and_the_next_try_goes_on(loads: Loads, call: int) -> None:
    loads.org.errors = {call: TransientCallError("no connection", code="CONNECT_FAILED")}
    claims = SqlKeyClaims(loads.engine)
    with pytest.raises(CallError):
        loads.run([row(1), row(2)], "upsert", {"*": "only_blanks"}, claims=claims)
    assert [action for action, _, _ in loads.said()] == ["not_sent", "not_sent"]
    loads.run([row(1), row(2)], "upsert", {"*": "only_blanks"}, claims=claims, try_number=2)
    assert [action for action, _, _ in loads.said()] == ["unchanged", "created"]


def test_a_key_that_another_load_has_in_flight_is_not_asked_for(loads: Loads) -> None:
    claims, scope = SqlKeyClaims(loads.engine), KeyScope(loads.org_id, "Lead", KEY)
    claims.claim(scope, Claimant("other", "another-load", "another load"), ["key-1"])
    with pytest.raises(KeysInFlightError):
        loads.run([row(1), row(2)], "create_only", claims=claims)
    assert loads.org.sent("holders")[0] == [["key-2"]]
    assert [action for action, _, _ in loads.said()] == ["not_sent", "created"]


def test_a_row_that_is_not_sent_gives_its_key_back(loads: Loads) -> None:
    claims, scope = SqlKeyClaims(loads.engine), KeyScope(loads.org_id, "Lead", KEY)
    loads.run([row(1)], "create_only", claims=claims)
    grant = claims.claim(scope, Claimant("other", "another-load", "another load"), ["key-1"])
    assert grant.refused == {}


@pytest.mark.parametrize(
    ("field_rules", "older"),
    [({"*": "on_create_only"}, "skipped"), ({"Phone": "never"}, "skipped")],
    ids=["unchanged", "updated"],
)
def test_an_older_row_is_stale_after_a_newer_one_that_had_nothing_to_write(
    loads: Loads, new_load: Callable[..., Load], field_rules: Mapping[str, str], older: str
) -> None:
    loads.run([replace(row(1), order="n:09")], "upsert", field_rules)
    loads.load = new_load()
    loads.run([replace(row(1, LastName="Old"), order="n:05")], "upsert", field_rules)
    assert [(action, reason) for action, reason, _ in loads.said()] == [(older, "stale")]


def test_a_newer_row_that_was_skipped_keeps_no_older_one_back(loads: Loads, new_load: Callable[..., Load]) -> None:
    loads.run([replace(row(1), order="n:09")], "create_only")
    loads.load = new_load()
    loads.run([replace(row(1), order="n:05")], "upsert")
    assert [action for action, _, _ in loads.said()] == ["updated"]


def test_rows_of_one_key_follow_each_other_each_by_what_the_one_before_left(loads: Loads) -> None:
    rows = [row(1, Phone="555"), row(3, "key-1", wave=1, Phone="777")]
    loads.run(rows, "upsert", {"*": "only_blanks"})
    assert [action for action, _, _ in loads.said()] == ["updated", "unchanged"]
    assert loads.values(HELD)["Phone"] == "555"


def test_a_key_in_another_case_stays_as_the_record_spells_it(loads: Loads) -> None:
    loads.run([row(1, "KEY-1")], "update_only")
    assert [action for action, _, _ in loads.said()] == ["updated"]
    assert loads.values(HELD)[KEY] == "key-1"


def test_a_row_that_is_blocked_as_it_is_written_to_its_holder_is_asked_about_with_all_of_its_values(
    loads: Loads,
) -> None:
    loads.org.answers["key-1"] = [BLOCKED]
    loads.org.lookups["key-1"] = blocked_by(match(lead_id(7)))
    loads.run([row(1)], "update_only", {"LastName": "always"}, policy="update_existing | skip")
    assert [(action, record) for action, _, record in loads.said()] == [("skipped", None)]
    assert Saved(HELD, False) not in loads.org.answers["key-1"]
