"""Which reader does a file need? Chosen by its name, or by ``format``."""

from __future__ import annotations

import os
from typing import Any, Literal
from urllib.parse import urlsplit

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.files.file_errors import IS_A_FOLDER
from airflow_sf_dedup.files.paths import is_folder, local
from airflow_sf_dedup.sources.csv_file import CsvFile
from airflow_sf_dedup.sources.ndjson_file import NdjsonFile
from airflow_sf_dedup.sources.text import TextFile

#: Ending of a file's name, without ``.gz``, to format.
FORMATS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


def file_source(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    encoding: str = "utf-8",
    delimiter: str = ",",
    blank_means: Literal["absent", "null"] = "absent",
) -> CsvFile | NdjsonFile:
    """The source for a file.

    :param path: local path, ``file://`` or any URL that ``ObjectStoragePath`` opens.
    :param format: ``csv`` or ``ndjson``; by default the path's ending says it.
    :param encoding: of the text; a byte order mark is dropped.
    :param delimiter: between the cells of a CSV file.
    :param blank_means: what a blank CSV cell does to its field, ``absent``: nothing, ``null``: clear it.
    :raises SettingError: an option is unusable, or the path is a folder. The file is not opened yet.
    """
    location = _location(path)
    text = TextFile(location, encoding)
    if _format(location, format) == "ndjson":
        return NdjsonFile(text)
    return CsvFile(text, delimiter, blank_means)


def _location(path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise SourceError(f"path: expected a path or URL, got {type(path).__name__}", setting="path")
    if not str(path).strip():
        raise SourceError("path: it is blank; name a file", setting="path")
    return str(path)


def _format(path: str, asked: str | None) -> str:
    found = asked if asked is not None else FORMATS.get(_ending(path), "")
    if asked is None and not found and is_folder(path):
        raise SourceError(f"{shown(path)}: {IS_A_FOLDER}", setting="path")
    if found not in FORMATS.values():
        what = f"format {asked!r}" if asked is not None else "the ending of its name"
        raise SourceError(
            f"{shown(path)}: {what} is not supported; expected {', '.join(FORMATS)}, each also with .gz, "
            "or set format to csv or ndjson",
            setting="format",
        )
    return found


def _ending(path: str) -> str:
    name = path.lower() if local(path) is not None else urlsplit(path).path.lower()
    return os.path.splitext(name.removesuffix(".gz"))[1]  # noqa: PTH122
