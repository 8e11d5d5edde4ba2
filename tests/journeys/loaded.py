"""The task of one load, as often as it is tried, and what its audit says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.testing.fake_org import KEY, FakeOrg
from airflow_sf_dedup.testing.workshops import workshop


class Loaded:
    """Runs a load's task in an org."""

    def __init__(self, engine: Engine, load: Load, org: FakeOrg) -> None:
        self.engine, self.load, self.org = engine, load, org
        self.audit, self.claims = SqlAudit(engine), SqlRecordClaims(engine)

    def tried(self, *rows: Any, entries: dict[str, Any] | None = None, **how: Any) -> None:
        """One try.

        :param entries: what the load keeps of values, for its entries.
        :param how: goes to :func:`~airflow_sf_dedup.testing.workshops.workshop`.
        """
        made = workshop(self.engine, self.load, self.org, **how)
        if entries:
            made.entries = EntryMaker(made.task.mark(0), key_field=KEY, sobject="Lead", **entries)
        made.upsert().run(rows)

    def changes(self) -> list[Change]:
        """What it said it would change."""
        return [made.change for made in self.audit.changes(self.load.load_id)]

    def entries(self) -> dict[int, Entry]:
        """By row number."""
        return {entry.row_number: entry for entry in self.audit.entries(self.load.load_id)}
