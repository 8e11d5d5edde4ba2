"""Writes and removes files by path or URL: a file is seen whole or not at all, a local one by its owner only.

Whatever goes wrong is raised in our own words: see :mod:`airflow_sf_dedup.files.file_errors`.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from airflow_sf_dedup.files.file_errors import own_words
from airflow_sf_dedup.files.paths import local, located, remote

#: Before the name of a local file that is being written.
UNFINISHED = "."

#: Times that a folder is made whose parent is removed meanwhile.
_MOST_ATTEMPTS = 10

#: Bytes written at a time.
_BLOCK = 1 << 20


def write_whole(path: str) -> WholeFile:
    """A file that appears under its name only when it is complete; see :class:`WholeFile`."""
    return WholeFile(path)


class WholeFile:
    """Writes a file that others see complete or not at all.

    A local one is written beside its place, for the owner's eyes only (0600), and renamed; object stores
    show an object only when it is closed.
    """

    def __init__(self, path: str) -> None:
        self._here = local(path)
        self._path = path
        self._handle: Any = None

    def __enter__(self) -> WholeFile:
        with own_words(self._path, done="written"):
            self._handle = self._open()
        return self

    def write(self, content: bytes) -> None:
        """Append bytes."""
        with own_words(self._path, done="written"):
            self._handle.write(content)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with own_words(self._path, done="written"):
            self._close(abandon=kind is not None)

    def _close(self, *, abandon: bool) -> None:
        if self._here is None:
            _close_remote(self._handle, abandon=abandon)
            return
        self._handle.close()
        if abandon:
            self._beside.unlink(missing_ok=True)
        else:
            self._beside.replace(self._here)

    @property
    def _beside(self) -> Path:
        assert self._here is not None  # noqa: S101
        return self._here.with_name(f"{UNFINISHED}{self._here.name}.{os.getpid()}")

    def _open(self) -> Any:
        if self._here is None:
            return located(self._path).open("wb")
        return create_private(self._beside)


def create_private(path: Path) -> BinaryIO:
    """A new local file, or an emptied one, for the owner's eyes only (0600)."""
    with own_words(str(path), done="written"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        return os.fdopen(descriptor, "wb", buffering=_BLOCK)


def append_private(path: Path, content: bytes | bytearray) -> None:
    """Write on at the end of a local file, for the owner's eyes only (0600)."""
    with own_words(str(path), done="written"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(content)


def _close_remote(handle: Any, *, abandon: bool) -> None:
    """Close, which uploads; an abandoned upload is discarded where the store can do that."""
    if abandon and callable(getattr(handle, "discard", None)):
        handle.discard()
        return
    handle.close()


def make_private_folder(path: str) -> list[Path]:
    """Make a folder and what leads to it, each readable by the owner only; object stores need none.

    :returns: the folders that were made, outermost first.
    """
    here = local(path)
    if here is None:
        return []
    with own_words(path, done="made"):
        return _make_folders((*reversed(here.parents), here))


def _make_folders(folders: Sequence[Path]) -> list[Path]:
    """Make those that are missing, outermost first, and answer them."""
    for _ in range(_MOST_ATTEMPTS):
        missing = [folder for folder in folders if not folder.exists()]
        # Another process may remove a folder that was empty just now.
        with suppress(FileNotFoundError):
            for folder in missing:
                folder.mkdir(mode=0o700, exist_ok=True)
            return missing
    raise FileNotFoundError(errno.ENOENT, "the parent folder does not stay")


def remove(path: str) -> None:
    """Remove a file; one that is not there needs no removing."""
    here = located(path)
    with suppress(FileNotFoundError), own_words(path, done="removed"):
        here.unlink()


def remove_folder(path: str) -> None:
    """Remove a folder and all that it holds; one that is not there needs no removing."""
    here = local(path)
    with own_words(path, done="removed"):
        if here is None:
            there: Any = remote(path)
            if there.exists():
                there.fs.rm(there.path, recursive=True)
            return
        try:
            shutil.rmtree(here)
        except FileNotFoundError:
            # Not there, or another task is removing the same old load.
            shutil.rmtree(here, ignore_errors=True)
