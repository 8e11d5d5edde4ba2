"""An org file that begins with another one: ``extends: default``, and then only what differs.

Mappings are merged name by name (sobjects, their fields, duplicate rules, quirks …), and a name that is null is left
out. Users and clients are merged by their name, new ones stand after those that were there. Records to start with are
added to those that were there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_sf_dedup.emulator.errors import OrgFileError

Settings = Mapping[str, Any]
#: Lists whose entries have a name of their own.
_NAMED_BY = {"users": "username", "clients": "client_id"}


def extended(base: Settings, own: Settings) -> dict[str, Any]:
    """``base`` with what ``own`` says differently."""
    merged = dict(base)
    for name, value in own.items():
        setting = str(name)
        if setting in _NAMED_BY:
            merged[setting] = _merged_entries(base.get(setting), value, setting)
        elif setting == "records":
            merged[setting] = _added_records(base.get(setting), value)
        else:
            merged[setting] = _merged(base.get(setting), value)
    return merged


def with_whole_paths(settings: Settings, folder: Path) -> dict[str, Any]:
    """With the files that it names found from ``folder``, so that they can be named from elsewhere."""
    whole = dict(settings)
    if isinstance(records := settings.get("records"), Mapping):
        whole["records"] = {name: _whole(source, folder) for name, source in records.items()}
    if isinstance(clients := settings.get("clients"), list):
        whole["clients"] = [_with_whole_key(each, folder) for each in clients]
    return whole


def _whole(source: Any, folder: Path) -> Any:
    if isinstance(source, list):
        return [_whole(each, folder) for each in source]
    return str(folder.absolute() / source) if isinstance(source, str) else source


def _with_whole_key(client: Any, folder: Path) -> Any:
    if not isinstance(client, Mapping) or not isinstance(client.get("public_key_file"), str):
        return client
    return {**client, "public_key_file": _whole(client["public_key_file"], folder)}


def _merged(base: Any, own: Any) -> Any:
    if not isinstance(own, Mapping) or not isinstance(base, Mapping):
        return own
    merged = {**base, **{name: _merged(base.get(name), value) for name, value in own.items()}}
    return {name: value for name, value in merged.items() if value is not None}


def _merged_entries(base: Any, own: Any, setting: str) -> Any:
    name = _NAMED_BY[setting]
    if not isinstance(own, list) or not all(isinstance(each, Mapping) and name in each for each in own):
        raise OrgFileError(setting, f"should be a list of mappings, each with {name}")
    entries = {each[name]: dict(each) for each in base or []}
    for each in own:
        entries[each[name]] = {**entries.get(each[name], {}), **each}
    return list(entries.values())


def _added_records(base: Any, own: Any) -> Any:
    if not isinstance(own, Mapping):
        return own
    added = {name: list(_as_list(source)) for name, source in (base or {}).items()}
    for name, source in own.items():
        added[name] = [*added.get(name, []), *_as_list(source)]
    return added


def _as_list(source: Any) -> list[Any]:
    return source if isinstance(source, list) else [source]
