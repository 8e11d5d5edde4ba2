"""Which records does a query mean, and what does it show of them? A Query in, an answer out.

Everything a query names is looked up before any record is; so a query that cannot run says so on an empty org too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.aggregates import Groups, refuse_many
from airflow_sf_dedup.emulator.query.candidates import Candidates
from airflow_sf_dedup.emulator.query.columns import Column, Names, no_such_sobject
from airflow_sf_dedup.emulator.query.conditions import Conditions, Test
from airflow_sf_dedup.emulator.query.joins import check_joins, check_sides, joins, selected_path
from airflow_sf_dedup.emulator.query.layout import Children, Node
from airflow_sf_dedup.emulator.query.selection import selection
from airflow_sf_dedup.emulator.query.sorting import Key, ordered
from airflow_sf_dedup.emulator.records.child_relationships import child_relationship
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import Condition, Expression, Function, In, Literal, Path, Query, SemiJoin
from airflow_sf_dedup.emulator.state.org import Org

_MOST_GROUPS = 2000
_SCOPES = ("", "everything", "mine", "mine_and_my_groups", "team", "delegated", "my_territory", "my_team_territory")


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    sobject: Sobject
    #: What a row shows.
    columns: tuple[Node, ...]
    #: As they are now: whoever changes a record puts another one in its place.
    records: list[Record]
    total: int
    #: Rows of an aggregate query, which has no records: alias and value.
    aggregates: list[dict[str, Any]] | None = None


def run(org: Org, query: Query, *, deleted: bool = False, user_id: str | None = None) -> QueryAnswer:
    """:param deleted: whether records in the recycle bin count too.
    :param user_id: who asks; for ``USING SCOPE mine``.
    :raises ApiError: MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE or another that says what cannot be asked.
    """
    with org.lock:
        return prepare(org, query, deleted=deleted, user_id=user_id).answer()


def prepare(org: Org, query: Query, *, deleted: bool = False, user_id: str | None = None) -> Prepared:
    """The query with its names looked up; nothing is read yet.

    :raises ApiError: the query cannot run.
    """
    if query.all_rows is not None:
        if not org.quirks.all_rows_in_api:
            raise refusal(query.text, query.all_rows, "ALL ROWS not allowed in this context")
        deleted = True
    sobject = org.schema.find(query.sobject.names[0]) if len(query.sobject.names) == 1 else None
    if sobject is None or not sobject.queryable:
        raise no_such_sobject(query)
    return Prepared(org, query, sobject, deleted=deleted, user_id=user_id or org.default_user.user_id)


class Prepared:
    """:param link: for a subquery of children: the field that points at the parent.
    :param joined: whether it is the subquery of a condition.
    """

    def __init__(
        self,
        org: Org,
        query: Query,
        sobject: Sobject,
        *,
        deleted: bool,
        user_id: str,
        link: Field | None = None,
        joined: bool = False,
    ) -> None:
        self.org = org
        self.query = query
        self.sobject = sobject
        self.deleted = deleted
        self.user_id = user_id
        self.names = Names(org, sobject, query)
        self._link = link
        self._joins: dict[int, Prepared] = {}
        self._ids: dict[int, frozenset[str]] = {}
        check_joins(query, inner=joined)
        for each in joins(query.where):
            self._joins[id(each)] = self._prepared_join(each)
        self._own = self._scope()
        self.groups: Groups | None = None
        self.columns: tuple[Node, ...] = ()
        self._children: list[tuple[Children, Prepared]] = []
        self._keys = self._prepared_rows()

    # --- what the query names ---

    def _prepared_rows(self) -> list[Key]:
        query = self.query
        if query.counts and query.group_by is None:
            if query.order_by:
                raise refusal(query.text, query.order_by[0].by.position, "ORDER BY is not allowed with COUNT()")
            return []
        if query.grouped:
            return self._prepared_groups()
        if query.having is not None:
            raise refusal(query.text, query.sobject.position, "HAVING is allowed with GROUP BY only")
        self.columns = selection(self.names, query, self._child)
        return [(self._sortable(each.by), each.descending, each.nulls_last) for each in query.order_by]

    def _prepared_groups(self) -> list[Key]:
        if self._link is not None:
            raise refusal(
                self.query.text, self.query.sobject.position, "only root queries support aggregate expressions"
            )
        groups = Groups(self.names, self.query, by_alias=self.org.quirks.aliases_in_order_by)
        self.groups = groups
        return [(groups.order_column(each.by), each.descending, each.nulls_last) for each in self.query.order_by]

    def _sortable(self, expression: Path | Function) -> Any:
        column = self.names.column(expression)
        if not column.field.sortable:
            message = f"field '{column.field.name}' can not be sorted in a query call"
            raise refusal(self.query.text, expression.position, message)
        return column

    def _child(self, query: Query) -> Children:
        """A subquery in SELECT."""
        name = query.sobject.names[-1]
        found = child_relationship(self.org.schema, self.sobject, name)
        if found is None or found.name is None or not found.sobject.queryable:
            message = (
                f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a "
                "custom relationship, be sure to append the '__r' after the custom relationship name. Please "
                "reference your WSDL or the describe call for the appropriate names."
            )
            raise refusal(query.text, query.sobject.position, message, code="INVALID_TYPE")
        inner = Prepared(self.org, query, found.sobject, deleted=self.deleted, user_id=self.user_id, link=found.field)
        children = Children(found.name, found.sobject, inner.columns)
        self._children.append((children, inner))
        return children

    def _prepared_join(self, join: SemiJoin) -> Prepared:
        path = selected_path(self.query, join)
        sobject = self.org.schema.find(join.query.sobject.names[0]) if len(join.query.sobject.names) == 1 else None
        if sobject is None or not sobject.queryable:
            raise no_such_sobject(join.query)
        inner = Prepared(self.org, join.query, sobject, deleted=self.deleted, user_id=self.user_id, joined=True)
        left = (self.sobject, self.names.column(join.left))
        check_sides(self.query, join, left, (sobject, inner.names.column(path)))
        return inner

    def _joined(self, join: SemiJoin) -> frozenset[str]:
        """The ids that the subquery selects."""
        if id(join) not in self._joins:
            raise refusal(self.query.text, join.left.position, "Semi join sub-selects are not allowed here")
        if id(join) not in self._ids:
            inner = self._joins[id(join)]
            get = inner.names.column(selected_path(self.query, join)).get
            found = (get(record) for record in inner.matching())
            self._ids[id(join)] = frozenset(each for each in found if each is not None)
        return self._ids[id(join)]

    def _scope(self) -> bool:
        """Whether only the user's own records are meant."""
        scope = self.query.scope
        if scope not in _SCOPES:
            raise ApiError("INVALID_QUERY_SCOPE", f"invalid query scope: {scope}")
        return scope == "mine" and "OwnerId" in self.sobject.fields

    # --- the records ---

    @property
    def candidates(self) -> Candidates:
        table = self.org.table(self.sobject.name)
        return Candidates(table, self.names.column, self._joined, self.query.text)

    def _tests(self) -> list[Test]:
        tests: list[Test] = []
        if self.query.where is not None:
            conditions = self._conditions(self.names.column)
            tests.append(conditions.test(self.query.where))
        if self._own:
            tests.append(lambda record: bool(record.get("OwnerId") == self.user_id))
        return tests

    def _conditions(self, column: Callable[[Expression], Column]) -> Conditions:
        return Conditions(
            column,
            self._joined,
            text=self.query.text,
            now=self.org.clock(),
            ids_follow_empty_text=self.org.quirks.ids_follow_empty_text,
        )

    def matching(self, narrowed: Condition | None = None) -> Iterable[Record]:
        """The records that meet the conditions, found one after the other.

        :param narrowed: what is known of all that are wanted.
        """
        tests = self._tests()
        found = self.candidates.records(self.query.where, narrowed, deleted=self.deleted)
        for test in tests:
            found = filter(test, found)
        return found

    def answer(self) -> QueryAnswer:
        query = self.query
        if self.groups is not None:
            return self._grouped(self.groups)
        if query.counts:
            count = sum(1 for _ in self.matching())
            return QueryAnswer(self.sobject, (), [], len(range(count)[query.offset :][: query.limit]))
        end = None if query.limit is None else query.offset + query.limit
        records = ordered(self.matching(), self._keys, end)[query.offset :]
        self._fill_children(records)
        return QueryAnswer(self.sobject, self.columns, records, len(records))

    def _fill_children(self, records: list[Record]) -> None:
        for children, inner in self._children:
            children.rows.update(inner.children_of(records))

    def children_of(self, parents: list[Record]) -> dict[str, list[Record]]:
        """The children of each parent, in order and as many as the subquery wants."""
        assert self._link is not None  # noqa: S101 - only subqueries of children are asked
        name, query = self._link.name, self.query
        wanted = {record["Id"] for record in parents}
        found: dict[str, list[Record]] = {}
        children = (each for each in self.matching(self._pointing_at(wanted)) if each.get(name) in wanted)
        for record in ordered(children, self._keys, None):
            found.setdefault(record[name], []).append(record)
        end = None if query.limit is None else query.offset + query.limit
        found = {parent: kept for parent, rows in found.items() if (kept := rows[query.offset : end])}
        self._fill_children([record for rows in found.values() for record in rows])
        return found

    def _pointing_at(self, parents: set[str]) -> In:
        """A condition that the children of ``parents`` meet."""
        assert self._link is not None  # noqa: S101 - only subqueries of children are asked
        return In(Path((self._link.name,)), tuple(Literal("string", each) for each in parents), negated=False)

    def _grouped(self, groups: Groups) -> QueryAnswer:
        query = self.query
        found: Iterable[Any] = groups.of(self.matching())
        if query.having is not None:
            conditions = self._conditions(groups.column)
            found = filter(conditions.test(query.having), found)
        end = None if query.limit is None else query.offset + query.limit
        rows = [groups.row(group) for group in ordered(found, self._keys, end)[query.offset :]]
        refuse_many(len(rows), _MOST_GROUPS)
        return QueryAnswer(self.sobject, (), [], len(rows), rows)
