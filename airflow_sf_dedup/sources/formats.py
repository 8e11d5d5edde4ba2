"""Which reader does a file need? Chosen by its name, or by ``format``, from one table.

A new format is a file with a function that makes its source, and a line in :data:`FORMATS`: what a mapping of options
may say, and every message about formats and options, is read from there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_sf_dedup.core.wording import any_of, listed, nearest
from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.files.file_errors import IS_A_FOLDER
from airflow_sf_dedup.files.paths import is_folder, local
from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.csv_file import csv_source
from airflow_sf_dedup.sources.ndjson_file import ndjson_source


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One line of the table."""

    #: Endings of a file's name, in lower case; each may be followed by ``.gz``.
    endings: tuple[str, ...]
    #: What a mapping of options may say of such a file, beside what it may say of every file.
    options: tuple[str, ...]
    #: Makes the source of the file's path or URL and, by keyword, of those options that were given.
    #: Raises SettingError: an option is unusable.
    source: Callable[..., Source]


#: All formats, by the name that ``format`` takes.
FORMATS: Mapping[str, FileFormat] = {
    "csv": FileFormat((".csv",), ("encoding", "delimiter", "blank_means"), csv_source),
    "ndjson": FileFormat((".ndjson", ".jsonl"), ("encoding",), ndjson_source),
}


def file_source(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    formats: Mapping[str, FileFormat] = FORMATS,
    **options: Any,
) -> Source:
    """The source for a file.

    :param path: local path, ``file://`` or any URL that ``ObjectStoragePath`` opens.
    :param format: a name of ``formats``; by default the path's ending says it.
    :param formats: the formats there are.
    :param options: those of the format.
    :raises SettingError: an option is unusable or none of the format, or the path is a folder. The file is not opened
        yet.
    """
    location = _location(path)
    name = _format(location, format, formats)
    _check_options(location, name, options, formats)
    return formats[name].source(location, **options)


def options_of(formats: Mapping[str, FileFormat]) -> tuple[str, ...]:
    """What can be said of a file of one format or another."""
    return tuple(dict.fromkeys(option for each in formats.values() for option in each.options))


def _location(path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise SourceError(f"path: expected a path or URL, got {type(path).__name__}", setting="path")
    if not str(path).strip():
        raise SourceError("path: it is blank; name a file", setting="path")
    return str(path)


def _format(path: str, asked: Any, formats: Mapping[str, FileFormat]) -> str:
    """The name of the file's format."""
    if isinstance(asked, str) and asked in formats:
        return asked
    if asked is not None:
        raise _unsupported(path, f"format {asked!r} is not supported{nearest(str(asked), formats)}", formats)
    ending = _ending(path)
    found = next((name for name, each in formats.items() if ending in each.endings), None)
    if found is not None:
        return found
    if is_folder(path):
        raise SourceError(f"{shown(path)}: {IS_A_FOLDER}", setting="path")
    raise _unsupported(path, "the ending of its name is not supported", formats)


def _unsupported(path: str, what: str, formats: Mapping[str, FileFormat]) -> SourceError:
    endings = ", ".join(ending for each in formats.values() for ending in each.endings)
    return SourceError(
        f"{shown(path)}: {what}; expected {endings}, each also with .gz, or set format to {any_of(tuple(formats))}",
        setting="format",
    )


def _check_options(path: str, name: str, options: Mapping[str, Any], formats: Mapping[str, FileFormat]) -> None:
    """Refuse what the format does not take: it would do nothing, and whoever set it believes that it does."""
    taken = formats[name].options
    for option in options:
        if option not in taken:
            others = [other for other, each in formats.items() if option in each.options]
            raise SettingError(
                f"{option}: it is an option of {any_of(others)}, and {shown(path)} is read as {name}, "
                f"which takes {listed(taken) or 'no option of its own'}; remove it, or set format",
                setting=option,
            )


def _ending(path: str) -> str:
    name = path.lower() if local(path) is not None else urlsplit(path).path.lower()
    return os.path.splitext(name.removesuffix(".gz"))[1]  # noqa: PTH122
