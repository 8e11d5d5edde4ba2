"""Opens files by path or URL, and tells what a folder holds.

Whatever goes wrong is raised in our own words: see :mod:`airflow_sf_dedup.files.file_errors`.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from airflow_sf_dedup.files.file_errors import own_words
from airflow_sf_dedup.files.paths import located

#: Bytes fetched at a time; object stores charge and wait per request.
_BLOCK = 1 << 20


def open_binary(path: str) -> BinaryIO:
    """Open for reading.

    :raises FileRefusedError: it is not there or may not be read; as all that is read from it may.
    :raises FileUnreachableError: likewise, for a reason that may pass.
    """
    here = located(path)
    with own_words(path):
        handle = here.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Raw(path, handle), _BLOCK))


def exists(path: str) -> bool:
    """Whether a file is there."""
    here = located(path)
    with own_words(path):
        return bool(here.exists())


def written_at(path: str) -> datetime:
    """When a file was written last, UTC.

    :raises FileRefusedError: it is not there.
    """
    here = located(path)
    with own_words(path):
        return datetime.fromtimestamp(here.stat().st_mtime, UTC)


def names_in(path: str) -> list[str]:
    """The names of what a folder holds; none where it is no folder."""
    here = located(path)
    with own_words(path):
        return sorted(child.name for child in here.iterdir()) if here.is_dir() else []


class _Raw(io.RawIOBase):
    """An open file as the raw stream that ``io`` builds buffers and text on; all it raises is in our words."""

    def __init__(self, path: str, handle: Any) -> None:
        self._path = path
        self._handle = handle

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with own_words(self._path):
            content = self._handle.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            with own_words(self._path):
                self._handle.close()
        super().close()
