"""What a SOQL text asks for, as values. Names are as written; nothing is looked up here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"})


@dataclass(frozen=True, slots=True)
class Path:
    """A field, or the field of a parent: ``Account.Owner.Name``."""

    names: tuple[str, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Function:
    """``COUNT()``, ``MAX(Amount)``, ``CALENDAR_YEAR(convertTimezone(CreatedDate))``."""

    #: In upper case.
    name: str
    argument: Path | Function | None
    position: int = field(default=0, compare=False)
    #: As written.
    text: str = field(default="", compare=False)

    @property
    def aggregate(self) -> bool:
        return self.name in AGGREGATES or self.name == "GROUPING"

    def __str__(self) -> str:
        return self.text or f"{self.name}({self.argument or ''})"


Expression = Path | Function


@dataclass(frozen=True, slots=True)
class Fields:
    """``FIELDS(ALL)``."""

    which: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TypeOf:
    """``TYPEOF What WHEN Account THEN Phone ELSE Name END``."""

    relationship: Path
    branches: tuple[tuple[Path, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    #: string, number, date, datetime, time, boolean, null or range (TODAY, LAST_N_DAYS:3)
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compare:
    left: Expression
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class In:
    left: Expression
    literals: tuple[Literal, ...]
    negated: bool
    #: ``in``, or ``includes`` for multi-select picklists.
    operator: str = "in"


@dataclass(frozen=True, slots=True)
class SemiJoin:
    """``AccountId IN (SELECT Id FROM Account)``; an anti-join when negated."""

    left: Expression
    query: Query
    negated: bool


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    conditions: tuple[Condition, ...]


Condition = Compare | In | SemiJoin | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Selected:
    what: Expression | Fields | TypeOf | Query
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    by: Expression
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class GroupBy:
    expressions: tuple[Expression, ...] = ()
    #: ROLLUP, CUBE or nothing.
    subtotals: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    selected: tuple[Selected, ...]
    #: A sobject, or the relationship to children in a subquery.
    sobject: Path
    #: Lower-case alias and what it stands for: nothing for the sobject itself.
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    scope: str = ""
    where: Condition | None = None
    group_by: GroupBy | None = None
    having: Condition | None = None
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    all_rows: int | None = None
    text: str = field(default="", compare=False)

    @property
    def grouped(self) -> bool:
        """Whether its rows are groups of records."""
        aggregates = (isinstance(each.what, Function) and each.what.aggregate for each in self.selected)
        return self.group_by is not None or any(aggregates)

    @property
    def counts(self) -> bool:
        """Whether it is ``SELECT COUNT()``, which has no rows."""
        return [each.what for each in self.selected] == [Function("COUNT", None)]
