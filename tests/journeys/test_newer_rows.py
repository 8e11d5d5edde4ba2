"""Two loads with rows of one key: the older row's end rests on what became of the newer one, and on nothing less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import KeysInFlightError
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.testing.fake_org import BLOCKED, FakeOrg, blocked_by, lead_id, match, row
from tests.journeys.conftest import NOW
from tests.journeys.rows_under_way import clear
from tests.journeys.test_upsert import Task

OLDER = replace(row(1, "k"), order="n:05")
NEWER = replace(row(7, "k"), order="n:09")


class Loads:
    """A load with an older row and one with a newer row, and an org that both write to."""

    def __init__(self, engine: Engine, new_load: Callable[..., Load]) -> None:
        self.org = FakeOrg()
        self.engine, self.audit = engine, SqlAudit(engine)
        self.older = Task(engine, new_load(), self.org)
        self.newer = Task(engine, new_load(), self.org)
        self.newer.scope = self.older.scope

    def die(self, task: Task, *rows: Record) -> None:
        """A try that is killed once it has announced its rows; its claims end with it."""
        claims = SqlKeyClaims(self.engine, timedelta(0))
        clear(task.upsert(claims=claims).clearance, rows)

    def run(self, task: Task, rows: Sequence[Record], answer: Outcome | None = None) -> None:
        self.org.answers = {"k": [answer]} if answer else {}
        task.upsert(claims=SqlKeyClaims(self.engine), try_number=2).run(rows)

    def said(self, task: Task, number: int) -> tuple[str, str | None]:
        found = task.entries()[number]
        return str(found.action), found.reason


@pytest.fixture
def loads(sql_engine: Engine, new_load: Callable[..., Load]) -> Loads:
    return Loads(sql_engine, new_load)


@pytest.mark.parametrize(
    ("answer", "newer", "older"),
    [
        (Saved(lead_id(1), True), "created", ("skipped", "stale")),
        (BLOCKED, "awaiting_review", ("created", None)),
        (Failed("STRING_TOO_LONG", "…"), "failed", ("created", None)),
    ],
    ids=["written", "awaits a person", "refused"],
)
@pytest.mark.parametrize("older_died", [False, True], ids=["never sent", "sent and lost"])
def test_an_older_row_waits_until_a_newer_one_is_settled(
    loads: Loads, answer: Outcome, newer: str, older: tuple[str, str | None], older_died: bool
) -> None:
    if older_died:
        loads.die(loads.older, OLDER)
    loads.die(loads.newer, NEWER)
    with pytest.raises(KeysInFlightError, match=f"{loads.newer.load.dag_id}.*{loads.newer.load.load_id}"):
        loads.run(loads.older, [OLDER])
    assert loads.said(loads.older, 1) == ("unknown" if older_died else "not_sent", "key_in_flight")
    assert loads.org.sent("upsert") == []
    loads.org.lookups = {"k": blocked_by(match(lead_id(3)))}
    loads.run(loads.newer, [NEWER], answer)
    loads.org.lookups.clear()
    loads.run(loads.older, [OLDER])
    assert loads.said(loads.newer, 7)[0] == newer
    in_doubt = {"skipped": "stale_in_doubt", "created": "answer_lost"}
    assert loads.said(loads.older, 1) == ((older[0], in_doubt[older[0]]) if older_died else older)


def test_what_a_taken_back_state_stood_above_is_no_more_certain_than_it_was(loads: Loads) -> None:
    """A chain: the guard row is refused, and the one below it is still in doubt."""
    between = replace(row(3, "k"), order="n:07")
    loads.die(loads.newer, between)
    with pytest.raises(KeysInFlightError):
        loads.run(loads.older, [OLDER])
    loads.run(loads.newer, [NEWER], Failed("STRING_TOO_LONG", "…"))
    with pytest.raises(KeysInFlightError):
        loads.run(loads.older, [OLDER])
    loads.run(loads.newer, [between], Failed("STRING_TOO_LONG", "…"))
    loads.run(loads.older, [OLDER])
    assert loads.said(loads.older, 1) == ("created", None)


def test_two_loads_that_wait_for_each_others_rows_both_come_through(loads: Loads) -> None:
    a, b = replace(row(1, "k"), order="n:05"), replace(row(2, "l"), order="n:09")
    c, d = replace(row(7, "k"), order="n:09"), replace(row(8, "l"), order="n:05")
    loads.die(loads.older, a, b)
    loads.die(loads.newer, c, d)
    for _ in range(2):
        for task, rows in ((loads.older, [a, b]), (loads.newer, [c, d])):
            try:
                loads.run(task, rows)
            except KeysInFlightError as error:
                assert error.rows == 1
    assert [loads.said(loads.older, n)[0] for n in (1, 2)] == ["skipped", "created"]
    assert [loads.said(loads.newer, n)[0] for n in (7, 8)] == ["created", "skipped"]


def test_rows_of_one_key_in_their_order_wait_at_the_one_that_is_older_and_go_on_behind_it(loads: Loads) -> None:
    first, last = replace(row(1, "k"), order="n:05"), replace(row(2, "k", wave=1), order="n:12")
    loads.die(loads.newer, NEWER)
    with pytest.raises(KeysInFlightError):
        loads.run(loads.older, [first, last])
    assert loads.said(loads.older, 2) == ("not_sent", "earlier_row_not_settled")
    loads.run(loads.newer, [NEWER], Saved(lead_id(1), True))
    loads.run(loads.older, [first, last], Saved(lead_id(1), False))
    assert [loads.said(loads.older, n)[0] for n in (1, 2)] == ["skipped", "updated"]


def test_an_unknown_newer_row_holds_an_older_one_up_until_its_load_is_over(loads: Loads) -> None:
    loads.org.repeatable = False
    loads.run(loads.newer, [NEWER], Unanswered("cut off"))
    assert loads.said(loads.newer, 7)[0] == "unknown"
    # Its claim ends.
    later = SqlKeyClaims(loads.engine, clock=lambda: NOW + timedelta(days=3650))
    with pytest.raises(KeysInFlightError):
        loads.older.upsert(claims=later).run([OLDER])
    loads.audit.update_load(loads.newer.load.load_id, ended_at=NOW)
    loads.org.answers = {}
    loads.older.upsert(claims=later, try_number=2).run([OLDER])
    assert loads.said(loads.older, 1)[0] == "created", "no record holds the key"
