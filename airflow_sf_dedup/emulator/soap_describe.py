"""``describeSObject``: the same facts as REST's describe, as elements."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from airflow_sf_dedup.emulator.describe import describe_sobject
from airflow_sf_dedup.emulator.schema import Schema, Sobject
from airflow_sf_dedup.emulator.soap_shapes import element

#: Facts that only REST knows.
_REST_ONLY = frozenset({"urls", "actionOverrides", "namedLayoutInfos", "supportedScopes", "listviewable"})
_ABSENT_WHEN_NULL: tuple[Any, ...] = (None, [], {})


@lru_cache(maxsize=256)
def describe_result(schema: Schema, sobject: Sobject) -> str:
    return f"<result>{_facts(describe_sobject(schema, sobject, ''))}</result>"


def _facts(facts: dict[str, Any]) -> str:
    return "".join(_fact(name, value) for name, value in sorted(facts.items()) if name not in _REST_ONLY)


def _fact(name: str, value: Any) -> str:
    if value in _ABSENT_WHEN_NULL:
        return ""
    if isinstance(value, list):
        return "".join(_fact(name, each) for each in value)
    return f"<{name}>{_facts(value)}</{name}>" if isinstance(value, dict) else element(name, value)
