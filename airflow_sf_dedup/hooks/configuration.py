"""Numbers in the section ``[sf_dedup]`` of Airflow's configuration."""

from __future__ import annotations

from typing import TypeVar

from airflow_sf_dedup.core.numeric_settings import Number

N = TypeVar("N")


def configured(number: Number[N], default: N) -> N:
    """The configured number, or ``default`` where nothing is configured.

    :raises SettingError: what is configured is no number that it may be.
    """
    from airflow.sdk import conf

    text = conf.get("sf_dedup", number.setting, fallback=None)
    return default if text is None else number.read_text(text, named=f"[sf_dedup] {number.setting}")
