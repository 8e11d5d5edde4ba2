"""Sorts a stream of records into compartments on disk, so that memory holds one compartment at a time."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.files import writing

#: Bytes kept in memory over all compartments. Files are opened only to append: a worker may have as few
#: as 1,024 file handles, and there may be as many compartments.
_BUFFERED = 8 << 20

#: A compartment's number, and its records.
Compartment = tuple[int, list[Record]]

_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(Record).decode_lines


class Spool:
    """Compartments of records, numbered from 0, in files (0600) of a folder that nobody else writes to.

    :param folder: is made, with what leads to it, for the owner only.
    """

    def __init__(self, folder: Path, compartments: int) -> None:
        self.folder = folder
        writing.make_private_folder(str(folder))
        self._buffers = [bytearray() for _ in range(compartments)]
        self._digests = [blake2b(digest_size=16) for _ in range(compartments)]
        self._rows = [0] * compartments
        self._buffered = 0

    def add(self, compartment: int, record: Record) -> None:
        """Append a record to a compartment."""
        line = _encode(record)
        buffer = self._buffers[compartment]
        buffer += line
        buffer += b"\n"
        self._rows[compartment] += 1
        self._buffered += len(line)
        if self._buffered > _BUFFERED:
            self._flush()

    def compartments(self) -> Iterator[Compartment]:
        """Number and records of each compartment that has any, in the order they were added.

        :raises StagingError: a file is gone or is not what was written.
        """
        self._flush()
        for compartment, rows in enumerate(self._rows):
            if rows:
                yield compartment, _decode_lines(self._read(compartment))

    def _read(self, compartment: int) -> bytes:
        file = self._file(compartment)
        content = file.read_bytes() if file.exists() else b""
        file.unlink(missing_ok=True)
        if blake2b(content, digest_size=16).digest() != self._digests[compartment].digest():
            raise StagingError(
                f"{file}, where rows waited to be staged, was changed or removed; nothing was sent. "
                "Clear the task, so that the source is read again."
            )
        return content

    def _flush(self) -> None:
        for compartment, buffer in enumerate(self._buffers):
            if buffer:
                self._digests[compartment].update(buffer)
                writing.append_private(self._file(compartment), buffer)
                buffer.clear()
        self._buffered = 0

    def _file(self, compartment: int) -> Path:
        return self.folder / f"{compartment:05d}"
