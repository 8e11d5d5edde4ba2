"""In which duplicate record sets do records stand? The only trace of a rule that reports and lets a row through.

A set (``DuplicateRecordSet``) has a rule where a save made it; one that a duplicate job made has none. Its records are
its items (``DuplicateRecordItem``, Object Reference).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.rule_reports import MOST_NAMED, RuleReport
from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.queries import OrgQueries, Row
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import soql
from airflow_sf_dedup.salesforce.wire.moments import read_org_moment

_ITEM, _SET = "DuplicateRecordItem", "DuplicateRecordSetId"
_RULE = "DuplicateRecordSet.DuplicateRule.DeveloperName"
_RECORDS = "DuplicateRecordSet.RecordCount"


class OrgReports:
    """Asks for the sets that rules put records into: one query for 2,000 records, and one more where there are any."""

    def __init__(self, session: SalesforceSession, soap_access: SoapAccess | None = None) -> None:
        self._queries = OrgQueries(session, soap_access or SoapAccess())

    def of(self, record_ids: Sequence[str]) -> Mapping[str, tuple[RuleReport, ...]] | None:
        """Record id to the sets in which it stands by a rule; records that stand in none are absent.

        ``None``: this user may not see the sets, or their rules.

        :param record_ids: any number, of 18 characters each.
        :raises CallError: the org does not answer.
        """
        try:
            items = [row for row in self._items("RecordId", record_ids, asked_for=len(record_ids)) if row.get(_RULE)]
            others = self._others(items)
        except (RequestRefusedError, PermissionRefusedError):
            return None
        found: dict[str, list[RuleReport]] = defaultdict(list)
        for item in sorted(items, key=lambda row: str(row.get("Id"))):
            record_id, set_id = record_id_in(item.get("RecordId")), record_id_in(item.get(_SET))
            if record_id and set_id:
                found[record_id].append(_report(item, record_id, set_id, others.get(set_id, ())))
        return {record_id: tuple(reports) for record_id, reports in found.items()}

    def _others(self, items: Sequence[Row]) -> Mapping[str, Sequence[str]]:
        """Set to its records, of those sets that are small enough to be named."""
        small = {set_id: _count(row) for row in items if _count(row) <= MOST_NAMED and (set_id := row.get(_SET))}
        members: dict[str, list[str]] = defaultdict(list)
        for row in self._items(_SET, list(small), asked_for=sum(small.values())) if small else ():
            set_id, record_id = record_id_in(row.get(_SET)), record_id_in(row.get("RecordId"))
            if set_id and record_id:
                members[set_id].append(record_id)
        return members

    def _items(self, field: str, ids: Sequence[str], *, asked_for: int) -> list[Row]:
        fields = ("RecordId", _SET, "CreatedDate", _RECORDS, _RULE)
        return self._queries.rows(
            lambda room: soql.selects_referring(_ITEM, field, ids, fields, room=room), asked_for=asked_for
        )


def _report(item: Row, record_id: str, set_id: str, members: Sequence[str]) -> RuleReport:
    others = tuple(sorted(each for each in members if each != record_id))
    since = read_org_moment(item.get("CreatedDate"))
    return RuleReport(set_id, str(item[_RULE]), since, max(_count(item), len(others) + 1), others)


def _count(item: Row) -> int:
    text = item.get(_RECORDS) or ""
    return int(float(text)) if text.replace(".", "", 1).isdigit() else 0
