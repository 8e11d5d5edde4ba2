"""Taking a snapshot of the org, and going back to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.errors import MalformedValue, SettingError
from airflow_sf_dedup.emulator.records.drafts import read_json
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.store import Kept, Record
from airflow_sf_dedup.emulator.state.accounting import Accounting
from airflow_sf_dedup.emulator.state.cursors import Cursors
from airflow_sf_dedup.emulator.state.ledger import Ledger
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.recycle_bin import RecycleBin
from airflow_sf_dedup.emulator.state.snapshot import Snapshot
from airflow_sf_dedup.emulator.suggesting import did_you_mean

_MOST_NUMBERS = 62**10


def take(org: Org) -> Snapshot:
    with org.lock:
        return Snapshot(
            taken_at=org.now(),
            tables=org.tables.kept(),
            recycle_bin=org.recycle_bin.copy(),
            physics=org.physics,
            faults=org.faults.plan(),
            ledger=org.ledger.copy(),
            accounting=org.accounting.copy(),
            cursors=org.cursors.copy(),
            rules=org.rules.book,
        )


def restore(org: Org, snapshot: Snapshot) -> None:
    """A call that is in progress meanwhile changes nothing any more."""
    with org.lock:
        org.begin_anew(snapshot.tables, snapshot.rules)
        org.recycle_bin = snapshot.recycle_bin.copy()
        org.physics = snapshot.physics
        org.ledger = snapshot.ledger.copy()
        org.accounting = snapshot.accounting.copy()
        org.accounting.bear(org.definition.daily_api_requests, org.physics.daily_api_requests)
        org.cursors = snapshot.cursors.copy()
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
        cursors=Cursors(),
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
