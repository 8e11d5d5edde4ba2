"""Checks what a Dag file spells out, when it is parsed; a template has to wait for its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from airflow_sf_dedup.core.partitioning import check_partitions
from airflow_sf_dedup.core.repeats import check_on_repeat
from airflow_sf_dedup.core.setting_values import check_column, check_flag
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.limits import CallLimits
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.operators.mapping import most_partitions
from airflow_sf_dedup.policies import Chain, Policy

#: Seconds.
_A_YEAR = 31_536_000

_WRITE = frozenset(each.name for each in fields(WriteSettings)) - {"limits"}
_LIMITS = frozenset(each.name for each in fields(CallLimits))


class SpellingChecked:
    """Mixed into an operator, checks what ``.partial()`` is given when the Dag is parsed, not when the task runs."""

    @classmethod
    def partial(cls, **settings: Any) -> Any:
        """As Airflow has it.

        :raises SettingError: as :func:`check_spelling`.
        """
        check_spelling(settings)
        return super().partial(**settings)  # type: ignore[misc]


def check_spelling(settings: Mapping[str, Any]) -> None:
    """Read the parameters of a partition or upsert task that stand in the Dag file.

    :param settings: any of them, by name; what is a template, or comes from another task, is passed over.
    :raises SettingError: one cannot be read; the message names it and says what can.
    """
    spelt = {name: value for name, value in settings.items() if _is_literal(name, value)}
    write_settings_of(spelt).check()
    for name, check in _CHECKS.items():
        if name in spelt:
            check(spelt[name])


def write_settings_of(settings: Mapping[str, Any]) -> WriteSettings:
    """The write settings among an operator's parameters; not checked."""
    limits = CallLimits(**{name: value for name, value in settings.items() if name in _LIMITS})
    return WriteSettings(**{name: value for name, value in settings.items() if name in _WRITE}, limits=limits)


def check_claim_timeout(value: Any) -> float:
    """Seconds that a task waits for keys.

    :raises SettingError: it is no number of seconds from 0 to a year.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _A_YEAR:
        raise SettingError(f"claim_timeout={value!r} is not a number of seconds", setting="claim_timeout")
    return value


def is_spelt_out(value: Any) -> bool:
    """Whether a value that may be a template stands there as it will be."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(map(is_spelt_out, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_spelt_out, value))
    return value is None or isinstance(value, int | float | Chain | Policy)


#: Rendered when the task runs; all other parameters are what they are.
_TEMPLATED = frozenset({"on_duplicate", "group_by", "newer_than"})


def _check_max_failed(value: Any) -> None:
    from airflow_sf_dedup.journeys.collect import Thresholds

    Thresholds(max_failed=value)


_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "partitions": lambda value: check_partitions(value, most=most_partitions()),
    "on_repeat": check_on_repeat,
    "newer_than": lambda value: check_column("newer_than", value),
    "group_by": lambda value: check_column("group_by", value),
    "allow_non_unique_key": lambda value: check_flag("allow_non_unique_key", value),
    "claim_timeout": check_claim_timeout,
    "max_failed": _check_max_failed,
}


def _is_literal(name: str, value: Any) -> bool:
    return name not in _TEMPLATED or is_spelt_out(value)
