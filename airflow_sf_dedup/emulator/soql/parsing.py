"""What does a SOQL text ask for? Text in, a Query out; names are not looked up here."""

from __future__ import annotations

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.soql.conditions import ConditionReader
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.reader import RESERVED
from airflow_sf_dedup.emulator.soql.tree import (
    Expression,
    Fields,
    GroupBy,
    Order,
    Path,
    Query,
    Selected,
    TypeOf,
)

_LONGEST = 100_000
_MOST_OFFSET = 2000
#: The words that may follow the name of the sobject, and so are no alias.
_CLAUSES = RESERVED | {"order", "offset", "for", "all", "update", "as"}

Aliases = dict[str, tuple[str, ...]]


def parse(text: str) -> Query:
    """:raises ApiError: MALFORMED_QUERY, with the place where reading stopped."""
    if not text.strip():
        raise ApiError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    if len(text) > _LONGEST:
        raise ApiError("MALFORMED_QUERY", f"SOQL statements cannot be longer than {_LONGEST} characters.")
    reader = QueryReader(text)
    query = reader.query()
    if reader.peek().kind != "end":
        raise reader.fail()
    return query


class QueryReader(ConditionReader):
    def query(self) -> Query:
        self.deeper()
        self.expect("select")
        selected = self.listed(self.selected)
        self.expect("from")
        sobject, aliases = self.sources()
        query = self.clauses(selected, sobject, aliases)
        self.depth -= 1
        return query

    def clauses(self, selected: tuple[Selected, ...], sobject: Path, aliases: Aliases) -> Query:
        """What follows the name of the sobject."""
        scope = self.word().lower if self.accept("using", "scope") else ""
        where = self.conditions() if self.accept("where") else None
        self.security()
        group_by = self.group_by() if self.accept("group", "by") else None
        having = self.conditions() if self.accept("having") else None
        order_by = self.listed(self.order) if self.accept("order", "by") else ()
        limit = self.whole_number() if self.accept("limit") else None
        offset = self.offset() if self.accept("offset") else 0
        self.purpose()
        all_rows = self.peek().position
        return Query(
            selected=selected,
            sobject=sobject,
            aliases=tuple(aliases.items()),
            scope=scope,
            where=where,
            group_by=group_by,
            having=having,
            order_by=order_by,
            limit=limit,
            offset=offset,
            all_rows=all_rows if self.accept("all", "rows") else None,
            text=self.text,
        )

    # --- FROM ---

    def sources(self) -> tuple[Path, Aliases]:
        """The sobject, and what the aliases of FROM stand for: ``Contact c, c.Account a``."""
        sobject = self.path()
        aliases: Aliases = {sobject.names[-1].lower(): ()}
        name = self.alias()
        if name is not None:
            aliases[name.lower()] = ()
        while self.accept(","):
            path = self.path()
            names = (*aliases.get(path.names[0].lower(), (path.names[0],)), *path.names[1:])
            aliases[(self.alias() or path.names[-1]).lower()] = names
        return sobject, aliases

    def alias(self) -> str | None:
        self.accept("as")
        token = self.peek()
        if token.kind != "word" or token.lower in _CLAUSES or "." in token.text:
            return None
        return self.next().text

    # --- SELECT ---

    def selected(self) -> Selected:
        if self.peek().text == "(":
            self.expect("(")
            query = self.query()
            self.expect(")")
            return Selected(query)
        if self.peek().lower == "typeof" and self.peek(1).kind == "word" and self.peek(1).lower != "from":
            return Selected(self.type_of())
        if self.peek().lower == "fields" and self.peek(1).text == "(":
            return Selected(self.fields())
        return Selected(self.expression(), self.alias())

    def fields(self) -> Fields:
        start = self.next()
        self.expect("(")
        which = self.word()
        if which.text.upper() not in ("ALL", "STANDARD", "CUSTOM"):
            raise self.fail(which)
        self.expect(")")
        return Fields(which.text.upper(), start.position)

    def type_of(self) -> TypeOf:
        self.expect("typeof")
        relationship = self.path()
        branches = []
        while self.accept("when"):
            sobject = self.path()
            self.expect("then")
            branches.append((sobject, self.listed(self.path)))
        if not branches:
            raise self.fail()
        otherwise = self.listed(self.path) if self.accept("else") else ()
        self.expect("end")
        return TypeOf(relationship, tuple(branches), otherwise)

    # --- the other clauses ---

    def security(self) -> None:
        """Modes of Apex; the API has no other user than the one who asks."""
        if self.accept("with"):
            token = self.next()
            if token.lower not in ("security_enforced", "user_mode", "system_mode"):
                raise self.fail(token)

    def group_by(self) -> GroupBy:
        token = self.peek()
        if token.lower in ("rollup", "cube") and self.peek(1).text == "(":
            self.next()
            self.expect("(")
            expressions = self.listed(self.expression)
            self.expect(")")
            return GroupBy(expressions, token.lower)
        return GroupBy(self.listed(self.expression))

    def order(self) -> Order:
        by: Expression = self.expression()
        descending = self.accept("desc")
        if not descending:
            self.accept("asc")
        nulls_last = self.accept("nulls", "last")
        if not nulls_last:
            self.accept("nulls", "first")
        return Order(by, descending, nulls_last)

    def offset(self) -> int:
        offset = self.whole_number()
        if offset > _MOST_OFFSET:
            raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {_MOST_OFFSET}")
        return offset

    def purpose(self) -> None:
        """``FOR VIEW``, ``FOR REFERENCE``, ``UPDATE TRACKING``: they change what was viewed last, not the answer."""
        while self.accept("for"):
            token = self.next()
            if token.lower == "update":
                raise refusal(self.text, token.position, "FOR UPDATE not allowed in this context")
            if token.lower not in ("view", "reference"):
                raise self.fail(token)
        if self.accept("update"):
            for token in self.listed(self.word):
                if token.lower not in ("tracking", "viewstat"):
                    raise self.fail(token)
