"""Which loads of a run count? A cleared task reads its source as a new load; what the old one says is history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_sf_dedup.audit.base import Load


def latest_loads(loads: Iterable[Load]) -> list[Load]:
    """Of loads by the same task instance the newest."""
    newest: dict[tuple[str, Any], Load] = {}
    for load in sorted(loads, key=lambda load: load.started_at):
        newest[_made_by(load)] = load
    return list(newest.values())


def counts_instead(load: Load, of_run: Iterable[Load]) -> Load | None:
    """The load of the same task instance that counts instead of this one; ``None``: this one counts.

    :param of_run: all loads of its run.
    """
    [newest] = latest_loads([load, *(other for other in of_run if _made_by(other) == _made_by(load))])
    return None if newest.load_id == load.load_id else newest


def _made_by(load: Load) -> tuple[str, Any]:
    return load.task_id, load.settings.get("map_index", -1)
