"""One run of the Dag against the org: what was there before, what happened, how long it took."""

from __future__ import annotations

import csv
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dags_examples.demo.airflow_side import Airflow
from dags_examples.demo.org import Org
from dags_examples.demo.people import KEY_FIELD, Morning

_TICK = 0.3


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind. All of it is read from the audit's tables, the org and the clock."""

    load_id: str
    state: str
    #: Rows in the file.
    rows: int
    #: Rows by action, as the audit has them.
    actions: dict[str, int]
    #: Rows of the file that have no entry in the audit.
    lost: int
    #: Counted by the org itself.
    api_calls: int
    #: Of the Dag run, start of Airflow's machinery included.
    seconds: float
    #: Of the load alone: from the check of the org to the verdict.
    load_seconds: float
    #: A dict for each record that a row was traced to, by row.
    traced: list[dict[str, Any]]


def write_leads(file: Path, morning: Morning) -> None:
    """The morning's file."""
    with file.open("w", newline="", encoding="utf-8") as out:
        lines = csv.DictWriter(out, fieldnames=list(morning.leads[0]))
        lines.writeheader()
        lines.writerows(morning.leads)


def run_once(airflow: Airflow, org: Org, folder: Path, say: Callable[[str], None]) -> Run | None:
    """Run the Dag and read what it left; None when it never got to a load."""
    audit, leads = folder / "audit.db", folder / "leads.csv"
    rows = _rows_in(leads)
    before, calls_before, started = _last_load(audit), org.api_calls(), time.monotonic()
    airflow.begin(leads=str(leads), report=str(folder / "awaiting_review.csv"))
    with _progress(audit, org, calls_before, rows, before, say):
        answer = airflow.result()
    seconds = time.monotonic() - started
    load_id = _last_load(audit)
    if load_id is None or load_id == before:
        return None
    actions = dict(_ask(audit, "SELECT action, count(*) FROM sf_dedup_entry WHERE load_id = ? GROUP BY 1", load_id))
    return Run(
        load_id=load_id,
        state=answer.get("state", "died"),
        rows=rows,
        actions=actions,
        lost=rows - _entries(audit, load_id, rows),
        api_calls=org.api_calls() - calls_before,
        seconds=seconds,
        load_seconds=_load_seconds(audit, load_id),
        traced=[dict(row) for row in _ask(audit, _TRACED, load_id)],
    )


#: The same record may be named by several rules: the surest one speaks for it.
_TRACED = """
    SELECT e.row_number, e.key, e.action, e.reason, m.record_id, m.sobject, m.duplicate_rule,
           max(m.confidence) AS confidence
    FROM sf_dedup_entry AS e JOIN sf_dedup_match AS m USING (load_id, row_number)
    WHERE load_id = ?
    GROUP BY e.row_number, m.record_id
    ORDER BY e.row_number, m.position
"""


@contextmanager
def _progress(
    audit: Path, org: Org, calls_before: int, rows: int, before: str | None, say: Callable[[str], None]
) -> Iterator[None]:
    """Say how far the load is, a few times a second."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_TICK):
            load_id = _last_load(audit)
            if load_id is None or load_id == before:
                say("Airflow is starting the Dag run")
                continue
            done, calls = _entries(audit, load_id, rows), org.api_calls() - calls_before
            say(f"{done:,} of {rows:,} rows have their outcome, {calls} API calls")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def keyed_rows(org: Org, morning: Morning) -> set[int]:
    """Rows whose key a lead of the org carries: an upsert finds it, and no rule is asked."""
    held = {record.get(KEY_FIELD) for record in org.records("Lead")}
    return {number for number, lead in enumerate(morning.leads, start=1) if lead[KEY_FIELD] in held}


def settle(audit: Path) -> None:
    """Write SQLite's log back into the one file, so that it can be copied."""
    with closing(sqlite3.connect(audit, timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _rows_in(file: Path) -> int:
    with file.open(newline="", encoding="utf-8") as lines:
        return sum(1 for _ in csv.reader(lines)) - 1


def _last_load(audit: Path) -> str | None:
    found = _ask(audit, "SELECT load_id FROM sf_dedup_load ORDER BY started_at DESC LIMIT 1")
    return str(found[0][0]) if found else None


def _load_seconds(audit: Path, load_id: str) -> float:
    sql = "SELECT (julianday(ended_at) - julianday(started_at)) * 86400 FROM sf_dedup_load WHERE load_id = ?"
    return float(_ask(audit, sql, load_id)[0][0] or 0.0)


def _entries(audit: Path, load_id: str, rows: int) -> int:
    sql = "SELECT count(*) FROM sf_dedup_entry WHERE load_id = ? AND row_number BETWEEN 1 AND ?"
    return int(_ask(audit, sql, load_id, rows)[0][0])


def _ask(audit: Path, sql: str, *values: Any) -> list[Any]:
    """Rows of the audit; none while it has no tables yet."""
    if not audit.exists():
        return []
    with closing(sqlite3.connect(f"file:{audit}?mode=ro", uri=True, timeout=30)) as database:
        database.row_factory = sqlite3.Row
        try:
            return database.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
