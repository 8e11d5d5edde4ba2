"""Snapshots in files: what an org holds, kept from one run of the emulator to the next."""

from __future__ import annotations

from pathlib import Path

import msgspec

from airflow_sf_dedup.emulator.errors import SettingError
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.snapshots import read_snapshot, restore, take


def load(org: Org, path: Path) -> None:
    """Gives an org the records that a file kept.

    :raises SettingError: naming the file, and what in it cannot be read.
    """
    try:
        restore(org, read_snapshot(org, msgspec.json.decode(path.read_bytes())))
    except OSError as error:
        raise SettingError(str(path), f"cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingError(str(path), f"is no JSON: {error}") from None
    except SettingError as error:
        raise SettingError(str(path), str(error)) from None


def save(org: Org, path: Path) -> None:
    """Writes what an org holds; the file is there as a whole or not at all.

    :raises SettingError: naming the file that cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(msgspec.json.encode(take(org).to_json()))
        part.replace(path)
    except OSError as error:
        raise SettingError(str(path), f"cannot be written: {error.strerror}") from None
