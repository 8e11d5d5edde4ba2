"""An emulated org that runs, and what a test wants to do with it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from airflow_sf_dedup.emulator.faults.switches import Fault
from airflow_sf_dedup.emulator.server.serving import Running
from airflow_sf_dedup.emulator.state.snapshot import Snapshot
from airflow_sf_dedup.emulator.state.snapshots import restore, take


class EmulatedOrg(Running):
    """A running emulator.

    >>> with EmulatedOrg.start() as org:  # doctest: +SKIP
    ...     requests.get(f"{org.url}/services/data")
    """

    @property
    def access_token(self) -> str:
        return self.state.access_token

    @property
    def org_id(self) -> str:
        return self.state.org_id

    @property
    def airflow_connection(self) -> str:
        """A connection to this org as JSON, the value of an ``AIRFLOW_CONN_…`` variable."""
        extra = {"access_token": self.access_token, "instance_url": self.url}
        if self.ca_file:
            extra["ca_bundle"] = self.ca_file
        return json.dumps({"conn_type": "salesforce", "extra": extra})

    @property
    def airflow_connection_uri(self) -> str:
        """The same as a URI, for what takes no JSON."""
        return "salesforce://?" + urlencode(json.loads(self.airflow_connection)["extra"])

    def seed(self, sobject: str, rows: Iterable[Mapping[str, Any]] | Path | str) -> list[str]:
        """Puts records without running any rule; returns their ids. See :meth:`Org.seed`.

        :param rows: mappings, or the path of a CSV, NDJSON or JSON file.
        """
        return self.state.seed(sobject, rows)

    def records(self, sobject: str, *, deleted: bool = False, **values: Any) -> list[dict[str, Any]]:
        """The live records, without their null fields: ``org.records("Lead", Email="ada@nowak.example")``.

        :param deleted: those in the recycle bin too.
        :param values: only records that have these values; text is compared whatever its case.
        """
        return self.state.records(sobject, deleted=deleted, having=values)

    def record(self, record_id: str) -> dict[str, Any] | None:
        """One record, live or in the recycle bin, by its id of 15 or 18 characters."""
        return self.state.shown(record_id)

    def calls(self, last: int | None = None) -> list[dict[str, Any]]:
        """The calls since the start or the last reset: method, path, status, what became of their rows …"""
        return self.state.calls(last)

    def stats(self) -> dict[str, Any]:
        """``{"api_calls": 11, "by_call": {"POST /composite": 5, "SOAP upsert": 6}, "logins": 1}``."""
        return self.state.stats()

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        """What became of every row of every call, whatever its caller was told."""
        return self.state.ledger.entries(after)

    def add_faults(self, *faults: Fault | Mapping[str, Any], seed: int | None = None) -> None:
        """Switches faults on, beside those that are on."""
        self.state.faults.add(faults, seed=seed)

    def clear_faults(self) -> None:
        self.state.faults.clear()

    def change_physics(self, **settings: Any) -> None:
        """``org.change_physics(commit_window=0.5)``; None takes a setting back to its default."""
        self.state.change_physics(settings)

    def expire_sessions(self) -> int:
        """Makes every access token invalid; returns how many there were."""
        return self.state.expire_sessions()

    def snapshot(self) -> Snapshot:
        """The org as it is now, for ``restore``."""
        return take(self.state)

    def restore(self, snapshot: Snapshot) -> None:
        """The org as it was then."""
        restore(self.state, snapshot)

    def reset(self) -> None:
        """The org as its org file says."""
        self.state.reset()
