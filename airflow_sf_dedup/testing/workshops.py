"""A workshop over a fake org and a real database, with clocks that do not wait: for tests of what a journey does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.sql_stores import stores_in
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.workshop import Clocks, Org, Part, Workshop
from airflow_sf_dedup.locks.base import Claimant, Grant, KeyClaims, KeyScope
from airflow_sf_dedup.policies import Policy, read_policy
from airflow_sf_dedup.testing.fake_org import KEY, KEY_RULE, LEAD, ORG_ID, FakeOrg


class NoClaims:
    """Everybody has every key."""

    lifetime = timedelta(hours=1)

    def claim(
        self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, org_time: datetime | None = None
    ) -> Grant:
        """All of them."""
        return Grant(dict.fromkeys(keys), {})

    def renew(self, claimant: Claimant) -> int:
        """None is lost, and none is kept."""
        return 0

    def release(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, settled: bool = True) -> None:
        """Nobody had them."""

    def leave(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, unknown: bool = False) -> None:
        """Nobody waits for them."""

    def doubted(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        """None."""
        return frozenset()

    def held(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        """None."""
        return frozenset()


def workshop(
    engine: Engine,
    load: Load,
    org: FakeOrg,
    *,
    policy: str | Policy = "ask_reviewer",
    org_id: str = ORG_ID,
    key_rule: KeyRule = KEY_RULE,
    key_claims: KeyClaims | None = None,
    try_number: int = 1,
    lookup: Any = None,
    sleep: Callable[[float], None] = lambda seconds: None,
    **settings: Any,
) -> Workshop:
    """What builds the journeys of partition 0 of a load.

    :param engine: of a database whose tables are there; the load is opened in its audit.
    :param key_claims: by default everybody gets every key.
    :param lookup: what names the matches; by default the org.
    :param sleep: takes the seconds that the journey would wait.
    :param settings: fields of :class:`~airflow_sf_dedup.journeys.workshop.Workshop`.
    """
    task = TaskRun("leads", f"run-{uuid4()}", "upsert", 0, try_number)
    return Workshop(
        part=Part(load.load_id, org_id, LEAD, key_rule),
        stores=replace(stores_in(engine), key_claims=key_claims or NoClaims()),
        open_org=lambda gates: Org(org, lookup or org, org, org, org.by_stamp, org),
        policy=read_policy(policy),
        entries=EntryMaker(task.mark(0), key_field=KEY, sobject="Lead"),
        task=task,
        clocks=Clocks(sleep=sleep),
        **settings,
    )
