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

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.files import paths, reading, writing
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.files.file_errors import FileRefusedError
from airflow_sf_dedup.staging import staged_file, workspace
from airflow_sf_dedup.staging.sealed import read_sealed, seal
from airflow_sf_dedup.staging.settings import naming
from airflow_sf_dedup.staging.staged_load import MANIFEST, NO_MANIFEST, StagedLoad, manifest_at

REFS = "partitions.json"

#: A manifest that cannot be read may be of another release's living load: it is removed by its age, which is this at
#: least.
_UNREADABLE_FOR = timedelta(days=1)

_LOAD_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

#: What to do when what is staged cannot be used.
AGAIN = "Clear the partition task, so that the source is read and staged again."

_names_its_setting = naming("staging_path")


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
        writing.make_private_folder(folder)
        with writing.write_whole(f"{folder}/{MANIFEST}") as file:
            file.write(seal(load.to_json()))

    @_names_its_setting
    def write_partition(self, load_id: str, partition: int, records: Sequence[Record]) -> StagedPartition:
        """Stage the records of one partition, in the order given."""
        path = self.partition_path(load_id, partition)
        with writing.write_whole(path) as file:
            checksum = staged_file.write(file, records)
        return StagedPartition(path, len(records), checksum)

    @_names_its_setting
    def write_refs(self, load_id: str, refs: Iterable[PartitionRef]) -> None:
        """Keep the references beside the partitions, for whoever closes the load."""
        with writing.write_whole(f"{self.folder(load_id)}/{REFS}") as file:
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
                f"the list of partitions of load {load_id} at {shown(path)} is not what was staged. {AGAIN}"
            ) from None

    @_names_its_setting
    def remove(self, load_id: str) -> None:
        """Remove all that is staged of a load; what is not there needs no removing."""
        writing.remove_folder(self.folder(load_id))

    @_names_its_setting
    def is_complete(self, load_id: str) -> bool:
        """Whether all partitions of the load are staged."""
        return reading.exists(f"{self.folder(load_id)}/{REFS}")

    def begun_at(self, load_id: str) -> datetime | None:
        """When the first partition of the load was about to be staged, UTC; ``None``: none was."""
        try:
            return reading.written_at(f"{self.folder(load_id)}/{MANIFEST}")
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
        return [name for name in reading.names_in(self.base_path) if _LOAD_ID.fullmatch(name)]

    def _staged_before(self, load_id: str, moment: datetime, now: datetime) -> bool:
        folder = self.folder(load_id)
        try:
            return manifest_at(folder).created_at < moment
        except OSError:
            return False
        except NO_MANIFEST:
            return reading.written_at(f"{folder}/{MANIFEST}") < min(moment, now - _UNREADABLE_FOR)
