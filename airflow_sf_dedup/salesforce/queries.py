"""How does a query travel? In the body of a SOAP call, which holds thousands of keys, or else in a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from airflow_sf_dedup.errors import CallError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import rest, soap, soql

#: Field name to its text, whatever its type; ``None``: blank.
Row = Mapping[str, str | None]
#: Some rows, and what leads to the next page: ``None`` after the last one.
Page = tuple[list[dict[str, str | None]], str | None]

#: Rows of the smallest page that Salesforce gives where there are more (SOAP guide, "QueryOptions").
ROWS_OF_A_PAGE = 200
#: Pages that a query may have beside those that its keys fill: a key that is not unique has any number of holders.
FEWEST_PAGES = 10


class Queries(Protocol):
    """One way for a query to travel."""

    #: How long a statement may be.
    room: soql.Room

    def first(self, statement: str, *, deleted: bool) -> Page:
        """The first page.

        :param deleted: of records in the recycle bin, too.
        """

    def more(self, locator: str) -> Page:
        """The page that a locator leads to."""


class SoapQueries:
    """``query()``, ``queryAll()`` and ``queryMore()``."""

    room = soql.IN_A_BODY

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def first(self, statement: str, *, deleted: bool) -> Page:
        """The statement travels in the body."""
        return self._page(soap.query_all_body(statement) if deleted else soap.query_body(statement))

    def more(self, locator: str) -> Page:
        """By ``queryMore()``."""
        return self._page(soap.query_more_body(locator))

    def _page(self, body: str) -> Page:
        page: Page = self._session.soap(
            lambda token: soap.envelope(token, soap.QUERY_HEADERS, body),
            action="query",
            read=lambda answer: soap.read_query(root_of(answer)),
        )
        return page


class RestQueries:
    """``/query`` and ``/queryAll``."""

    room = soql.IN_A_URL

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def first(self, statement: str, *, deleted: bool) -> Page:
        """The statement travels in the URL."""
        return self.more(f"{'queryAll' if deleted else 'query'}?q={soql.in_a_url(statement)}")

    def more(self, locator: str) -> Page:
        """A locator is a path here."""
        page: Page = self._session.rest("GET", locator, expects=dict, read=rest.read_query)
        return page


class OrgQueries:
    """Queries of one task: by SOAP, and by REST from when the org has refused that."""

    def __init__(self, session: SalesforceSession, soap_access: SoapAccess) -> None:
        self._by_soap, self._by_rest = SoapQueries(session), RestQueries(session)
        self._soap_access = soap_access

    def rows(
        self, statements: Callable[[soql.Room], Iterable[str]], *, asked_for: int, deleted: bool = False
    ) -> list[Row]:
        """The rows of all statements.

        :param statements: makes them, none of them longer than there is room.
        :param asked_for: keys or ids that they name.
        :raises TransientCallError: a query does not end.
        """
        if not self._soap_access.is_refused:
            try:
                return list(_rows(self._by_soap, statements, asked_for, deleted))
            except CallError as error:
                if not self._soap_access.is_refused_by(error):
                    raise
        return list(_rows(self._by_rest, statements, asked_for, deleted))


def _rows(
    queries: Queries, statements: Callable[[soql.Room], Iterable[str]], asked_for: int, deleted: bool
) -> Iterator[Row]:
    for statement in statements(queries.room):
        yield from _all_pages(queries, queries.first(statement, deleted=deleted), asked_for)


def _all_pages(queries: Queries, page: Page, asked_for: int) -> Iterator[Row]:
    locators = set[str]()
    while True:
        rows, locator = page
        yield from rows
        if not locator:
            return
        if locator in locators or len(locators) >= FEWEST_PAGES + asked_for // ROWS_OF_A_PAGE:
            raise TransientCallError("a query's answer leads on and on", code="ENDLESS_QUERY")
        locators.add(locator)
        page = queries.more(locator)
