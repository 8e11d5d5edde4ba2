"""Rows may travel in a job: one process sends a wave and ends, another one finishes it, by what the database knows.

The jobs here are files. A process that begins one writes its rows down, and the org, played by the test, answers
beside it when it likes.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.errors import KeysInFlightError
from airflow_sf_dedup.journeys.sending.clearance import Clearance, PutOff, granted, put_off
from airflow_sf_dedup.journeys.sending.delivery import Parked
from airflow_sf_dedup.journeys.sending.under_way import Answered, Moment, UnderWay
from airflow_sf_dedup.journeys.upsert import Unfinished
from airflow_sf_dedup.journeys.workshop import Workshop
from airflow_sf_dedup.locks.base import Claimant, KeyScope, Standing
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.testing.fake_org import BLOCKED, KEY, ORG_ID, FakeOrg, blocked_by, lead_id, match, row, stored
from airflow_sf_dedup.testing.workshops import workshop
from tests.journeys.conftest import NOW

FORK = multiprocessing.get_context("fork")
SCOPE = KeyScope(ORG_ID, "Lead", KEY)
OTHER = Claimant("other", "another-load", "other_dag.upsert, run x, try 1")
LOAD = Load("load", ORG_ID, "Lead", KEY, "leads", "manual", "partition", NOW)

#: Rows by what becomes of them: two waves, the second of the keys that come twice.
ROWS = [
    replace(row(1, "new"), order="n:05"),
    row(2, "bad"),
    row(3, "known"),
    row(4, "twins"),
    row(5, "lost"),
    row(6, "busy"),
    replace(row(7, "new", wave=1), order="n:06"),
    row(8, "bad", wave=1),
    row(9, "twins", wave=1),
    row(10, "known", wave=1),
]
REFUSED: Mapping[str, Outcome] = {"bad": Failed("STRING_TOO_LONG", "…"), "known": BLOCKED, "twins": BLOCKED}


class FileJobs:
    """Sends each wave in a file."""

    def __init__(self, folder: Path, clearance: Clearance[Record]) -> None:
        self._folder = folder
        self._clearance = clearance
        self.put_off: list[PutOff[Record]] = []

    def send(self, rows: Iterable[UnderWay[Record]]) -> Iterator[list[Answered[Record]] | Parked]:
        cleared = self._clearance.clear(list(rows))
        self.put_off += put_off(cleared)
        if sent := granted(cleared):
            job = f"job-{len(list(self._folder.glob('job-*.rows'))) + 1}"
            (self._folder / f"{job}.rows").write_text(
                json.dumps([[each.row.row_number, each.row.key] for each in sent])
            )
            yield Parked(job)

    def send_put_off(self) -> Iterator[list[Answered[Record]] | Parked]:
        rows, self.put_off = [each.sent for each in self.put_off], []
        yield from self.send(rows)

    def finish(self, parked: Parked, rows: Iterable[UnderWay[Record]]) -> Iterator[list[Answered[Record]] | Parked]:
        answers = self._folder / f"{parked.job}.answers"
        if not answers.exists():
            yield parked
            return
        answered = json.loads(answers.read_text())
        yield [Answered(each.after(Moment(0.0, NOW)), _outcome(each.row, answered)) for each in rows]

    def drain(self) -> Iterator[list[Answered[Record]]]:
        return iter(())

    def abandon(self) -> Iterator[UnderWay[Record]]:
        return iter(())

    def left(self) -> Iterator[UnderWay[Record]]:
        return (each.sent for each in self.put_off)

    def close(self) -> None:
        pass


def _outcome(record: Record, answered: Mapping[str, str]) -> Outcome:
    match answered.get(str(record.row_number)):
        case None:
            return Unanswered("the job does not say")
        case "refused":
            return REFUSED[record.key]
        case _:
            return Saved(lead_id(record.row_number), True)


def work_off(folder: Path, job: str) -> list[int]:
    """The org carries a job out, and forgets one of its rows; answers the rows that it had."""
    rows: list[tuple[int, str]] = json.loads((folder / f"{job}.rows").read_text())
    answers = {number: "refused" if key in REFUSED else "saved" for number, key in rows if key != "lost"}
    (folder / f"{job}.answers").write_text(json.dumps(answers))
    return [number for number, _ in rows]


def _workshop(folder: Path, token: str | None) -> Workshop:
    engine = engine_for(f"sqlite:///{folder / 'audit.db'}")
    org = FakeOrg(records={lead_id(n): stored(lead_id(n)) for n in (31, 41, 42)})
    org.lookups = {"known": blocked_by(match(lead_id(31))), "twins": blocked_by(match(lead_id(41)), match(lead_id(42)))}
    own = {} if token is None else {"token": token}
    return workshop(
        engine,
        LOAD,
        org,
        policy="update_existing | ask_reviewer",
        key_claims=SqlKeyClaims(engine),
        travel=lambda made: FileJobs(folder, made.clearance),
        **own,
    )


def _go_on(folder: Path, unfinished: dict[str, Any] | None, rows: list[Record]) -> None:
    """What one process of the task does; how it ended is written down."""
    left = None if unfinished is None else Unfinished(**unfinished)
    journey = _workshop(folder, left and left.token).upsert()
    how: Any = None
    try:
        left = journey.finish(left, iter(rows)) if left else None
        left = left or journey.run(iter(rows))
        how = left and asdict(left)
    except KeysInFlightError as error:
        how = str(error)
    (folder / "ended.json").write_text(json.dumps(how))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = engine_for(f"sqlite:///{tmp_path / 'audit.db'}")
    upgrade(engine)
    SqlAudit(engine).open_load(LOAD)
    return engine


def go_on(folder: Path, unfinished: Any = None) -> Any:
    """The same in a process of its own."""
    process = FORK.Process(target=_go_on, args=(folder, unfinished, ROWS))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    return ended(folder)


def ended(folder: Path) -> Any:
    return json.loads((folder / "ended.json").read_text())


def entries(engine: Engine) -> dict[int, Entry]:
    return {entry.row_number: entry for entry in SqlAudit(engine).entries(LOAD.load_id)}


def test_a_wave_that_one_process_sent_is_finished_by_another_one(engine: Engine, tmp_path: Path) -> None:
    claims = SqlKeyClaims(engine)
    claims.claim(SCOPE, OTHER, ["busy"])

    first = go_on(tmp_path)
    assert (first["job"], first["wave"]) == ("job-1", 0)
    assert entries(engine).keys() == {6}, "a row in the job has no entry yet; one that is in no job has"
    assert claims.claim(SCOPE, OTHER, ["new", "lost"]).refused.keys() == {"new", "lost"}, "its keys stay claimed"

    still = go_on(tmp_path, first)
    assert still == first, "it is not over yet"
    assert entries(engine).keys() == {6}

    assert work_off(tmp_path, "job-1") == [1, 2, 3, 4, 5]
    claims.release(SCOPE, OTHER, ["busy"])
    second = go_on(tmp_path, first)
    settled = entries(engine)
    assert {number: settled[number].action for number in range(1, 6)} == {
        1: Action.CREATED,
        2: Action.FAILED,
        3: Action.MATCHED_UPDATED,
        4: Action.AWAITING_REVIEW,
        5: Action.UNKNOWN,
    }
    assert settled[3].record_id == lead_id(31)
    marks = SqlWatermarks(engine).standing(SCOPE, ["new"])
    assert marks == {"new": Standing(confirmed="n:05")}, "the state that the first process announced is confirmed"
    assert work_off(tmp_path, second["job"]) == [6], "what was put off goes before the next wave"

    third = go_on(tmp_path, second)
    assert third["wave"] == 1
    assert work_off(tmp_path, third["job"]) == [7, 10], "rows wait behind those that are not settled"
    go_on(tmp_path, third)
    assert {number: (each.action, each.reason) for number, each in entries(engine).items() if number > 5} == {
        6: (Action.CREATED, None),
        7: (Action.CREATED, None),
        8: (Action.NOT_SENT, "earlier_row_not_settled"),
        9: (Action.HELD, "earlier_row_awaits_review"),
        10: (Action.MATCHED_UPDATED, None),
    }
    left = claims.claim(SCOPE, OTHER, [each.key for each in ROWS]).refused
    assert left.keys() == {"lost"}, "only the key stays taken that nobody knows the outcome of"


def test_a_delivery_by_calls_has_no_jobs_to_finish(engine: Engine, tmp_path: Path) -> None:
    journey = workshop(engine, LOAD, FakeOrg()).upsert()
    with pytest.raises(TypeError, match="ByCalls knows no jobs, and so not job-1"):
        journey.finish(Unfinished("job-1", 0, "token"), iter(ROWS))


def test_claims_that_expired_meanwhile_leave_their_rows_to_be_sent_again(engine: Engine, tmp_path: Path) -> None:
    _go_on(tmp_path, None, ROWS)
    first = ended(tmp_path)
    work_off(tmp_path, "job-1")
    SqlKeyClaims(engine).release(SCOPE, Claimant(first["token"], LOAD.load_id, ""), ["new"])
    _go_on(tmp_path, first, ROWS)
    assert 1 not in entries(engine)
    assert 1 in work_off(tmp_path, ended(tmp_path)["job"])
