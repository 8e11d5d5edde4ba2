"""How many records hang on others? Counted for each relationship that a load names, of what is open."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import PermissionRefusedError, PreflightError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.children import ChildRelationship, child_relationships
from airflow_sf_dedup.salesforce.queries import OrgQueries
from airflow_sf_dedup.salesforce.reader import describe
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import soql

_log = logging.getLogger(__name__)

_NOT_SEEN = (PreflightError, PermissionRefusedError, RequestRefusedError)


class OrgChildCounts:
    """Counts children for one task.

    A describe for each sObject that matches and each that is a child, once; then a query for each relationship of it
    and 2,000 records. What the user may not see counts nothing: the log says so, once.

    :param names: of child relationships, in any spelling of case.
    """

    def __init__(self, session: SalesforceSession, soap_access: SoapAccess, names: Collection[str]) -> None:
        self._session = session
        self._queries = OrgQueries(session, soap_access)
        self._names = {name.lower(): name for name in names}
        self._relationships: dict[str, list[ChildRelationship]] = {}
        #: Child sObject to what holds of those that count.
        self._conditions: dict[str, str] = {}
        #: sObjects that the user may not see.
        self._unseen: set[str] = set()
        self._unknown: set[str] = set()

    def of(self, ids: Mapping[str, Sequence[str]]) -> dict[str, Counter[str]]:
        """Id to child sObject to the number of its children, where there are any.

        :param ids: sObject to the ids of its records, of 18 characters each.
        :raises CallError: the org does not answer.
        """
        if not self._names or not ids:
            return {}
        found: dict[str, Counter[str]] = defaultdict(Counter)
        kinds = [(each, some) for sobject, some in ids.items() for each in self._of_sobject(sobject)]
        self._warn_of_unknown()
        for each, some in kinds:
            for record_id, children in self._count(each, some):
                found[record_id][each.child] += children
        return dict(found)

    def _of_sobject(self, sobject: str) -> list[ChildRelationship]:
        if sobject not in self._relationships:
            try:
                path = f"sobjects/{api_name(sobject, 'sobject')}/describe"
                told = self._session.rest("GET", path, expects=dict, read=lambda it: list(child_relationships(it)))
            except _NOT_SEEN:
                self._cannot_see(sobject)
                told = []
            self._relationships[sobject] = [each for each in told if (each.name or "").lower() in self._names]
        return self._relationships[sobject]

    def _count(self, each: ChildRelationship, ids: Sequence[str]) -> Iterator[tuple[str, int]]:
        if each.child in self._unseen:
            return
        try:
            condition = self._condition(each.child)
            rows = self._queries.rows(
                lambda room: soql.counts_referring(each.child, each.field, ids, condition, room=room),
                asked_for=len(ids),
            )
        except _NOT_SEEN:
            self._cannot_see(each.child)
            return
        for row in rows:
            if record_id := record_id_in(row.get(each.field)):
                yield record_id, _number(row.get("children"))

    def _condition(self, child: str) -> str:
        """Only what is open counts, of what can be closed."""
        if child not in self._conditions:
            can_be_closed = describe(self._session, child).field("IsClosed")
            self._conditions[child] = " AND IsClosed = false" if can_be_closed else ""
        return self._conditions[child]

    def _warn_of_unknown(self) -> None:
        known = {(each.name or "").lower() for some in self._relationships.values() for each in some}
        met = ", ".join(sorted(self._relationships.keys() - self._unseen))
        for name in self._names.keys() - known - self._unknown if met else ():
            self._unknown.add(name)
            _log.warning("count_children: no child relationship of %s is called %r", met, self._names[name])

    def _cannot_see(self, sobject: str) -> None:
        self._unseen.add(sobject)
        _log.warning("count_children: this user may not count %s, so that no caution tells of them", sobject)


def _number(told: Any) -> int:
    """A query tells it as text."""
    try:
        return int(told)
    except (TypeError, ValueError):
        return 0
