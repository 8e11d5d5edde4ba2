"""What does a task find where its reference leads? Just what was staged, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.files import reading
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.files.file_errors import FileRefusedError
from airflow_sf_dedup.staging import staged_file
from airflow_sf_dedup.staging.area import AGAIN
from airflow_sf_dedup.staging.rewritten import ERASED, read_rewritten
from airflow_sf_dedup.staging.settings import named
from airflow_sf_dedup.staging.staged_load import MANIFEST, NO_MANIFEST, StagedLoad, manifest_at


def read_partition(ref: PartitionRef) -> Iterator[Record]:
    """The staged records, as a stream of which each row is verified before it is handed on.

    :raises StagingError: the file is gone, or is not what was staged from here on.
    :raises SettingError: it is there, and may not be read.
    """
    with _told_of(ref):
        try:
            now = read_rewritten(_folder(ref)).get(ref.partition)
            checksum, rows = (ref.checksum, ref.rows) if now is None else (now.checksum, now.rows)
            with reading.open_binary(ref.path) as file:
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
            return manifest_at(_folder(ref))
        except NO_MANIFEST:
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
        raise named("staging_path", refused) from None


def _folder(ref: PartitionRef) -> str:
    return ref.path.rsplit("/", 1)[0]


def _gone(ref: PartitionRef) -> str:
    return (
        f"partition {ref.partition} of load {ref.load_id} is not at {shown(ref.path)}: it was removed, or "
        f"staging_path cannot be reached from this worker. {AGAIN}"
    )


def _changed(ref: PartitionRef, what: str) -> str:
    return (
        f"partition {ref.partition} of load {ref.load_id} at {shown(ref.path)} is not what was staged: {what}. {AGAIN}"
    )
