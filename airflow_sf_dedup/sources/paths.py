"""Opens, writes and removes files by path or URL.

A plain path and ``file://`` are the standard library's business. Every other URL goes through
Airflow's ``ObjectStoragePath``, imported only then, with the connection that the URL names
(``s3://my_conn@bucket/key``).
"""

from __future__ import annotations

import io
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from airflow_sf_dedup.errors import SourceError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

#: What to say of a path where a file is expected.
IS_A_FOLDER = "it is a folder, not a file; name one file"

#: Before the name of a local file that is being written.
UNFINISHED = "."

#: Times that a folder is made whose parent is removed meanwhile.
_MOST_ATTEMPTS = 10

#: Bytes fetched at a time; object stores charge and wait per request.
_BLOCK = 1 << 20


def local(path: str) -> Path | None:
    """The local file that a path or ``file://`` URL names, ``None`` for any other URL."""
    if not _URL.match(path):
        return Path(path).expanduser()
    parts = urlsplit(path)
    if parts.scheme.lower() == "file" and parts.hostname in (None, "localhost"):
        return Path(unquote(parts.path))
    return None


def shown(path: str) -> str:
    """A path as it may stand in a message: without password, signature or any other query."""
    if local(path) is not None:
        return path
    parts = urlsplit(path)
    user, _, host = parts.netloc.rpartition("@")
    at = f"{user.partition(':')[0]}@" if user else ""
    return f"{parts.scheme}://{at}{host}{parts.path}"


def absolute(path: str) -> str:
    """A path that names the same file in whatever folder a task runs."""
    here = local(path)
    return path if here is None else str(here.absolute())


def airflow_home() -> Path:
    """Airflow's own folder: ``AIRFLOW_HOME``, by default ``~/airflow``."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()


def is_folder(path: str) -> bool:
    """Whether a path names a folder; of a URL only its spelling is looked at."""
    here = local(path)
    return urlsplit(path).path.endswith("/") if here is None else os.path.isdir(here)  # noqa: PTH112 - never raises


def remote(path: str) -> ObjectStoragePath:
    """The object that a URL names.

    :raises SourceError: no installed package can reach URLs of that kind.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        found = ObjectStoragePath(path)
        _ = found.fs
    except (ImportError, ValueError) as error:
        scheme = urlsplit(path).scheme
        raise SourceError(
            f"{shown(path)}: URLs of the kind {scheme!r} cannot be opened here ({type(error).__name__}); "
            "install the Airflow provider or fsspec package for it",
            setting="path",
        ) from error
    return found


def open_binary(path: str) -> BinaryIO:
    """Open for reading.

    :raises OSError: it is not there or may not be read.
    """
    here = local(path)
    if here is not None:
        return here.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Remote(_opened(path, "rb")), _BLOCK))


def _opened(path: str, mode: str) -> Any:
    found: Any = remote(path)
    return found.open(mode)


def exists(path: str) -> bool:
    """Whether a file is there."""
    here: Any = local(path) or remote(path)
    return bool(here.exists())


def written_at(path: str) -> datetime:
    """When a file was written last, UTC.

    :raises OSError: it is not there.
    """
    here: Any = local(path) or remote(path)
    return datetime.fromtimestamp(here.stat().st_mtime, UTC)


def remove(path: str) -> None:
    """Remove a file; one that is not there needs no removing."""
    here: Any = local(path) or remote(path)
    with suppress(FileNotFoundError):
        here.unlink()


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
        self._handle = self._open()
        return self

    def write(self, content: bytes) -> None:
        """Append bytes."""
        self._handle.write(content)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._here is None:
            _close_remote(self._handle, abandon=kind is not None)
            return
        self._handle.close()
        if kind is None:
            self._beside.replace(self._here)
        else:
            self._beside.unlink(missing_ok=True)

    @property
    def _beside(self) -> Path:
        assert self._here is not None  # noqa: S101
        return self._here.with_name(f"{UNFINISHED}{self._here.name}.{os.getpid()}")

    def _open(self) -> Any:
        if self._here is None:
            return _opened(self._path, "wb")
        return create_private(self._beside)


def create_private(path: Path) -> BinaryIO:
    """A new local file, or an emptied one, for the owner's eyes only (0600)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb", buffering=_BLOCK)


def append_private(path: Path) -> BinaryIO:
    """A local file to write on at its end, for the owner's eyes only (0600)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "ab")


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
    for _ in range(_MOST_ATTEMPTS):
        missing = [folder for folder in reversed((here, *here.parents)) if not folder.exists()]
        # Another process may remove a folder that was empty just now.
        with suppress(FileNotFoundError):
            for folder in missing:
                folder.mkdir(mode=0o700, exist_ok=True)
            return missing
    raise FileNotFoundError(f"{here}: its parent folder does not stay")


class _Remote(io.RawIOBase):
    """Airflow's file wrapper as the raw stream that ``io`` builds buffers and text on."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._handle.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._handle.close()
        super().close()
