"""One task of a run: what an upsert task does, without Airflow, and where it can be killed.

Built as :func:`airflow_sf_dedup.journeys.partition_task.upsert_partition` builds it; only waits are shorter.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.errors import CallError, LoadFailedError, PutOffError
from airflow_sf_dedup.journeys.partition_task import nothing_left, workshop_of
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.workshop import Clocks
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.locks.base import Claimant, Grant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition
from tests.chaos.scenario import Kill

#: Claims outlive everything a run can do; that they expire is told to the database between rounds.
LIFETIME = timedelta(minutes=10)

#: Seconds of a wait at most.
LONGEST_WAIT = 0.004

#: Parts that are broken on purpose, to show that the checks find it.
BROKEN_PARTS = ("open_claims", "forgetful_audit", "forgetful_release")


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a task needs to know; travels to its process."""

    org_url: str
    audit_url: str
    ref: PartitionRef
    policy: str
    read_timeout: float
    max_in_flight: int
    rows_per_chunk: int
    chunks_per_call: int
    try_number: int
    mode: str = "upsert"
    field_rules: Mapping[str, str] = field(default_factory=dict)
    #: Tells two processes of the same try apart.
    twin: int = 0
    kill: Kill | None = None
    broken: str | None = None

    @property
    def name(self) -> str:
        """Of its process."""
        return f"upsert-{self.ref.partition}"

    def run(self) -> Ended:
        """Write the partition."""
        return run_task(self)

    @property
    def task(self) -> TaskRun:
        """For those who meet its claims."""
        run_id = f"load {self.ref.load_id}, twin {self.twin}"
        return TaskRun("chaos", run_id, "upsert", self.ref.partition, self.try_number)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended that was not killed."""

    #: ``done``, ``in_flight`` (rows were put off), ``call_error`` or ``broken``.
    how: str
    text: str = ""
    put_off: int = 0
    calls: int = 0


@lru_cache(maxsize=4)
def engine_of(url: str) -> Engine:
    """One engine a database: the statements that it has compiled serve the next run as well. Dispose of its pool."""
    return engine_for(url)


def session_for(org_url: str, read_timeout: float) -> SalesforceSession:
    """A session that logs in by client credentials and hardly waits."""
    extra = {
        "instance_url": org_url,
        "consumer_key": "chaos-client",
        "consumer_secret": "chaos-secret",
        "read_timeout": read_timeout,
    }
    return SalesforceSession(from_parts("chaos", "salesforce", None, None, None, extra), sleep=short_sleep)


def short_sleep(seconds: float) -> None:
    time.sleep(min(seconds, LONGEST_WAIT))


def run_task(spec: TaskSpec) -> Ended:
    """Write one partition; what is known of its rows is in the audit when this returns."""
    engine = engine_of(spec.audit_url)
    session = session_for(spec.org_url, spec.read_timeout)
    try:
        return ended(lambda: _upsert(spec, engine, session), session)
    finally:
        session.close()
        engine.dispose()


def ended(work: Callable[[], None], session: SalesforceSession) -> Ended:
    """How some work ends."""
    try:
        work()
    except PutOffError as error:
        return Ended("in_flight", str(error), error.rows, session.api_calls)
    except CallError as error:
        return Ended("call_error", f"{type(error).__name__}: {error}", 0, session.api_calls)
    except LoadFailedError as error:
        return Ended("in_flight", str(error), 0, session.api_calls)
    except Exception:
        return Ended("broken", traceback.format_exc(), 0, session.api_calls)
    return Ended("done", "", 0, session.api_calls)


def _upsert(spec: TaskSpec, engine: Engine, session: SalesforceSession) -> None:
    ref, wire = spec.ref, Tripwire(spec.kill)
    audit = _audit_of(spec, engine)
    stores = Stores(
        _Watched(audit, wire),  # type: ignore[arg-type]
        audit,
        _claims_of(spec, engine, wire),
        SqlRecordClaims(engine),
        SqlWatermarks(engine),
    )
    if nothing_left(stores.audit, ref):
        return
    settings = WriteSettings(
        on_duplicate=spec.policy, mode=spec.mode, field_rules=spec.field_rules, max_in_flight=spec.max_in_flight
    )
    settings.check()
    workshop = workshop_of(
        ref,
        read_manifest(ref),
        settings,
        session=session.gated(lambda: wire.about_to("call")),
        stores=stores,
        task=spec.task,
        clocks=Clocks(sleep=short_sleep, wait=lambda number: 0.0),
    )
    make_small(workshop.org.api, spec.rows_per_chunk, spec.chunks_per_call, wire)
    workshop.org.lookup.rows_per_call = max(2, spec.rows_per_chunk)
    journey = workshop.upsert()
    try:
        session.org_id  # noqa: B018 - the login, as an operator makes it before its first row
    except CallError as error:
        journey.not_sent(read_partition(ref), error)
        raise
    journey.run(read_partition(ref))


def make_small(api: Any, rows_per_chunk: int, chunks_per_call: int, wire: Tripwire) -> None:
    """Few rows a call, so that a run makes many; and a tripwire behind every answer."""
    api.rows_per_chunk, api.chunks_per_call = rows_per_chunk, chunks_per_call
    for name in ("upsert", "update"):
        setattr(api, name, _then(getattr(api, name), wire))


def _then(send: Callable[..., Any], wire: Tripwire) -> Callable[..., Any]:
    def sent(*args: Any, **how: Any) -> Any:
        answers = send(*args, **how)
        wire.about_to("answer")
        return answers

    return sent


class Tripwire:
    """Kills its own process with SIGKILL when an event has come up as often as the kill says."""

    def __init__(self, kill: Kill | None) -> None:
        self._kill = kill
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def about_to(self, event: str) -> None:
        """Say that an event comes up; may not return."""
        kill = self._kill
        if kill is None or kill.event != event:
            return
        with self._lock:
            self._seen[event] += 1
            if self._seen[event] != kill.nth:
                return
        if kill.delay:
            threading.Timer(kill.delay, _die).start()
        else:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    """An audit with tripwires around its commits."""

    def __init__(self, audit: SqlAudit, wire: Tripwire) -> None:
        self._audit = audit
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._audit, name)

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        self._wire.about_to("remember")
        self._audit.remember(load_id, entries)
        self._wire.about_to("remembered")


class WatchedClaims(SqlKeyClaims):
    """Claims with tripwires around them."""

    wire = Tripwire(None)

    def claim(
        self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, org_time: datetime | None = None
    ) -> Grant:
        grant = super().claim(scope, claimant, keys, org_time=org_time)
        self.wire.about_to("claimed")
        return grant

    def release(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, settled: bool = True) -> None:
        super().release(scope, claimant, keys, settled=settled)
        self.wire.about_to("released")


# -- parts that are broken on purpose --------------------------------------------------------------


class OpenClaims(WatchedClaims):
    """Grants everything to everybody."""

    def claim(
        self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, org_time: datetime | None = None
    ) -> Grant:
        return Grant(dict.fromkeys(keys), {})

    def renew(self, claimant: Claimant) -> int:
        return 2**31


class ForgetfulClaims(WatchedClaims):
    """Releases nothing."""

    def release(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, settled: bool = True) -> None:
        return


class ForgetfulAudit(SqlAudit):
    """Forgets what every third write brought."""

    commits = 0

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        self.commits += 1
        if self.commits % 3:
            super().remember(load_id, entries)


def _claims_of(spec: TaskSpec, engine: Engine, wire: Tripwire) -> SqlKeyClaims:
    kinds = {"open_claims": OpenClaims, "forgetful_release": ForgetfulClaims}
    claims = kinds.get(spec.broken or "", WatchedClaims)(engine, LIFETIME)
    claims.wire = wire
    return claims


def _audit_of(spec: TaskSpec, engine: Engine) -> SqlAudit:
    return (ForgetfulAudit if spec.broken == "forgetful_audit" else SqlAudit)(engine)
