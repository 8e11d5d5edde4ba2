"""An emulated org: its records, sessions and counters. State only; no wire format is known here."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.definition.org_file import Definition, User, read_org
from airflow_sf_dedup.emulator.definition.quirks import Quirks
from airflow_sf_dedup.emulator.definition.seed_files import Rows, read_rows
from airflow_sf_dedup.emulator.errors import SettingError, no_such_sobject
from airflow_sf_dedup.emulator.faults.switches import Faults
from airflow_sf_dedup.emulator.records.looking import filters, fits, without_nulls
from airflow_sf_dedup.emulator.records.schema import Schema, Sobject
from airflow_sf_dedup.emulator.records.store import Kept, Record, Table, Undo
from airflow_sf_dedup.emulator.records.values import format_datetime
from airflow_sf_dedup.emulator.rules.book import MOST_ACTIVE, RuleBook
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.rules.duplicate_sets import ITEM, SET, recounted
from airflow_sf_dedup.emulator.rules.records import rule_records
from airflow_sf_dedup.emulator.state.accounting import Accounting
from airflow_sf_dedup.emulator.state.agenda import Agenda
from airflow_sf_dedup.emulator.state.bulk_jobs import Jobs
from airflow_sf_dedup.emulator.state.ledger import Change, Ledger
from airflow_sf_dedup.emulator.state.live_rules import LiveRules
from airflow_sf_dedup.emulator.state.metadata_jobs import MetadataJobs
from airflow_sf_dedup.emulator.state.record_locks import RecordLocks
from airflow_sf_dedup.emulator.state.recycle_bin import RecycleBin
from airflow_sf_dedup.emulator.state.seeding import organization_records, seed, system_fields
from airflow_sf_dedup.emulator.state.sessions import Sessions

if TYPE_CHECKING:
    from airflow_sf_dedup.emulator.state.snapshots import Snapshot
    from airflow_sf_dedup.emulator.state.two_steps import Together

_MOST_CURSORS = 100
_ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


class Transaction:
    """The puts since it began, so that they can be taken back, and what the ledger will say about them."""

    def __init__(self) -> None:
        self.undos: list[Undo] = []
        self.changes: list[Change] = []

    def roll_back(self, code: str = _ROLLED_BACK) -> None:
        """Takes everything back; the ledger shows its rows as refused.

        :param code: why a row that was saved is not any more.
        """
        self._undo()
        self.changes = [each.taken_back(code) for each in self.changes]

    def forget(self) -> None:
        """Takes everything back as if it had not been tried."""
        self._undo()
        self.changes = []

    def _undo(self) -> None:
        while self.undos:
            self.undos.pop()()


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
        self.clock = clock
        self.sleep = sleep
        self.lock = threading.RLock()
        self.sessions = Sessions(definition.org_id)
        self._transactions: list[Transaction] = []
        #: The changes that are being made as one; belongs to whoever holds the lock.
        self.together: Together | None = None
        self.faults = Faults()
        self.generation = 0
        self.jobs = Jobs()
        self.tables = {each.name: Table(each) for each in self.schema}
        #: What the tables hold at the start; none before that.
        self._first: Mapping[str, Kept] = {}
        #: Taken by those who use the org, by their names.
        self.snapshots: dict[str, Snapshot] = {}
        self.access_token = self.sessions.open(self.default_user.user_id)
        self.reset()
        self._fill()
        self._first = {name: table.kept() for name, table in self.tables.items()}

    @classmethod
    def read(cls, org: Path | str | Mapping[str, Any] | None = None) -> Org:
        """The org that an org file describes; the bundled default org without one.

        :raises OrgFileError: naming the setting that cannot be used.
        """
        return cls(read_org(org))

    @property
    def schema(self) -> Schema:
        return self.definition.schema

    @property
    def quirks(self) -> Quirks:
        return self.definition.quirks

    @property
    def org_id(self) -> str:
        return self.definition.org_id

    @property
    def default_user(self) -> User:
        return self.definition.users[0]

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
            self.physics = self.definition.physics
            self.faults.replace(self.definition.faults.faults, seed=self.definition.faults.seed)
            for name, kept in tables.items():
                self.tables[name].go_back_to(kept)
            self.agenda = Agenda()
            self.metadata_jobs = MetadataJobs()
            book = RuleBook.of(self.definition.duplicate_rules) if rules is None else rules.activated()
            self.rules = LiveRules(book, clock=self.clock, changed=self.show_rules)
            self.accounting = Accounting()
            self.limit_calls()
            self.cursors: OrderedDict[str, Any] = OrderedDict()
            self._cursor_numbers = itertools.count(1)
            self.sessions.reopen(self.access_token, self.default_user.user_id)

    def _fill(self) -> None:
        """The records that the org file says."""
        self._build_match_indexes()
        for sobject, records in organization_records(self.definition).items():
            self.tables[sobject].load(records)
        self.show_rules(self.rules.book)
        for sobject, rows in self.definition.records:
            self.seed(sobject, rows)

    def change_physics(self, settings: Mapping[str, Any]) -> None:
        """Changes the named settings; one that is None goes back to its default.

        :raises SettingError: naming the setting and what it should be.
        """
        with self.lock:
            self.physics = self.physics.changed(settings)
            self.limit_calls()

    def limit_calls(self) -> None:
        """Tells the accounting how many calls a day the org bears."""
        wanted = self.physics.daily_api_requests
        self.accounting.daily_limit = self.definition.daily_api_requests if wanted is None else wanted
        self.accounting.enforced = wanted is not None

    def _build_match_indexes(self) -> None:
        for rule in self.rules.book:
            for matching in rule.matching:
                for way in matching.ways:
                    self.tables[matching.target].match_index(way.columns)

    def show_rules(self, book: RuleBook) -> None:
        """The rules as records, in place of those that were there."""
        shown = list(rule_records(book))
        for name in ("DuplicateRule", "MatchingRule", "MatchingRuleItem"):
            table = self.tables[name]
            gone = table.records.keys() - {record["Id"] for sobject, record in shown if sobject == name}
            for record_id in gone:
                table.put(record_id, None)
        for name, record in shown:
            table = self.tables[name]
            self._show(table, record)

    def _show(self, table: Table, record: Record) -> None:
        old = table.records.get(record["Id"])
        if old is None:
            created = {**system_fields(table.sobject, self.now(), self.default_user.user_id), **record}
            table.put(record["Id"], created)
        elif any(old.get(name) != value for name, value in record.items()):
            now = self.now()
            table.put(record["Id"], {**old, **record, "LastModifiedDate": now, "SystemModstamp": now})

    # --- what an org has ---

    def sobject(self, name: str) -> Sobject:
        """:raises ApiError: INVALID_TYPE."""
        found = self.schema.find(name)
        if found is None:
            raise no_such_sobject(name)
        return found

    def table(self, sobject: str) -> Table:
        return self.tables[sobject]

    def record(self, record_id: str) -> Record | None:
        """A record, live or deleted, by its 18-character id."""
        sobject = self.schema.of_id(record_id)
        return self.tables[sobject.name].records.get(record_id) if sobject else None

    def rules_for(self, sobject: str) -> tuple[DuplicateRule, ...]:
        """The duplicate rules that a save of a sobject runs, in their order."""
        return self.rules.for_sobject(sobject)

    def switch_rule(self, name: str, *, active: bool) -> None:
        """Switches a duplicate rule on or off, for every call from now on.

        :param name: its developer name, or ``Lead.Lead_Email`` where several sobjects have one of that name.
        :raises SettingError: no such rule, or more active ones than an org may have.
        """
        self.change_rule(name, {"active": active})

    def change_rule(self, name: str, changes: Mapping[str, Any]) -> None:
        """Changes attributes of a duplicate rule, for every call from now on.

        :raises SettingError: no such rule, or more active ones than an org may have.
        """
        with self.lock:
            book = self.rules.book
            rule = book.named(name)
            if rule is None:
                raise SettingError("rules", f"no rule {name!r}; there are: {', '.join(book.duplicate)}")
            book = book.with_rule(replace(rule, **changes))
            if len(book.active(rule.sobject)) > MOST_ACTIVE:
                raise SettingError(f"rules.{name}", f"more than {MOST_ACTIVE} active rules for {rule.sobject}")
            self.rules.change(book)

    def catch_up(self) -> None:
        """Does what is due by now of what the org does by itself."""
        if self.agenda:
            with self.lock:
                self.agenda.run(self.clock())

    def now(self) -> str:
        return format_datetime(self.clock())

    # --- changing records ---

    def put(self, sobject: str, record_id: str, record: Record | None) -> None:
        old = self.tables[sobject].records.get(record_id) if sobject == ITEM else None
        undo = self.tables[sobject].put(record_id, record)
        if self._transactions:
            self._transactions[-1].undos.append(undo)
        if sobject == ITEM:
            self._recount(old, record)

    def _recount(self, *items: Record | None) -> None:
        for set_id, changed in recounted(self.tables, *items).items():
            self.put(SET, set_id, changed)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Holds the org; puts inside can be rolled back, alone or with the transaction around this one.

        What the outermost transaction did is in the ledger once it ends; one that raises is rolled back.
        """
        with self.lock:
            transaction = Transaction()
            self._transactions.append(transaction)
            try:
                yield transaction
            except BaseException:
                transaction.roll_back("UNKNOWN_EXCEPTION")
                raise
            finally:
                self._transactions.pop()
                self._end(transaction)

    def _end(self, transaction: Transaction) -> None:
        if self._transactions:
            self._transactions[-1].undos.extend(transaction.undos)
            self._transactions[-1].changes.extend(transaction.changes)
        else:
            self.ledger.add(transaction.changes)

    # --- for tests and the control endpoints ---

    def seed(self, sobject: str, rows: Rows | Iterable[Mapping[str, Any]] | Path | str) -> list[str]:
        """Puts records without running any rule; returns their ids. All are put, or none.

        A row may carry its own ``Id``, and name a parent by an external id (``Account.External_Id__c``).

        :param rows: mappings, or the path of a ``.csv``, ``.ndjson``, ``.jsonl`` or ``.json`` file.
        :raises ApiError: no such sobject, or a row with a field or value that it cannot have.
        :raises UnreadableRows: the file cannot be read as rows.
        """
        read = read_rows(Path(rows)) if isinstance(rows, str | Path) else Rows.of(rows)
        with self.lock, self.transaction():
            table = self.tables[self.sobject(sobject).name]
            return seed(self, table, read, now=self.now(), owner_id=self.default_user.user_id)

    def records(self, sobject: str, *, deleted: bool = False, having: Mapping[str, Any] | None = None) -> list[Record]:
        """Every record of a sobject, without its null fields; those in the recycle bin too if ``deleted``.

        :param having: only records that have these values; text is compared whatever its case.
        :raises ApiError: no such sobject or field.
        """
        with self.lock:
            table = self.tables[self.sobject(sobject).name]
            wanted = filters(table.sobject, having or {})
            found = [each for each in table.all(deleted=deleted) if fits(each, wanted)]
        return [without_nulls(record) for record in found]

    def shown(self, record_id: str) -> Record | None:
        """A record, live or deleted, by its id of 15 or 18 characters, without its null fields."""
        try:
            found = self.record(to_18(record_id))
        except ValueError:
            return None
        return without_nulls(found) if found is not None else None

    def calls(self, last: int | None = None) -> list[dict[str, Any]]:
        """The calls since the start or the last reset, oldest first; of very many only the newest.

        :param last: only so many.
        """
        calls = self.accounting.calls() if last is None else self.accounting.calls(last)
        return [
            {
                **each,
                "faults": list(each["faults"]),
                "user": self.username(each["user_id"]),
                "outcomes": self.ledger.outcomes(each["number"]),
            }
            for each in calls
        ]

    def username(self, user_id: str | None) -> str | None:
        user = self.record(user_id) if user_id else None
        return user["Username"] if user else None

    def stats(self) -> dict[str, Any]:
        """``{"api_calls": 11, "by_call": {"POST /composite": 5, "SOAP upsert": 6}, "logins": 1}``."""
        return self.accounting.stats()

    def expire_sessions(self) -> int:
        """Makes every access token invalid; returns how many there were."""
        return self.sessions.expire_all()

    def keep_cursor(self, rows: Sequence[Any]) -> str:
        """A query locator for the rows of a query that did not fit into one answer."""
        with self.lock:
            locator = f"01g5g00000{next(self._cursor_numbers):05d}AAA"[:18]
            self.cursors[locator] = rows
            while len(self.cursors) > _MOST_CURSORS:
                self.cursors.popitem(last=False)
            return locator
