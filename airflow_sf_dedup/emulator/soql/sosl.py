"""What does a SOSL text ask for? ``FIND {acme*} IN NAME FIELDS RETURNING Account(Id, Name WHERE …), Contact``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.soql.parsing import QueryReader
from airflow_sf_dedup.emulator.soql.tree import Path, Query, Selected

SCOPES = frozenset({"all", "name", "email", "phone", "sidebar"})
MOST_FOUND = 2000

_FIND = re.compile(r"\s*find\s*\{((?:[^\\}]|\\.)*)\}", re.IGNORECASE | re.DOTALL)
_ID_ONLY = (Selected(Path(("Id",))),)


@dataclass(frozen=True, slots=True)
class Search:
    #: What is looked for, as written between the braces.
    terms: str
    scope: str = "all"
    #: What to show of each sobject; of every one its Id if there is none.
    returning: tuple[Query, ...] = ()
    limit: int = MOST_FOUND


def parse(text: str) -> Search:
    """:raises ApiError: MALFORMED_SEARCH or MALFORMED_QUERY."""
    found = _FIND.match(text)
    if not found:
        message = "No search term found. The search term must be enclosed in braces."
        raise ApiError("MALFORMED_SEARCH", message)
    reader = _SearchReader(text, found.end())
    try:
        return reader.search(found[1])
    except ApiError as error:
        code = "MALFORMED_SEARCH" if error.code == "MALFORMED_QUERY" else error.code
        raise ApiError(code, error.message, status=error.status) from None


class _SearchReader(QueryReader):
    def search(self, terms: str) -> Search:
        scope = self.scope_of_fields() if self.accept("in") else "all"
        returning = self.listed(self.returning) if self.accept("returning") else ()
        while self.accept("with"):
            self.option()
        limit = self.whole_number() if self.accept("limit") else MOST_FOUND
        self.purpose()
        if self.peek().kind != "end":
            raise self.fail()
        return Search(terms, scope, returning, limit)

    def scope_of_fields(self) -> str:
        token = self.word()
        if token.lower not in SCOPES:
            raise self.fail(token)
        self.expect("fields")
        return token.lower

    def returning(self) -> Query:
        sobject = self.path()
        if not self.accept("("):
            return Query(_ID_ONLY, sobject, text=self.text)
        query = self.clauses(self.listed(self.selected), sobject, {})
        self.expect(")")
        return query

    def option(self) -> None:
        """How hits are shown or spelled; the answer is the same."""
        token = self.word()
        if token.lower not in ("spell_correction", "highlight", "snippet", "metadata"):
            raise self.fail(token)
        if self.accept("="):
            self.literal()
        elif self.accept("("):
            while not self.accept(")"):
                if self.next().kind == "end":
                    raise self.fail()
