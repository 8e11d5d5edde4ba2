"""An emulated org: its records, sessions and counters. State only; no wire format is known here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_sf_dedup.emulator.definition.org_file import Definition, read_org
from airflow_sf_dedup.emulator.definition.seed_files import Rows, read_rows
from airflow_sf_dedup.emulator.faults.switches import Faults
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.store import Kept, Record, Table
from airflow_sf_dedup.emulator.records.values import format_datetime
from airflow_sf_dedup.emulator.rules.book import RuleBook
from airflow_sf_dedup.emulator.state.accounting import Accounting
from airflow_sf_dedup.emulator.state.agenda import Agenda
from airflow_sf_dedup.emulator.state.bulk_jobs import Jobs
from airflow_sf_dedup.emulator.state.cursors import Cursors
from airflow_sf_dedup.emulator.state.ledger import Ledger
from airflow_sf_dedup.emulator.state.live_rules import LiveRules
from airflow_sf_dedup.emulator.state.metadata_jobs import MetadataJobs
from airflow_sf_dedup.emulator.state.record_locks import RecordLocks
from airflow_sf_dedup.emulator.state.recycle_bin import RecycleBin
from airflow_sf_dedup.emulator.state.seeding import organization_records, seed
from airflow_sf_dedup.emulator.state.sessions import Sessions
from airflow_sf_dedup.emulator.state.shown_rules import index_for_rules, show_rules
from airflow_sf_dedup.emulator.state.snapshot import Snapshot
from airflow_sf_dedup.emulator.state.tables import Tables
from airflow_sf_dedup.emulator.state.together import Together


class Org:
    """Everything that an org knows and remembers. Safe to use from several threads.

    :param definition: what the org file says.
    :param clock: gives the current moment, in UTC.
    :param sleep: lets a save wait for the seconds of the commit window.
    """

    def __init__(
        self,
        definition: Definition,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.definition = definition
        self.org_id = definition.org_id
        self.schema = definition.schema
        self.quirks = definition.quirks
        self.default_user = definition.users[0]
        self.clock = clock
        self.sleep = sleep
        self.sessions = Sessions(definition.org_id)
        self.access_token = self.sessions.open(self.default_user.user_id)
        self.faults = Faults()
        self.jobs = Jobs()
        self.generation = 0
        #: Taken by those who use the org, by their names.
        self.snapshots: dict[str, Snapshot] = {}
        #: The changes that are being made as one; belongs to whoever holds the lock.
        self.together: Together | None = None
        self.tables = Tables(definition.schema, ended=lambda changes: self.ledger.add(changes))
        self.lock = self.tables.lock
        #: What the tables hold at the start; none before that.
        self._first: Mapping[str, Kept] = {}
        self.reset()
        self._fill()
        self._first = self.tables.kept()

    @classmethod
    def read(cls, org: Path | str | Mapping[str, Any] | None = None) -> Org:
        """The org that an org file describes; the bundled default org without one.

        :raises OrgFileError: naming the setting that cannot be used.
        """
        return cls(read_org(org))

    def reset(self) -> None:
        """Back to what the org file says; the first access token is valid again.

        Snapshots are kept. A call that is in progress meanwhile changes nothing any more.
        """
        self.begin_anew(self._first)

    def begin_anew(self, tables: Mapping[str, Kept], rules: RuleBook | None = None) -> None:
        """As at the start, but with these records, and these duplicate rules instead of those of the org file."""
        with self.lock:
            self.generation += 1
            self.ledger = Ledger()
            self.jobs.stop()
            self.jobs = Jobs()
            self.record_locks = RecordLocks()
            self.recycle_bin = RecycleBin()
            self.agenda = Agenda()
            self.metadata_jobs = MetadataJobs()
            self.cursors = Cursors()
            self.accounting = Accounting()
            self.physics = self.definition.physics
            self.accounting.bear(self.definition.daily_api_requests, self.physics.daily_api_requests)
            self.faults.replace(self.definition.faults.faults, seed=self.definition.faults.seed)
            self.tables.go_back_to(tables)
            book = RuleBook.of(self.definition.duplicate_rules) if rules is None else rules.activated()
            self.rules = LiveRules(book, clock=self.clock, changed=self._show_rules)
            self._show_rules(book)
            self.sessions.reopen(self.access_token, self.default_user.user_id)

    def _fill(self) -> None:
        """The records that the org file says."""
        index_for_rules(self.tables, self.rules.book)
        for sobject, records in organization_records(self.definition).items():
            self.tables[sobject].load(records)
        for sobject, rows in self.definition.records:
            self.seed(sobject, rows)

    def _show_rules(self, book: RuleBook) -> None:
        show_rules(self.tables, book, now=self.now(), user_id=self.default_user.user_id)

    # --- what an org has, and how it changes ---

    def sobject(self, name: str) -> Sobject:
        """:raises ApiError: INVALID_TYPE."""
        return self.tables.sobject(name)

    def table(self, sobject: str) -> Table:
        return self.tables[sobject]

    def record(self, record_id: str) -> Record | None:
        """A record, live or deleted, by its 18-character id."""
        return self.tables.record(record_id)

    def put(self, sobject: str, record_id: str, record: Record | None) -> None:
        self.tables.put(sobject, record_id, record)

    def now(self) -> str:
        return format_datetime(self.clock())

    def catch_up(self) -> None:
        """Does what is due by now of what the org does by itself."""
        if self.agenda:
            with self.lock:
                self.agenda.run(self.clock())

    # --- for tests and the control endpoints ---

    def seed(self, sobject: str, rows: Rows | Iterable[Mapping[str, Any]] | Path | str) -> list[str]:
        """Puts records without running any rule; returns their ids. All are put, or none.

        A row may carry its own ``Id``, and name a parent by an external id (``Account.External_Id__c``).

        :param rows: mappings, or the path of a ``.csv``, ``.ndjson``, ``.jsonl`` or ``.json`` file.
        :raises ApiError: no such sobject, or a row with a field or value that it cannot have.
        :raises UnreadableRows: the file cannot be read as rows.
        """
        read = read_rows(Path(rows)) if isinstance(rows, str | Path) else Rows.of(rows)
        with self.tables.transaction():
            table = self.tables[self.tables.sobject(sobject).name]
            return seed(self.tables, table, read, now=self.now(), owner_id=self.default_user.user_id)

    def records(self, sobject: str, *, deleted: bool = False, having: Mapping[str, Any] | None = None) -> list[Record]:
        """Every record of a sobject, without its null fields; those in the recycle bin too if ``deleted``.

        :param having: only records that have these values; text is compared whatever its case.
        :raises ApiError: no such sobject or field.
        """
        return self.tables.all(sobject, having or {}, deleted=deleted)

    def shown(self, record_id: str) -> Record | None:
        """A record, live or deleted, by its id of 15 or 18 characters, without its null fields."""
        return self.tables.shown(record_id)

    def calls(self, last: int | None = None) -> list[dict[str, Any]]:
        """The calls since the start or the last reset, oldest first; of very many only the newest.

        :param last: only so many.
        """
        calls = self.accounting.calls() if last is None else self.accounting.calls(last)
        return [
            {
                **each,
                "faults": list(each["faults"]),
                "outcomes": self.ledger.outcomes(each["number"]),
            }
            for each in calls
        ]

    def stats(self) -> dict[str, Any]:
        """``{"api_calls": 11, "by_call": {"POST /composite": 5, "SOAP upsert": 6}, "logins": 1}``."""
        return self.accounting.stats()

    def change_physics(self, settings: Mapping[str, Any]) -> None:
        """Changes the named settings; one that is None goes back to its default.

        :raises SettingError: naming the setting and what it should be.
        """
        with self.lock:
            self.physics = self.physics.changed(settings)
            self.accounting.bear(self.definition.daily_api_requests, self.physics.daily_api_requests)

    def switch_rule(self, name: str, *, active: bool, stale_for: float = 0.0) -> None:
        """Switches a duplicate rule on or off, for every call from now on.

        :param name: its developer name, or ``Lead.Lead_Email`` where several sobjects have one of that name.
        :param stale_for: seconds in which saves still run the rules as they were, as after a deployment.
        :raises SettingError: no such rule, or more active ones than an org may have.
        """
        with self.lock:
            self.rules.change_rule(name, {"active": active}, stale_for=stale_for)

    def expire_sessions(self) -> int:
        """Makes every access token invalid; returns how many there were."""
        return self.sessions.expire_all()
