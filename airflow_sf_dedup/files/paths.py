"""Which file or folder does a path or URL name?

A plain path and ``file://`` are the standard library's business. Every other URL goes through
Airflow's ``ObjectStoragePath``, imported only then, with the connection that the URL names
(``s3://my_conn@bucket/key``).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_sf_dedup.files.addresses import has_password, without_secrets
from airflow_sf_dedup.files.file_errors import FileRefusedError, own_words

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


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


def located(path: str) -> Any:
    """The file or folder that a path or URL names, wherever it is: both kinds of paths are asked in the same way.

    :raises FileRefusedError: it names none.
    """
    return local(path) or remote(path)
