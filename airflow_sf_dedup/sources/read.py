"""Which source does a user mean by this value?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.formats import file_source
from airflow_sf_dedup.sources.rows import RowsSource

_FILE_OPTIONS = ("path", "format", "encoding", "delimiter", "blank_means")


def source_of(value: Any) -> Source:
    """The source that a parameter stands for.

    :param value: rows (a list or any iterable of mappings), a path or URL, a mapping of file options such
        as ``{"path": …, "encoding": …}``, or a source.
    :raises SettingError: it is none of these.
    """
    if isinstance(value, Source):
        return value
    if isinstance(value, str | os.PathLike):
        return file_source(value)
    if isinstance(value, Mapping):
        return _from_options(value)
    # A data frame iterates over its column names, which would be no rows at all.
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray) and not _is_frame(value):
        return RowsSource(value)
    hint = ': pass df.to_dict("records")' if _is_frame(value) else ""
    raise SettingError(
        f"source: expected a list of rows, a path, a URL or {{'path': …}}, got {type(value).__name__}{hint}",
        setting="source",
    )


def _from_options(options: Mapping[str, Any]) -> Source:
    if "path" not in options:
        raise SettingError("source: a mapping needs 'path'; a single row goes into a list, [row]", setting="source")
    unknown = [str(name) for name in options if name not in _FILE_OPTIONS]
    if unknown:
        raise SettingError(
            f"source: unknown {listed(unknown, say=_with_nearest)}; known are {', '.join(_FILE_OPTIONS)}",
            setting="source",
        )
    return file_source(**options)


def _with_nearest(name: str) -> str:
    return f"{shown(name)}{nearest(name, _FILE_OPTIONS)}"


def _is_frame(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "columns")
