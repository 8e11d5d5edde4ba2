"""Checks what a Dag file spells out, when it is parsed; a template has to wait for its run."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.policies import Chain, Policy, read_policy


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
