"""Checks what a Dag file spells out, when it is parsed; a template has to wait for its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.core.numeric_settings import check_numbers
from airflow_sf_dedup.policies import Chain, Policy, read_policy


def check_literals(given: Mapping[str, Any]) -> None:
    """Read what a Dag file spells out of an operator's parameters.

    :param given: by name; parameters that are not checked here may be among them.
    :raises SettingError: a number or the policy cannot be what it says.
    """
    check_numbers(given)
    if "on_duplicate" in given:
        check_spelling(given["on_duplicate"])


def check_spelling(on_duplicate: Any) -> None:
    """Read a policy that stands in the Dag file.

    :raises SettingError: it cannot be read; the message says what can.
    """
    if _is_spelt_out(on_duplicate):
        read_policy(on_duplicate)


def _is_spelt_out(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, list | tuple):
        return all(map(_is_spelt_out, value))
    return isinstance(value, dict | Chain | Policy)
