"""Takes a person's rows out of what is staged; the other rows of a load can be sent as before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.files import paths, reading, writing
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_partition
from airflow_sf_dedup.staging.rewritten import Rewritten, read_rewritten, write_rewritten
from airflow_sf_dedup.staging.sweeping import at_work, sweep


@dataclass(frozen=True, slots=True)
class StagedRow:
    """A row that was staged and is no more."""

    load_id: str
    partition: int
    row_number: int


@dataclass
class StagedErasure:
    """One erasure from one area.

    :param is_wanted: tells the rows that have to go.
    :param sobject: restricts it to loads of that sObject, as ``external_id_field`` to those of that field.
    """

    area: StagingArea
    is_wanted: Callable[[Record], bool]
    sobject: str | None = None
    external_id_field: str | None = None
    #: What was erased.
    rows: list[StagedRow] = field(default_factory=list)
    #: Loads that are being staged: their rows are where nobody can look for them. Erase again when they are staged.
    at_work: list[str] = field(default_factory=list)
    #: What was removed as a whole, in words: it is not what was staged, so that nobody can tell whose rows it holds.
    removed: list[str] = field(default_factory=list)

    def carry_out(self, *, now: datetime) -> None:
        """Write every partition anew that holds wanted rows, without them.

        :raises SettingError: the area cannot be read or written.
        :raises FileUnreachableError: likewise, for a reason that may pass.
        """
        sweep(self.area, now=now)
        self.at_work = sorted(at_work(self.area))
        for load_id in self.area.load_ids():
            if load_id not in self.at_work and self.area.is_complete(load_id):
                self._erase_from_load(load_id)

    def _erase_from_load(self, load_id: str) -> None:
        _remove_unfinished(self.area.folder(load_id))
        try:
            refs = self.area.read_refs(load_id)
        except StagingError:
            self.area.remove(load_id)
            self.removed.append(f"load {load_id}")
            return
        for ref in filter(self._is_asked, refs):
            self._erase_from_partition(ref)

    def _is_asked(self, ref: PartitionRef) -> bool:
        asked = ((self.sobject, ref.sobject), (self.external_id_field, ref.external_id_field))
        return all(name is None or name.lower() == found.lower() for name, found in asked)

    def _erase_from_partition(self, ref: PartitionRef) -> None:
        try:
            wanted = {record.row_number for record in read_partition(ref) if self.is_wanted(record)}
            if wanted:
                self._rewrite(ref, [record for record in read_partition(ref) if record.row_number not in wanted])
        except StagingError:
            if reading.exists(ref.path):
                writing.remove(ref.path)
                self.removed.append(f"partition {ref.partition} of load {ref.load_id}")
            return
        self.rows += [StagedRow(ref.load_id, ref.partition, number) for number in sorted(wanted)]

    def _rewrite(self, ref: PartitionRef, kept: list[Record]) -> None:
        folder = self.area.folder(ref.load_id)
        before = read_rewritten(folder)
        staged = self.area.write_partition(ref.load_id, ref.partition, kept)
        write_rewritten(folder, {**before, ref.partition: Rewritten(ref.partition, staged.rows, staged.checksum)})


def _remove_unfinished(folder: str) -> None:
    """Files that an earlier erasure was writing when it was killed."""
    here = paths.local(folder)
    for file in here.glob(f"{writing.UNFINISHED}*.*") if here else ():
        file.unlink(missing_ok=True)
