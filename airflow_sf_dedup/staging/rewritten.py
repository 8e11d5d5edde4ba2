"""Which partitions of a staged load are no longer what was staged, because rows of theirs were erased?

References to them travel in XComs, which nobody can change, and keep the first checksum. ``erased.json`` beside the
partitions says what holds now.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from airflow_sf_dedup.files import writing
from airflow_sf_dedup.staging.sealed import read_sealed, seal

ERASED = "erased.json"


class Rewritten(msgspec.Struct, frozen=True):
    """A partition without its erased rows."""

    partition: int
    rows: int
    #: As a reference has it.
    checksum: str


def read_rewritten(folder: str) -> dict[int, Rewritten]:
    """The rewritten partitions of a load, by number.

    :param folder: of the load.
    :raises ValueError: the file is damaged.
    """
    try:
        found = msgspec.convert(read_sealed(f"{folder}/{ERASED}"), list[Rewritten])
    except FileNotFoundError:
        return {}
    return {each.partition: each for each in found}


def write_rewritten(folder: str, partitions: Mapping[int, Rewritten]) -> None:
    """Say what holds now."""
    with writing.write_whole(f"{folder}/{ERASED}") as file:
        file.write(seal([msgspec.to_builtins(each) for each in partitions.values()]))
