"""Is a setting of the kind that it must be? Each question answers with the value itself, or names the setting."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from airflow_sf_dedup.errors import SettingError


def check_choice(setting: str, value: Any, known: Iterable[str]) -> str:
    """One of several words.

    :raises SettingError: it is none of them; names them all.
    """
    choices = tuple(str(choice) for choice in known)
    if isinstance(value, str) and value in choices:
        return value
    raise SettingError(f"{setting}={value!r} is not known; it may be {', '.join(map(repr, choices))}", setting=setting)


def check_flag(setting: str, value: Any) -> bool:
    """Yes or no. A text is neither: ``"False"`` would count as true.

    :raises SettingError: it is neither True nor False.
    """
    if isinstance(value, bool):
        return value
    raise SettingError(f"{setting}={value!r} is neither True nor False", setting=setting)


def check_text(setting: str, value: Any) -> str:
    """A text that says something.

    :raises SettingError: it is no text, or blank.
    """
    if isinstance(value, str) and value.strip():
        return value
    raise SettingError(f"{setting}: expected a text, got {value!r}", setting=setting)


def check_column(setting: str, value: Any) -> str | None:
    """The name of a column of the source, or ``None``.

    :raises SettingError: it is no text, or blank.
    """
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise SettingError(f"{setting}: expected the name of a source column, got {value!r}", setting=setting)


def check_names(setting: str, value: Any) -> Collection[str]:
    """A list of field names.

    :raises SettingError: it is one name alone, or no list of texts.
    """
    names: Collection[Any] = value if isinstance(value, Collection) else ()
    is_list = value is names and not isinstance(value, str | bytes | Mapping)
    if is_list and all(isinstance(name, str) and name.strip() for name in names):
        return names
    raise SettingError(f"{setting}: expected a list of field names, got {value!r}", setting=setting)
