"""Which task instances did not succeed? A sentence for each, or for all those of a task that ended alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

#: Instances of a task in one state that are named one by one; a mapped task may have a thousand.
MOST_NAMED = 3

_DONE = ("success", "skipped")


def not_done(states: Mapping[str, Any], task_ids: Collection[str]) -> list[str]:
    """The task instances that did not succeed, a sentence each; one for many of a task.

    :param states: by instance, as Airflow hands them to a task: ``upsert_3`` stands for ``upsert[3]``.
    :param task_ids: of the tasks.
    """
    alike = defaultdict[tuple[str, str], list[int | None]](list)
    for name, state in states.items():
        if str(state) not in _DONE:
            task_id, map_index = _instance(name, task_ids)
            alike[task_id, str(state or "not run")].append(map_index)
    return [said for (task_id, state), found in sorted(alike.items()) for said in _sentences(task_id, state, found)]


def logs_of(states: Mapping[str, Any], task_ids: Collection[str]) -> str:
    """What to do about the instances of some tasks that failed themselves; blank where there are none.

    :param task_ids: of those tasks.
    """
    failed = [_instance(name, task_ids) for name, state in states.items() if str(state) == "failed"]
    names = [_name(*instance) for instance in sorted(failed, key=str) if instance[0] in task_ids]
    named = " and ".join(names[:MOST_NAMED])
    return f"see the log of {named}, mend what it says and clear it" if names else ""


def _sentences(task_id: str, state: str, map_indexes: list[int | None]) -> list[str]:
    names = [_name(task_id, number) for number in sorted(map_indexes, key=_by_number)]
    if len(names) <= MOST_NAMED:
        return [f"task {name} is {state}" for name in names]
    return [f"{len(names):,} instances of task {task_id} are {state}, such as {names[0]}"]


def _name(task_id: str, map_index: int | None) -> str:
    return task_id if map_index is None else f"{task_id}[{map_index}]"


def _by_number(map_index: int | None) -> int:
    return -1 if map_index is None else map_index


def _instance(name: str, task_ids: Collection[str]) -> tuple[str, int | None]:
    """The task of an instance, and its map index; ``None`` where it is not mapped."""
    for task_id in task_ids:
        map_index = name.removeprefix(f"{task_id}_")
        if map_index != name and map_index.isdecimal() and name not in task_ids:
            return task_id, int(map_index)
    return name, None
