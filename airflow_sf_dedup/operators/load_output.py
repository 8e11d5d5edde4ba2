"""What a load of several tasks gives back: one value, and one place in the order of the Dag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.definitions.xcom_arg import PlainXComArg

if TYPE_CHECKING:
    from airflow.sdk import XComArg
    from airflow.sdk.definitions._internal.mixins import DependencyMixin
    from airflow.sdk.definitions.edges import EdgeModifier
    from airflow.sdk.types import Operator


class LoadOutput(PlainXComArg):
    """The ``duplicate_audit`` of a load, which stands for all tasks of its group where tasks are put in order.

    As a value it is the output of the audit task. In ``before >> load >> after`` an ordinary output would stand for
    that task alone, and the rows would be read and written without waiting for ``before``. Here ``before`` precedes
    the group's first task, and ``after`` follows its last, the audit.
    """

    @property
    def roots(self) -> list[Operator]:
        """The first tasks of the load."""
        group = self.operator.task_group
        return [self.operator] if group is None else list(group.roots)

    def set_upstream(
        self,
        task_or_task_list: DependencyMixin | Sequence[DependencyMixin],
        edge_modifier: EdgeModifier | None = None,
    ) -> None:
        """Hold the whole load back until these are done."""
        for task in self.roots:
            task.set_upstream(task_or_task_list, edge_modifier)

    def __getitem__(self, item: str) -> XComArg:
        """Another XCom of the audit task, with the same place in the order."""
        super().__getitem__(item)  # refuses what is no name
        return type(self)(self.operator, item)

    def as_teardown(self, **_: Any) -> NoReturn:
        """Refused: a teardown is one task, and the load would write its rows without waiting for the setup.

        :raises TypeError: always.
        """
        raise TypeError("a load cannot be a teardown: let a task of your own be it, and put the load before that")
