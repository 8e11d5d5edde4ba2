"""Where do rows wait between the task that reads the source and the tasks that send it?

In ``<base>/<load_id>/``: ``load.json`` says what all rows have in common, ``part-00000.ndjson`` and so
on hold the records, which keeps an absent field (leave it alone) and a null one (clear it) apart,
``partitions.json`` lists them when all are there, and ``erased.json`` says which of them an erasure wrote anew.
While the source is read, its rows are sorted in a workspace beside them, or on this machine where they are staged
elsewhere. Local files are readable by their owner only, and each file is verified before it is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.files import paths
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.files.file_errors import FileRefusedError
from airflow_sf_dedup.staging import staged_file, workspace
from airflow_sf_dedup.staging.rewritten import ERASED, read_rewritten
from airflow_sf_dedup.staging.sealed import read_sealed, seal

MANIFEST = "load.json"
REFS = "partitions.json"
STAGED_LOAD_VERSION = 2

#: A manifest that cannot be read may be of another release's living load: it is removed by its age, which is this at
#: least.
_UNREADABLE_FOR = timedelta(days=1)

_LOAD_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

#: What reading a manifest raises when it is damaged or another release's.
_NO_MANIFEST = (ValueError, TypeError, KeyError, AttributeError)


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Name the setting whose place turns out to be none that rows can be kept in.

    :raises SettingError: in place of a :class:`~airflow_sf_dedup.files.file_errors.FileRefusedError`.
    """
    try:
        yield
    except FileRefusedError as refused:
        raise _named(setting, refused) from None


def _named(setting: str, refused: FileRefusedError) -> SettingError:
    return SettingError(f"{setting}: {refused}", setting=setting)


_names_its_setting = naming("staging_path")


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
    #: From :func:`airflow_sf_dedup.staging.staged_file.write`.
    checksum: str


@dataclass(frozen=True, slots=True)
class StagingArea:
    """The folder below which loads are staged.

    :param base_path: a local path, or a URL that ``ObjectStoragePath`` opens.
    :param work_path: a folder of this machine for rows that are sorted before they are staged at a URL; by default
        ``sf_dedup/staging`` below Airflow's own folder.
    """

    base_path: str
    work_path: str | None = None

    @property
    @_names_its_setting
    def work_folder(self) -> Path:
        """Below which this machine keeps rows of loads while it sorts them: the area itself, where it is local."""
        here = paths.local(self.base_path) or (paths.local(self.work_path) if self.work_path else None)
        return here.absolute() if here else paths.airflow_home() / "sf_dedup" / "staging"

    @classmethod
    def of(cls, ref: PartitionRef) -> StagingArea:
        """The area a partition was staged in."""
        return cls(ref.path.rsplit("/", 2)[0])

    @_names_its_setting
    def folder(self, load_id: str) -> str:
        """The folder of one load.

        :raises SettingError: the id could lead out of the area, or no area can be where ``base_path`` says.
        """
        if not _LOAD_ID.fullmatch(load_id):
            raise SettingError("load_id: letters, digits, '_', '.' and '-' only", setting="load_id")
        # Absolute, because the tasks that read it may run in another folder.
        return f"{paths.absolute_folder(self.base_path)}/{load_id}"

    @contextmanager
    def workspace(self, load_id: str) -> Iterator[Path]:
        """A folder of this process in which rows of a load are sorted; see :mod:`airflow_sf_dedup.staging.workspace`.

        :raises SettingError: as :meth:`folder`, or rows cannot be written there.
        """
        self.folder(load_id)
        is_here = paths.local(self.base_path) is not None
        setting = "staging_path" if is_here else "work_path"
        with naming(setting), workspace.open_workspace(self.work_folder, load_id) as folder:
            yield folder

    def recorded(self, load_id: str) -> str:
        """The area as the load's row remembers it, for whoever works in another folder.

        :raises SettingError: as :meth:`folder`.
        """
        return self.folder(load_id).rsplit("/", 1)[0] or "/"

    def partition_path(self, load_id: str, partition: int) -> str:
        """Where the rows of a partition are staged.

        :raises SettingError: as for :meth:`folder`.
        """
        return f"{self.folder(load_id)}/part-{partition:05d}.ndjson"

    @_names_its_setting
    def write_manifest(self, load: StagedLoad) -> None:
        """Begin a load: make its folder and say what its rows have in common."""
        folder = self.folder(load.load_id)
        paths.make_private_folder(folder)
        with paths.write_whole(f"{folder}/{MANIFEST}") as file:
            file.write(seal(load.to_json()))

    @_names_its_setting
    def write_partition(self, load_id: str, partition: int, records: Sequence[Record]) -> StagedPartition:
        """Stage the records of one partition, in the order given."""
        path = self.partition_path(load_id, partition)
        with paths.write_whole(path) as file:
            checksum = staged_file.write(file, records)
        return StagedPartition(path, len(records), checksum)

    @_names_its_setting
    def write_refs(self, load_id: str, refs: Iterable[PartitionRef]) -> None:
        """Keep the references beside the partitions, for whoever closes the load."""
        with paths.write_whole(f"{self.folder(load_id)}/{REFS}") as file:
            file.write(seal([ref.to_json() for ref in refs]))

    @_names_its_setting
    def read_refs(self, load_id: str) -> list[PartitionRef]:
        """The load's partitions; none when nothing of it is staged any more.

        :raises StagingError: they cannot be read.
        """
        path = f"{self.folder(load_id)}/{REFS}"
        try:
            return [PartitionRef.from_json(ref) for ref in read_sealed(path)]
        except FileNotFoundError:
            return []
        except FileRefusedError:
            raise  # Who may not read it cannot tell what it is.
        except (SettingError, ValueError, TypeError):
            raise StagingError(
                f"the list of partitions of load {load_id} at {shown(path)} is not what was staged. {_AGAIN}"
            ) from None

    @_names_its_setting
    def remove(self, load_id: str) -> None:
        """Remove all that is staged of a load; what is not there needs no removing."""
        paths.remove_folder(self.folder(load_id))

    @_names_its_setting
    def is_complete(self, load_id: str) -> bool:
        """Whether all partitions of the load are staged."""
        return paths.exists(f"{self.folder(load_id)}/{REFS}")

    def begun_at(self, load_id: str) -> datetime | None:
        """When the first partition of the load was about to be staged, UTC; ``None``: none was."""
        try:
            return paths.written_at(f"{self.folder(load_id)}/{MANIFEST}")
        except OSError:
            return None

    def remove_older_than(
        self, days: float, *, now: datetime | None = None, but: Collection[str] = frozenset()
    ) -> list[str]:
        """Remove loads staged longer ago than that, and answer their ids.

        Only folders with a manifest are touched, so that a wrongly set path costs nothing.

        :param but: loads that stay, however old.
        """
        now = now or datetime.now(UTC)
        moment = now - timedelta(days=days)
        others = (load_id for load_id in self.load_ids() if load_id not in but)
        aged = [load_id for load_id in others if self._staged_before(load_id, moment, now)]
        for load_id in aged:
            self.remove(load_id)
        return aged

    @_names_its_setting
    def load_ids(self) -> list[str]:
        """The names of the area's folders; those with a manifest are loads."""
        return [name for name in paths.names_in(self.base_path) if _LOAD_ID.fullmatch(name)]

    def _staged_before(self, load_id: str, moment: datetime, now: datetime) -> bool:
        path = f"{self.folder(load_id)}/{MANIFEST}"
        try:
            return _manifest(path).created_at < moment
        except OSError:
            return False
        except _NO_MANIFEST:
            return paths.written_at(path) < min(moment, now - _UNREADABLE_FOR)


