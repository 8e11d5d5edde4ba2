"""Which setting named a place where rows cannot be kept?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.files.file_errors import FileRefusedError


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Name the setting whose place turns out to be none that rows can be kept in.

    :raises SettingError: in place of a :class:`~airflow_sf_dedup.files.file_errors.FileRefusedError`.
    """
    try:
        yield
    except FileRefusedError as refused:
        raise named(setting, refused) from None


def named(setting: str, refused: FileRefusedError) -> SettingError:
    """The error in which a person finds the setting to change."""
    return SettingError(f"{setting}: {refused}", setting=setting)
