"""What is done once the loads are over, with as many tries as it takes: they are mirrored in the org, and taken back.

As the operators do it; only waits are shorter, and calls smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.changes import Mark
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import LoadFailedError
from airflow_sf_dedup.journeys.mirroring import MIRRORED, MirrorSettings, check_mirror, mirror, records_of
from airflow_sf_dedup.journeys.reverting.opening import revert_of
from airflow_sf_dedup.journeys.reverting.report import check_done
from airflow_sf_dedup.journeys.reverting.revert import Reverted
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.sql_stores import stores_in
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.reader import describe
from tests.chaos.scenario import Kill
from tests.chaos.task import LIFETIME, Ended, Tripwire, ended, engine_of, make_small, session_for, short_sleep

ROWS_PER_CHUNK, CHUNKS_PER_CALL = 3, 2


@dataclass(frozen=True, slots=True)
class AfterSpec:
    """One try of a task that comes after loads; travels to its process."""

    #: ``mirror`` or ``revert``.
    what: str
    org_url: str
    audit_url: str
    #: The latest first.
    load_ids: tuple[str, ...]
    read_timeout: float
    try_number: int
    kill: Kill | None = None

    @property
    def name(self) -> str:
        """Of its process."""
        return self.what

    @property
    def task(self) -> str:
        """For those who meet its claims."""
        return self.what

    def run(self) -> Ended:
        """One try, for each load."""
        engine, wire = engine_of(self.audit_url), Tripwire(self.kill)
        session = session_for(self.org_url, self.read_timeout)
        gated = session.gated(partial(wire.about_to, "call"))
        stores = stores_in(engine, claim_lifetime=LIFETIME)
        do = {"mirror": _mirror, "revert": _revert}[self.what]
        try:
            return ended(lambda: do(self, self._loads(stores), stores, gated, wire), session)
        finally:
            session.close()
            engine.dispose()

    def _loads(self, stores: Stores) -> list[Load]:
        loads = [stores.audit.load(load_id) for load_id in self.load_ids]
        return [load for load in loads if load is not None]


def _mirror(spec: AfterSpec, loads: Sequence[Load], stores: Stores, session: SalesforceSession, wire: Tripwire) -> None:
    settings, failed = MirrorSettings(), 0
    for load in loads:
        described = describe(session, settings.sobject)
        fields = check_mirror(described, settings)
        key_field = fields[settings.key_field].name
        api = CollectionsApi(
            session, sobject=described.name, external_id_field=key_field, key_prefix=described.key_prefix
        )
        make_small(api, ROWS_PER_CHUNK, CHUNKS_PER_CALL, wire)
        records = records_of(load, stores.audit.entries(load.load_id, actions=MIRRORED), settings, fields)
        failed += mirror(records, key_field, api, _senders()).failed.total()
    if failed:
        raise LoadFailedError(f"{failed} records of {settings.sobject} were not saved")


def _revert(spec: AfterSpec, loads: Sequence[Load], stores: Stores, session: SalesforceSession, wire: Tripwire) -> None:
    done, task = Reverted(), TaskRun("chaos", "after", "revert", -1, spec.try_number)
    stores = replace(stores, changes=_Watched(stores.changes, wire))
    for load in loads:
        revert = revert_of(load, stores, session, task)
        revert.done, revert.records_per_batch = done, 5
        revert.senders = _senders()
        revert.open_sobject = partial(_opened, revert.open_sobject, wire)
        revert.run()
    check_done(done)


def _opened(open_sobject: Any, wire: Tripwire, sobject: SObject) -> Any:
    api, reader = open_sobject(sobject)
    make_small(api, ROWS_PER_CHUNK, CHUNKS_PER_CALL, wire)
    return api, reader


def _senders() -> Senders:
    return Senders(sleep=short_sleep, wait=lambda number: 0.0)


class _Watched:
    """A log of changes with tripwires around what a revert says of them."""

    def __init__(self, changes: Any, wire: Tripwire) -> None:
        self._changes = changes
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._changes, name)

    def mark(self, revert_id: str, load_id: str, marks: Sequence[Mark]) -> None:
        self._wire.about_to("remember")
        self._changes.mark(revert_id, load_id, marks)
        self._wire.about_to("remembered")