def read_partition(ref: PartitionRef) -> Iterator[Record]:
    """The staged records, as a stream of which each row is verified before it is handed on.

    :raises StagingError: the file is gone, or is not what was staged from here on.
    :raises SettingError: it is there, and may not be read.
    """
    with _told_of(ref):
        try:
            now = read_rewritten(_folder(ref)).get(ref.partition)
            checksum, rows = (ref.checksum, ref.rows) if now is None else (now.checksum, now.rows)
            with paths.open_binary(ref.path) as file:
                yield from staged_file.read(file, checksum, rows)
        except staged_file.DamagedError as damaged:
            raise StagingError(_changed(ref, str(damaged))) from None
        except ValueError:
            raise StagingError(_changed(ref, f"its {ERASED} cannot be read")) from None


def read_manifest(ref: PartitionRef) -> StagedLoad:
    """What the rows of a partition have in common with all rows of their load.

    :raises StagingError: the manifest is gone, or of a release this one does not know.
    :raises SettingError: it is there, and may not be read.
    """
    with _told_of(ref):
        try:
            return _manifest(f"{_folder(ref)}/{MANIFEST}")
        except _NO_MANIFEST:
            raise StagingError(
                _changed(ref, f"its {MANIFEST} cannot be read: it was changed, or is of another release")
            ) from None


@contextmanager
def _told_of(ref: PartitionRef) -> Iterator[None]:
    """Tell a partition that is gone, and one that is there and may not be read, by what a person has to do."""
    try:
        yield
    except FileNotFoundError:
        raise StagingError(_gone(ref)) from None
    except IsADirectoryError:
        raise StagingError(_changed(ref, "it is a folder")) from None
    except FileRefusedError as refused:
        raise _named("staging_path", refused) from None


def _folder(ref: PartitionRef) -> str:
    return ref.path.rsplit("/", 1)[0]


def _manifest(path: str) -> StagedLoad:
    return StagedLoad.from_json(read_sealed(path))


_AGAIN = "Clear the partition task, so that the source is read and staged again."


def _gone(ref: PartitionRef) -> str:
    return (
        f"partition {ref.partition} of load {ref.load_id} is not at {shown(ref.path)}: it was removed, or "
        f"staging_path cannot be reached from this worker. {_AGAIN}"
    )


def _changed(ref: PartitionRef, what: str) -> str:
    return (
        f"partition {ref.partition} of load {ref.load_id} at {shown(ref.path)} is not what was staged: {what}. {_AGAIN}"
    )
