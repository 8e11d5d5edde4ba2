"""Where do rows wait between the task that reads the source and the tasks that send it?

In ``<base>/<load_id>/``: ``load.json`` says what all rows have in common, ``part-00000.ndjson`` and so
on hold the records, which keeps an absent field (leave it alone) and a null one (clear it) apart.
Local files are readable by their owner only.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.sources import paths, staged_file

MANIFEST = "load.json"
REFS = "partitions.json"
STAGED_LOAD_VERSION = 2

_LOAD_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

#: What reading a manifest raises when it is damaged or another release's.
_NO_MANIFEST = (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class StagedLoad:
    """What all partitions of a load have in common."""

    load_id: str
    #: The sObject with just the fields that this load needs.
    sobject: SObject
    #: The sObject with all fields that the user sees: what a setting may name.
    described: SObject
    #: In the org's spelling.
    external_id_field: str
    on_repeat: str
    #: As the source spells them.
    columns: tuple[str, ...]
    allow_non_unique_key: bool
    #: UTC.
    created_at: datetime
    version: int = STAGED_LOAD_VERSION

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; :meth:`from_json` reads it back."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return {
            **document,
            "sobject": self.sobject.to_json(),
            "described": self.described.to_json(),
            "columns": list(self.columns),
            "created_at": self.created_at.isoformat(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> StagedLoad:
        """The inverse of :meth:`to_json`.

        :raises ValueError: another release wrote it.
        """
        if document["version"] != STAGED_LOAD_VERSION:
            raise ValueError("unknown version of a staged load")
        return cls(
            **{
                **document,
                "sobject": SObject.from_json(document["sobject"]),
                "described": SObject.from_json(document["described"]),
                "columns": tuple(document["columns"]),
                "created_at": datetime.fromisoformat(document["created_at"]),
            }
        )


@dataclass(frozen=True, slots=True)
class StagedPartition:
    """What was written."""

    path: str
    rows: int
    #: From :func:`airflow_sf_dedup.sources.staged_file.write`.
    checksum: str


@dataclass(frozen=True, slots=True)
class StagingArea:
    """The folder below which loads are staged.

    :param base_path: a local path, or a URL that ``ObjectStoragePath`` opens.
    """

    base_path: str

    @classmethod
    def of(cls, ref: PartitionRef) -> StagingArea:
        """The area a partition was staged in."""
        return cls(ref.path.rsplit("/", 2)[0])

    def folder(self, load_id: str) -> str:
        """The folder of one load.

        :raises SettingError: the id could lead out of the area.
        """
        if not _LOAD_ID.fullmatch(load_id):
            raise SettingError("load_id: letters, digits, '_', '.' and '-' only", setting="load_id")
        here = paths.local(self.base_path)
        # Absolute, because the tasks that read it may run in another folder.
        base = self.base_path if here is None else str(here.absolute())
        return f"{base.rstrip('/')}/{load_id}"

    def recorded(self, load_id: str) -> str | None:
        """The area as the load's row may remember it, for whoever works in another folder; ``None``: with a secret."""
        base = self.folder(load_id).rsplit("/", 1)[0]
        return base if paths.shown(base) == base else None

    def partition_path(self, load_id: str, partition: int) -> str:
        """Where the rows of a partition are staged.

        :raises SettingError: as for :meth:`folder`.
        """
        return f"{self.folder(load_id)}/part-{partition:05d}.ndjson"

    def write_manifest(self, load: StagedLoad) -> None:
        """Begin a load: make its folder and say what its rows have in common."""
        folder = self.folder(load.load_id)
        paths.make_private_folder(folder)
        with paths.write_whole(f"{folder}/{MANIFEST}") as file:
            file.write(msgspec.json.encode(load.to_json()))

    def write_partition(self, load_id: str, partition: int, records: Sequence[Record]) -> StagedPartition:
        """Stage the records of one partition, in the order given."""
        path = self.partition_path(load_id, partition)
        with paths.write_whole(path) as file:
            checksum = staged_file.write(file, records)
        return StagedPartition(path, len(records), checksum)

    def write_refs(self, load_id: str, refs: Iterable[PartitionRef]) -> None:
        """Keep the references beside the partitions, for whoever closes the load."""
        with paths.write_whole(f"{self.folder(load_id)}/{REFS}") as file:
            file.write(msgspec.json.encode([ref.to_json() for ref in refs]))

    def read_refs(self, load_id: str) -> list[PartitionRef]:
        """The load's partitions; none when nothing of it is staged any more.

        :raises StagingError: they cannot be read.
        """
        path = f"{self.folder(load_id)}/{REFS}"
        try:
            with paths.open_binary(path) as file:
                return [PartitionRef.from_json(ref) for ref in msgspec.json.decode(file.read())]
        except FileNotFoundError:
            return []
        except (msgspec.MsgspecError, SettingError, TypeError):
            raise StagingError(
                f"the list of partitions of load {load_id} at {paths.shown(path)} is not what was staged. {_AGAIN}"
            ) from None

    def remove(self, load_id: str) -> None:
        """Remove all that is staged of a load; what is not there needs no removing."""
        _remove_folder(self.folder(load_id))

    def remove_older_than(self, days: float, *, now: datetime | None = None) -> list[str]:
        """Remove loads staged longer ago than that, and answer their ids.

        Only folders with a manifest are touched, so that a wrongly set path costs nothing.
        """
        oldest = (now or datetime.now(UTC)) - timedelta(days=days)
        aged = [load_id for load_id in self._folders() if self._staged_before(load_id, oldest)]
        for load_id in aged:
            self.remove(load_id)
        return aged

    def _folders(self) -> list[str]:
        here: Any = paths.local(self.base_path) or paths.remote(self.base_path)
        if not here.is_dir():
            return []
        return sorted(child.name for child in here.iterdir() if _LOAD_ID.fullmatch(child.name))

    def _staged_before(self, load_id: str, moment: datetime) -> bool:
        try:
            return _manifest(f"{self.folder(load_id)}/{MANIFEST}").created_at < moment
        except (OSError, *_NO_MANIFEST):
            return False


