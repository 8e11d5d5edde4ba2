"""Opens, writes and removes files by path or URL.

A plain path and ``file://`` are the standard library's business. Every other URL goes through
Airflow's ``ObjectStoragePath``, imported only then, with the connection that the URL names
(``s3://my_conn@bucket/key``).

Whatever goes wrong is raised in our own words: see :mod:`airflow_sf_dedup.files.file_errors`.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_sf_dedup.files.addresses import has_password, without_secrets
from airflow_sf_dedup.files.addresses import shown as shown
from airflow_sf_dedup.files.file_errors import FileRefusedError, own_words

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")

#: Before the name of a local file that is being written.
UNFINISHED = "."

#: Times that a folder is made whose parent is removed meanwhile.
_MOST_ATTEMPTS = 10

#: Bytes fetched at a time; object stores charge and wait per request.
_BLOCK = 1 << 20


def local(path: str) -> Path | None:
    """The local file that a path or ``file://`` URL names, ``None`` for any other URL.

    :raises FileRefusedError: it is neither a path nor a URL.
    """
    if not _URL.match(path):
        return _as_path(path, path)
    parts = _parts(path)
    if parts.scheme == "file" and parts.hostname in (None, "localhost"):
        return _as_path(unquote(parts.path), path)
    return None


def _as_path(name: str, path: str) -> Path:
    """The local file of that name.

    :param path: as it was given.
    """
    try:
        usable = b"\0" not in os.fsencode(name)
        here = Path(name).expanduser()
    except UnicodeEncodeError:
        usable = False
    except RuntimeError:
        raise FileRefusedError(path, "begins with ~, and that user has no home folder here") from None
    if not usable:
        raise FileRefusedError(path, "has a NUL or half a character in it, as no name of a file can")
    return here


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise FileRefusedError(url, "is no URL") from None


def absolute_folder(path: str) -> str:
    """A folder's path that names the same one in whatever folder a task runs, without a slash at its end.

    :raises FileRefusedError: it names none, or holds a password or a query, which would be stored with what is in it.
    """
    here = local(path)
    if here is not None:
        return str(here.absolute()).rstrip("/")
    _check_url(path)
    if without_secrets(path) != path:
        raise FileRefusedError(path, "a folder has no query; keep key and signature in an Airflow connection")
    return path.rstrip("/")


def _check_url(url: str) -> None:
    parts = _parts(url)
    if not parts.netloc and not parts.path.strip("/"):
        raise FileRefusedError(url, "names no bucket, host or folder")
    if has_password(url):
        raise FileRefusedError(
            url,
            "before the @ stands the id of an Airflow connection and nothing else; keep key and password in that "
            "connection",
        )


def airflow_home() -> Path:
    """Airflow's own folder: ``AIRFLOW_HOME``, by default ``~/airflow``."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()


def is_folder(path: str) -> bool:
    """Whether a path names a folder; of a URL only its spelling is looked at."""
    here = local(path)
    return _parts(path).path.endswith("/") if here is None else os.path.isdir(here)  # noqa: PTH112 - never raises


def remote(path: str) -> ObjectStoragePath:
    """The object that a URL names.

    :raises FileRefusedError: it names none, or no installed package can reach URLs of that kind.
    """
    from airflow.sdk import ObjectStoragePath

    _check_url(path)
    with own_words(path):
        try:
            found = ObjectStoragePath(path)
            _ = found.fs
        except (ImportError, ValueError) as error:
            raise FileRefusedError(
                path,
                f"URLs of the kind {_parts(path).scheme!r} cannot be opened here ({type(error).__name__}); "
                "install the Airflow provider or fsspec package for it",
            ) from None
    return found


def open_binary(path: str) -> BinaryIO:
    """Open for reading.

    :raises FileRefusedError: it is not there or may not be read; as all that is read from it may.
    :raises FileUnreachableError: likewise, for a reason that may pass.
    """
    return cast(BinaryIO, io.BufferedReader(_Raw(path, _opened(path, "rb")), _BLOCK))


def _opened(path: str, mode: str) -> Any:
    here: Any = local(path) or remote(path)
    with own_words(path, done="read" if mode == "rb" else "written"):
        return here.open(mode)


def exists(path: str) -> bool:
    """Whether a file is there."""
    here: Any = local(path) or remote(path)
    with own_words(path):
        return bool(here.exists())


def written_at(path: str) -> datetime:
    """When a file was written last, UTC.

    :raises FileRefusedError: it is not there.
    """
    here: Any = local(path) or remote(path)
    with own_words(path):
        return datetime.fromtimestamp(here.stat().st_mtime, UTC)


def names_in(path: str) -> list[str]:
    """The names of what a folder holds; none where it is no folder."""
    here: Any = local(path) or remote(path)
    with own_words(path):
        return sorted(child.name for child in here.iterdir()) if here.is_dir() else []


def remove(path: str) -> None:
    """Remove a file; one that is not there needs no removing."""
    here: Any = local(path) or remote(path)
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
            return _opened(self._path, "wb")
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
