"""What was the org like at one moment, and how does it become so again?

A snapshot keeps records (the recycle bin too), id numbers, query locators, physics, faults (which count anew), the
ledger, and the calls counted until then. Access tokens are not part of it: who is logged in stays logged in, and the
first access token is valid again. Bulk jobs end. Records are values, so that taking a snapshot copies none, and going
back to it puts only those that differ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.emulator.definition.physics import Physics
from airflow_sf_dedup.emulator.errors import MalformedValue, SettingError
from airflow_sf_dedup.emulator.faults.switches import FaultPlan
from airflow_sf_dedup.emulator.records.drafts import read_json
from airflow_sf_dedup.emulator.records.looking import without_nulls
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.store import Kept, Record
from airflow_sf_dedup.emulator.rules.book import RuleBook
from airflow_sf_dedup.emulator.state.accounting import Accounting
from airflow_sf_dedup.emulator.state.ledger import Ledger
from airflow_sf_dedup.emulator.state.recycle_bin import RecycleBin
from airflow_sf_dedup.emulator.suggesting import did_you_mean

if TYPE_CHECKING:
    from airflow_sf_dedup.emulator.state.org import Org

_MOST_NUMBERS = 62**10


@dataclass(frozen=True)
class Snapshot:
    #: When it was taken: ``2026-01-31T12:00:00.000+0000``.
    taken_at: str
    tables: Mapping[str, Kept]
    recycle_bin: RecycleBin
    physics: Physics
    faults: FaultPlan
    ledger: Ledger
    accounting: Accounting
    cursors: Mapping[str, Any]
    #: The duplicate rules; None: those of the org file.
    rules: RuleBook | None = None

    def about(self) -> dict[str, Any]:
        """``{"taken_at": …, "records": {"Lead": 12}}``; the recycle bin is counted too."""
        return {"taken_at": self.taken_at, "records": {name: len(kept.records) for name, kept in self._filled()}}

    def to_json(self) -> dict[str, Any]:
        """What a file can keep: the records and the id numbers."""
        return {
            "taken_at": self.taken_at,
            "last_numbers": {name: kept.last_number for name, kept in self._filled()},
            "records": {name: [without_nulls(each) for each in kept.records.values()] for name, kept in self._filled()},
        }

    def _filled(self) -> list[tuple[str, Kept]]:
        return [(name, kept) for name, kept in self.tables.items() if kept.records]


def take(org: Org) -> Snapshot:
    with org.lock:
        return Snapshot(
            taken_at=org.now(),
            tables={name: table.kept() for name, table in org.tables.items()},
            recycle_bin=org.recycle_bin.copy(),
            physics=org.physics,
            faults=org.faults.plan(),
            ledger=org.ledger.copy(),
            accounting=org.accounting.copy(),
            cursors=dict(org.cursors),
            rules=org.rules.book,
        )


def restore(org: Org, snapshot: Snapshot) -> None:
    """A call that is in progress meanwhile changes nothing any more."""
    with org.lock:
        org.begin_anew(snapshot.tables, snapshot.rules)
        org.show_rules(org.rules.book)
        org.recycle_bin = snapshot.recycle_bin.copy()
        org.physics = snapshot.physics
        org.ledger = snapshot.ledger.copy()
        org.accounting = snapshot.accounting.copy()
        org.limit_calls()
        org.cursors = OrderedDict(snapshot.cursors)
        org.faults.replace(snapshot.faults.faults, seed=snapshot.faults.seed)


def read_snapshot(org: Org, found: Any) -> Snapshot:
    """A snapshot of the org as its org file says, but with the records that a file kept.

    :raises SettingError: naming what cannot be read (``records.Lead[3].Email``).
    """
    records, numbers = _section(found, "records"), _section(found, "last_numbers")
    for name in [*records, *numbers]:
        if org.schema.find(str(name)) is None:
            near = did_you_mean(name, org.schema.sobjects)
            raise SettingError(f"records.{name}", f"the org has no such sobject{near}")
    tables = {each.name: _read_table(each, records.get(each.name, []), numbers.get(each.name)) for each in org.schema}
    return Snapshot(
        taken_at=str(found.get("taken_at", org.now())),
        tables=tables,
        recycle_bin=RecycleBin(),
        physics=org.definition.physics,
        faults=org.definition.faults,
        ledger=Ledger(),
        accounting=Accounting(),
        cursors={},
    )


def _section(found: Any, name: str) -> Mapping[str, Any]:
    section = found.get(name, {}) if isinstance(found, Mapping) else None
    if not isinstance(section, Mapping):
        raise SettingError(name, "should be a mapping, as GET /_emulator/snapshots/{name} answers it")
    return section


def _read_table(sobject: Sobject, rows: Any, number: Any) -> Kept:
    setting = f"records.{sobject.name}"
    if not isinstance(rows, list):
        raise SettingError(setting, "should be a list of records")
    records = [_read_record(sobject, each, f"{setting}[{position}]") for position, each in enumerate(rows)]
    number = len(records) if number is None else number
    if type(number) is not int or not 0 <= number < _MOST_NUMBERS:
        raise SettingError(f"last_numbers.{sobject.name}", f"{number!r} should be a whole number, 0 or more")
    return Kept({each["Id"]: each for each in records}, number)


def _read_record(sobject: Sobject, found: Any, setting: str) -> Record:
    if not isinstance(found, Mapping):
        raise SettingError(setting, "should be a mapping")
    for name in found:
        if name not in sobject.fields:
            raise SettingError(f"{setting}.{name}", f"no such field{did_you_mean(name, sobject.fields)}")
    try:
        draft = read_json(sobject, found)
    except MalformedValue as error:
        raise SettingError(setting, error.message) from None
    if draft.errors:
        raise SettingError(f"{setting}.{draft.errors[0].fields[0]}", draft.errors[0].message)
    if not str(draft.values.get("Id")).startswith(sobject.key_prefix):
        raise SettingError(f"{setting}.Id", f"should be an id that begins with {sobject.key_prefix}")
    return {"IsDeleted": False, **draft.values}
