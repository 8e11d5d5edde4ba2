"""What a load of several tasks gives back: one value, and one place in the order of the Dag."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.definitions.xcom_arg import ConcatXComArg, MapXComArg, PlainXComArg, XComArg, ZipXComArg

if TYPE_CHECKING:
    from airflow.sdk.definitions._internal.mixins import DependencyMixin
    from airflow.sdk.definitions.edges import EdgeModifier
    from airflow.sdk.types import Operator


class _HoldsLoadsBack(XComArg):
    """A value made of the output of loads. Whatever is made of it in turn keeps their place in the order."""

    @property
    def roots(self) -> list[Operator]:
        """The first tasks of the loads, and the tasks whose output stands beside theirs."""
        return list(_first_tasks(self))

    def set_upstream(
        self,
        task_or_task_list: DependencyMixin | Sequence[DependencyMixin],
        edge_modifier: EdgeModifier | None = None,
    ) -> None:
        """Hold the whole loads back until these are done."""
        for task in self.roots:
            task.set_upstream(task_or_task_list, edge_modifier)

    def map(self, f: Callable[[Any], Any]) -> MapXComArg:
        """As of every output, with the same place in the order."""
        made = super().map(f)
        return _Mapped(made.arg, made.callables)

    def zip(self, *others: XComArg, **fill: Any) -> ZipXComArg:
        """As of every output, with the same place in the order."""
        made = super().zip(*others, **fill)
        return _Zipped(made.args, fillvalue=made.fillvalue)

    def concat(self, *others: XComArg) -> ConcatXComArg:
        """As of every output, with the same place in the order."""
        return _Concatenated(super().concat(*others).args)


class LoadOutput(_HoldsLoadsBack, PlainXComArg):
    """The ``duplicate_audit`` of a load, which stands for all tasks of its group where tasks are put in order.

    As a value it is the output of the audit task. In ``before >> load >> after`` an ordinary output would stand for
    that task alone, and the rows would be read and written without waiting for ``before``. Here ``before`` precedes
    the group's first task, and ``after`` follows its last, the audit. The same holds for what is made of it by
    ``map``, ``zip`` and ``concat``; where another task's output comes first, as in ``other.zip(load)``, put the load
    in order by itself.
    """

    def __getitem__(self, item: str) -> XComArg:
        """Another XCom of the audit task, with the same place in the order."""
        super().__getitem__(item)  # refuses what is no name
        return type(self)(self.operator, item)

    def as_teardown(self, **_: Any) -> NoReturn:
        """Refused: a teardown is one task, and the load would write its rows without waiting for the setup.

        :raises TypeError: always.
        """
        raise TypeError("a load cannot be a teardown: let a task of your own be it, and put the load before that")


class _Mapped(_HoldsLoadsBack, MapXComArg):
    """The output of a load, mapped."""


class _Zipped(_HoldsLoadsBack, ZipXComArg):
    """The output of a load, zipped with others."""


class _Concatenated(_HoldsLoadsBack, ConcatXComArg):
    """The output of a load, and that of others after it."""


def _first_tasks(value: XComArg) -> Iterator[Operator]:
    """What has to wait where a value is held back: of a load its first tasks, of any other task itself."""
    match value:
        case LoadOutput() if value.operator.task_group is not None:
            yield from value.operator.task_group.roots
        case MapXComArg():
            yield from _first_tasks(value.arg)
        case ZipXComArg() | ConcatXComArg():
            for each in value.args:
                yield from _first_tasks(each)
        case _:
            yield from (operator for operator, _ in value.iter_references())
