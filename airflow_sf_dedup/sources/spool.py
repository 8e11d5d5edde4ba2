"""Sorts a stream of records into compartments on disk, so that memory holds one compartment at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from airflow_sf_dedup.core.records import Record

#: Bytes kept in memory over all compartments. Files are opened only to append: a worker may have as few
#: as 1,024 file handles, and there may be as many compartments.
_BUFFERED = 8 << 20

_encode = msgspec.json.Encoder().encode
_decode_lines = msgspec.json.Decoder(Record).decode_lines


class Spool:
    """Compartments of records, numbered from 0, below a folder only the owner can read."""

    def __init__(self, folder: Path, compartments: int) -> None:
        self.folder = folder
        self._buffers = [bytearray() for _ in range(compartments)]
        self._buffered = 0

    def add(self, compartment: int, record: Record) -> None:
        """Append a record to a compartment."""
        line = _encode(record)
        buffer = self._buffers[compartment]
        buffer += line
        buffer += b"\n"
        self._buffered += len(line)
        if self._buffered > _BUFFERED:
            self._flush()

    def compartments(self) -> Iterator[tuple[int, list[Record]]]:
        """Number and records of each compartment that has any, in the order they were added."""
        self._flush()
        for compartment in range(len(self._buffers)):
            file = self._file(compartment)
            if file.exists():
                content = file.read_bytes()
                file.unlink()
                yield compartment, _decode_lines(content)

    def _flush(self) -> None:
        for compartment, buffer in enumerate(self._buffers):
            if buffer:
                with self._file(compartment).open("ab") as file:
                    file.write(buffer)
                buffer.clear()
        self._buffered = 0

    def _file(self, compartment: int) -> Path:
        return self.folder / f"{compartment:05d}"


@contextmanager
def open_spool(compartments: int) -> Iterator[Spool]:
    """A spool in a temporary folder (mode 0700), removed in the end whatever happens."""
    with tempfile.TemporaryDirectory(prefix="sf_dedup_") as folder:
        yield Spool(Path(folder), compartments)
