"""Which source does a user mean by this value?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.formats import FORMATS, FileFormat, file_source, options_of
from airflow_sf_dedup.sources.renamed import RenamedColumns
from airflow_sf_dedup.sources.rows import RowsSource


def source_of(value: Any, *, formats: Mapping[str, FileFormat] = FORMATS) -> Source:
    """The source that a parameter stands for.

    :param value: rows (a list or any iterable of mappings), a path or URL, a mapping of file options such
        as ``{"path": …, "encoding": …}``, or a source.
    :param formats: the formats of files there are.
    :raises SettingError: it is none of these.
    """
    if isinstance(value, Source):
        return value
    if isinstance(value, str | os.PathLike):
        return file_source(value, formats=formats)
    if isinstance(value, Mapping):
        return _from_options(value, formats)
    # A data frame iterates over its column names, which would be no rows at all.
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray) and not _is_frame(value):
        return RowsSource(value)
    hint = ': pass df.to_dict("records")' if _is_frame(value) else ""
    raise SettingError(
        f"source: expected a list of rows, a path, a URL or {{'path': …}}, got {type(value).__name__}{hint}",
        setting="source",
    )


def _from_options(options: Mapping[str, Any], formats: Mapping[str, FileFormat]) -> Source:
    if "path" not in options:
        raise SettingError("source: a mapping needs 'path'; a single row goes into a list, [row]", setting="source")
    known = ("path", "format", "rename", *options_of(formats))
    unknown = [str(name) for name in options if name not in known]
    if unknown:
        names = listed(unknown, say=lambda name: f"{shown(name)}{nearest(name, known)}")
        raise SettingError(f"source: unknown {names}; known are {', '.join(known)}", setting="source")
    of_file = {name: option for name, option in options.items() if name != "rename"}
    rename = options.get("rename")
    source = file_source(**of_file, formats=formats)
    return source if rename is None else RenamedColumns(source, rename)


def _is_frame(value: Any) -> bool:
    return hasattr(value, "to_dict") and hasattr(value, "columns")