def read_partition(ref: PartitionRef) -> Iterator[Record]:
    """The staged records, as a stream of which each row is verified before it is handed on.

    :raises StagingError: the file is gone, or is not what was staged from here on.
    """
    try:
        with paths.open_binary(ref.path) as file:
            yield from staged_file.read(file, ref.checksum, ref.rows)
    except FileNotFoundError:
        raise StagingError(_gone(ref)) from None
    except staged_file.DamagedError as damaged:
        raise StagingError(_changed(ref, str(damaged))) from None


def read_manifest(ref: PartitionRef) -> StagedLoad:
    """What the rows of a partition have in common with all rows of their load.

    :raises StagingError: the manifest is gone, or of a release this one does not know.
    """
    try:
        return _manifest(f"{ref.path.rsplit('/', 1)[0]}/{MANIFEST}")
    except FileNotFoundError:
        raise StagingError(_gone(ref)) from None
    except _NO_MANIFEST:
        raise StagingError(_changed(ref, f"its {MANIFEST} cannot be read by this release")) from None


def _manifest(path: str) -> StagedLoad:
    with paths.open_binary(path) as file:
        return StagedLoad.from_json(msgspec.json.decode(file.read()))


def _remove_folder(folder: str) -> None:
    here = paths.local(folder)
    if here is not None:
        try:
            shutil.rmtree(here)
        except FileNotFoundError:
            # Not there, or another task is removing the same old load.
            shutil.rmtree(here, ignore_errors=True)
        return
    there: Any = paths.remote(folder)
    if there.exists():
        there.fs.rm(there.path, recursive=True)


_AGAIN = "Clear the partition task, so that the source is read and staged again."


def _gone(ref: PartitionRef) -> str:
    return (
        f"partition {ref.partition} of load {ref.load_id} is not at {paths.shown(ref.path)}: it was removed, or "
        f"staging_path cannot be reached from this worker. {_AGAIN}"
    )


def _changed(ref: PartitionRef, what: str) -> str:
    return (
        f"partition {ref.partition} of load {ref.load_id} at {paths.shown(ref.path)} is not what was staged: "
        f"{what}. {_AGAIN}"
    )
