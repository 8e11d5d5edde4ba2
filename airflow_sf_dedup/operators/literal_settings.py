"""Checks what a Dag file spells out, when it is parsed; a template has to wait for its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from airflow_sf_dedup.core.numeric_settings import check_numbers
from airflow_sf_dedup.core.partitioning import check_partitions
from airflow_sf_dedup.core.repeats import check_on_repeat
from airflow_sf_dedup.core.setting_values import check_column, check_flag
from airflow_sf_dedup.core.twins import read_twin_fields
from airflow_sf_dedup.journeys.limits import CallLimits
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.operators.mapping import most_partitions
from airflow_sf_dedup.policies import Policy

_WRITE = frozenset(each.name for each in fields(WriteSettings)) - {"limits"}
_LIMITS = frozenset(each.name for each in fields(CallLimits))


def check_literals(given: Mapping[str, Any]) -> None:
    """Read what a Dag file spells out of an operator's parameters.

    :param given: by name; what is a template, or comes from another task, is passed over, as are parameters that
        are not checked here.
    :raises SettingError: one cannot be what it says; the message names it and says what it may be.
    """
    spelt = {name: value for name, value in given.items() if _is_literal(name, value)}
    for name, check in _CHECKS.items():
        if name in spelt:
            check(spelt[name])
    check_numbers(spelt)
    write_settings_of(spelt).check()


def write_settings_of(settings: Mapping[str, Any]) -> WriteSettings:
    """The write settings among an operator's parameters; not checked."""
    limits = CallLimits(**{name: value for name, value in settings.items() if name in _LIMITS})
    return WriteSettings(**{name: value for name, value in settings.items() if name in _WRITE}, limits=limits)


def is_spelt_out(value: Any) -> bool:
    """Whether a value that may be a template stands there as it will be."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(map(is_spelt_out, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_spelt_out, value))
    return value is None or isinstance(value, int | float | Policy)


#: Rendered when the task runs; all other parameters are what they are.
_TEMPLATED = frozenset({"on_duplicate", "group_by", "newer_than"})


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "partitions": lambda value: check_partitions(value, most=most_partitions()),
    "on_repeat": check_on_repeat,
    "newer_than": lambda value: check_column("newer_than", value),
    "group_by": lambda value: check_column("group_by", value),
    "twin_fields": read_twin_fields,
    "allow_non_unique_key": lambda value: check_flag("allow_non_unique_key", value),
}


def _is_literal(name: str, value: Any) -> bool:
    return name not in _TEMPLATED or is_spelt_out(value)
