"""Which loads does an audit task judge? The graph of the Dag answers, when the task runs.

An audit judges the loads that it is given by ``upserts``, and those on the way to it that no other audit is given.
Neither lies behind an earlier audit: what that has judged is its own affair, in green and in red.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk import XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_sf_dedup.operators.partition import SalesforcePartitionOperator
from airflow_sf_dedup.operators.upsert import SalesforceUpsertOperator

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import Operator

    #: Tasks by their ids.
    Tasks = dict[str, Operator]

_LOADS = (SalesforcePartitionOperator, SalesforceUpsertOperator)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one audit task judges."""

    #: Those whose loads it judges.
    tasks: Mapping[str, Operator] = field(default_factory=dict)
    #: Those that must have succeeded: the same, and what else stands right before the audit but no other audit's load.
    awaited: frozenset[str] = frozenset()
    #: Those in the same mapped task group as the audit, of which each of its instances judges its own.
    beside: frozenset[str] = frozenset()

    def judges(self, task_id: str, map_index: int, *, by: int | None) -> bool:
        """Whether the loads of a task instance are judged by the audit's instance ``by``."""
        return task_id in self.tasks and (task_id not in self.beside or map_index == by)

    @property
    def senders(self) -> frozenset[str]:
        """Those that send rows; what became of them their loads tell."""
        return frozenset(name for name, task in self.tasks.items() if _is_a(task, SalesforceUpsertOperator))

    def instances(self, by: int | None) -> dict[int | None, set[str]]:
        """The awaited tasks by the map index that is waited for; ``None``: all there are."""
        found = defaultdict[int | None, set[str]](set)
        for task_id in self.awaited:
            found[by if task_id in self.beside else None].add(task_id)
        return found


def judgement_of(task_id: str, tasks: Tasks, audit_class: type[BaseOperator]) -> Judgement:
    """What an audit task judges.

    :param task_id: the audit task's.
    :param tasks: all tasks of its Dag, as the Dag file makes them.
    :param audit_class: what audit tasks are made of; subclasses are audits too.
    """
    audit, graph = tasks[task_id], _Graph(tasks, audit_class)
    elsewhere = {name for other in graph.audits() if other.task_id != task_id for name in graph.given(other)}
    given = graph.given(audit)
    before = {task.task_id: task for task in graph.upstream(audit) if not graph.is_audit(task)}
    on_the_way = graph.behind(before.values(), graph.upstream)
    judged = given | {name: task for name, task in on_the_way.items() if _is_load(task) and name not in elsewhere}
    return Judgement(
        tasks=judged,
        awaited=frozenset(judged) | {name for name, task in before.items() if name not in elsewhere},
        beside=frozenset(name for name in judged.keys() | before.keys() if _are_mapped_together(tasks[name], audit)),
    )


class _Graph:
    """The tasks of a Dag, followed against the arrows and no further than to an audit."""

    def __init__(self, tasks: Tasks, audit_class: type[BaseOperator]) -> None:
        self._tasks = tasks
        self._audit_class = audit_class

    def audits(self) -> list[Operator]:
        return [task for task in self._tasks.values() if self.is_audit(task)]

    def is_audit(self, task: Operator) -> bool:
        return _is_a(task, self._audit_class)

    def upstream(self, task: Operator) -> list[Operator]:
        return [self._tasks[name] for name in sorted(task.upstream_task_ids)]

    def given(self, audit: Operator) -> Tasks:
        """The tasks whose results an audit gets, or else the loads right before it, and the loads behind either."""
        sources = list(_outputs_in(audit, ["upserts"])) or [*filter(_is_load, self.upstream(audit))]
        named = {task.task_id for task in sources}
        behind = self.behind(sources, _sources)
        return {name: task for name, task in behind.items() if name in named or _is_load(task)}

    def behind(self, tasks: Iterable[Operator], before: Callable[[Operator], Iterable[Operator]]) -> Tasks:
        """These tasks and all that ``before`` leads to."""
        found: Tasks = {}
        waiting = list(tasks)
        while waiting:
            task = waiting.pop()
            if task.task_id not in found and not self.is_audit(task):
                found[task.task_id] = task
                waiting.extend(before(task))
        return found


def _is_a(task: Operator, kind: type[Any] | tuple[type[Any], ...]) -> bool:
    """Whether a task, mapped or not, is made of a class."""
    return issubclass(task.operator_class, kind)


def _is_load(task: Operator) -> bool:
    return _is_a(task, _LOADS)


def _sources(task: Operator) -> Iterator[Any]:
    """The tasks whose outputs are parameters of a task."""
    return _outputs_in(task, task.template_fields)


def _outputs_in(task: Operator, names: Iterable[str]) -> Iterator[Any]:
    """The tasks whose outputs stand in some parameters of a task, and those that it is mapped over."""
    if isinstance(task, MappedOperator):
        yield from task.iter_mapped_dependencies()
    for name in names:
        value = task.partial_kwargs.get(name) if isinstance(task, MappedOperator) else getattr(task, name, None)
        yield from (operator for operator, _ in XComArg.iter_xcom_references(value))


def _are_mapped_together(task: Operator, audit: Operator) -> bool:
    group, other = task.get_closest_mapped_task_group(), audit.get_closest_mapped_task_group()
    return group is not None and other is not None and group.group_id == other.group_id
