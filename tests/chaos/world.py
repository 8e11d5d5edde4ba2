"""Where runs happen: an emulated org in a process of its own, and a real database for the audit. Both are reused."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import Engine, select, text, update

from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import engine_for, reading, writing
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.journeys.sql_stores import stores_in
from airflow_sf_dedup.testing.postgres import new_database, postgres_server
from tests.chaos.task import engine_of

ORG_FILE = Path(__file__).with_name("org.yaml")
SOBJECT = "Lead"

#: Real processes that are there in milliseconds: forks of one that has imported everything and has no threads.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.chaos.task", "airflow_sf_dedup.emulator"])

#: No run is meant to survive a loss of power, so nothing waits for a disk where memory serves as one.
_MEMORY = Path("/dev/shm")

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class World:
    """Everything that outlives a run. Close it to stop the processes behind it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="sfdd-chaos-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.org = self._stack.enter_context(org_process())
        self._template = self._migrated_template()
        self._postgres: str | None = None

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def audit(self, database: str) -> Iterator[AuditPlace]:
        """An empty audit, migrated."""
        url = self._empty_postgres() if database == "postgres" else self._fresh_sqlite()
        engine = engine_of(url)
        try:
            yield AuditPlace(url, engine)
        finally:
            engine.dispose()

    def staging(self) -> str:
        """An empty folder."""
        folder = self.folder / "staging"
        shutil.rmtree(folder, ignore_errors=True)
        return str(folder)

    def _migrated_template(self) -> Path:
        path = self.folder / "template.db"
        engine = engine_for(f"sqlite:///{path}")
        upgrade(engine)
        with engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        engine.dispose()
        return path

    def _fresh_sqlite(self) -> str:
        path = self.folder / "audit.db"
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"

    def _empty_postgres(self) -> str:
        if self._postgres is None:
            self._postgres = new_database(self._stack.enter_context(postgres_server()))
            engine = engine_for(self._postgres)
            upgrade(engine)
            engine.dispose()
        engine = engine_for(self._postgres)
        names = ", ".join(table.name for table in tables.metadata.sorted_tables)
        with writing(engine) as connection:
            connection.execute(text(f"TRUNCATE {names}"))
        engine.dispose()
        return self._postgres


class AuditPlace:
    """The database of one run's audit, with its claims."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self.engine = engine
        self.stores = stores_in(engine)
        self.audit = self.stores.audit

    def let_claims_expire(self) -> None:
        """As if the lifetime of every claim had passed; only while no process lives that holds any."""
        with writing(self.engine) as connection:
            for table in (tables.key_claim, tables.record_claim):
                connection.execute(update(table).values(expires_at=_LONG_AGO))

    def let_waits_end(self) -> None:
        """As if the time of every row had come that waits for a rule."""
        with writing(self.engine) as connection:
            connection.execute(update(tables.rule_wait).values(due_at=_LONG_AGO))

    def claims_left(self) -> list[Mapping[str, Any]]:
        """Claims on keys that hold."""
        return self._held(tables.key_claim)

    def record_claims_left(self) -> list[Mapping[str, Any]]:
        """Claims on matched records that hold."""
        return self._held(tables.record_claim)

    def _held(self, table: Any) -> list[Mapping[str, Any]]:
        with reading(self.engine) as connection:
            rows = connection.execute(select(table)).mappings().all()
        return [dict(row) for row in rows if row["expires_at"] > datetime.now(UTC)]


class OrgClient:
    """An emulated org from outside, by HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()
        # The org closes connections that idle; a run may pause for longer between two questions.
        self._http.headers["Connection"] = "close"

    def reset(self) -> None:
        self._post("reset", None)

    def seed(self, sobject: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._post(f"records/{sobject}", list(rows))

    def set_physics(self, physics: Mapping[str, Any]) -> None:
        self._post("physics", dict(physics))

    def switch_off(self, rule: str, *, stale_for: float) -> None:
        """Switches a duplicate rule off; for so many seconds saves do not hear of it."""
        url = f"{self.url}/_emulator/rules/{rule}"
        self._http.patch(url, json={"active": False, "stale_for": stale_for}, timeout=60).raise_for_status()

    def set_faults(self, seed: int, faults: Sequence[Mapping[str, Any]]) -> None:
        self._post("faults", {"seed": seed, "faults": list(faults)})

    def clear_faults(self) -> dict[str, int]:
        """Switches all faults off; answers how often each kind had happened."""
        fired: dict[str, int] = {}
        for fault in self._get("faults")["faults"]:
            fired[fault["kind"]] = fired.get(fault["kind"], 0) + fault["fired"]
        answer = self._http.delete(f"{self.url}/_emulator/faults", timeout=60)
        answer.raise_for_status()
        return fired

    def edit(self, record_id: str, sobject: str, values: Mapping[str, Any]) -> None:
        """What somebody who is no load types into a record."""
        login = {"grant_type": "client_credentials", "client_id": "other-client", "client_secret": "other-secret"}
        token = self._http.post(f"{self.url}/services/oauth2/token", data=login, timeout=60).json()["access_token"]
        url = f"{self.url}/services/data/v62.0/sobjects/{sobject}/{record_id}"
        headers = {"Authorization": f"Bearer {token}"}
        self._http.patch(url, json=dict(values), headers=headers, timeout=60).raise_for_status()

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"ledger?after={after}")
        return found

    def records(self, sobject: str = SOBJECT) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"records/{sobject}")
        return found

    def calls_made(self) -> int:
        """The number of the last call that has come in and been answered."""
        return max((call["number"] for call in self._get("calls?last=50")), default=0)

    def _get(self, path: str) -> Any:
        answer = self._http.get(f"{self.url}/_emulator/{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def _post(self, path: str, body: Any) -> None:
        answer = self._http.post(f"{self.url}/_emulator/{path}", json=body, timeout=60)
        if not answer.ok:
            raise RuntimeError(f"the emulator refused {path}: {answer.text}")


@contextmanager
def org_process() -> Iterator[OrgClient]:
    """An emulated org that lives as long as the context, or as the process that asked for it."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_serve, args=(theirs,), daemon=True, name="emulated-org")
    process.start()
    theirs.close()
    try:
        yield OrgClient(ours.recv())
    finally:
        ours.close()
        process.join(5)
        if process.is_alive():
            process.kill()


def _serve(connection: Connection) -> None:
    from airflow_sf_dedup.emulator import EmulatedOrg, Org

    emulator = EmulatedOrg.prepare(Org.read(ORG_FILE))
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    connection.send(emulator.url)
    emulator.serve()


def _end_with(connection: Connection) -> None:
    """The other end of the pipe closes with the process that has it."""
    try:
        connection.recv()
    except EOFError:
        os._exit(0)
