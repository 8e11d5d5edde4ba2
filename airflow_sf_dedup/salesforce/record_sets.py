"""Duplicate record sets as they are made by a client: what there is, and what is written.

A set is a ``DuplicateRecordSet``, and each of its records a ``DuplicateRecordItem`` (Object Reference). The two are
written one after the other: that a composite request takes its sets back where an item fails, nobody has confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.record_sets import RecordSet
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import PermissionRefusedError, PreflightError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.duplicate_rules import duplicate_rules
from airflow_sf_dedup.salesforce.queries import OrgQueries, Row
from airflow_sf_dedup.salesforce.reader import describe
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import soql

SET, ITEM = "DuplicateRecordSet", "DuplicateRecordItem"
RULE_ID, SET_ID, RECORD_ID = "DuplicateRuleId", "DuplicateRecordSetId", "RecordId"
#: Of a set that a duplicate job made, the job.
PARENT_ID = "ParentId"

#: Of the sets without an item, the newest ones are looked at.
MOST_EMPTY = 2000


@dataclass(frozen=True)
class OrgRecordSets:
    """The sets of an org, to a user who may make some.

    :ivar rules_are_told: the user may say which rule a set is of.
    """

    session: SalesforceSession
    queries: OrgQueries
    sets: CollectionsApi
    items: CollectionsApi
    rules_are_told: bool
    #: Of what says whose a set is, the fields that the user can see.
    _whose: Sequence[str]

    @classmethod
    def opened(cls, session: SalesforceSession, sobject: str) -> OrgRecordSets:
        """Two describes.

        :param sobject: whose records the sets are about.
        :raises PreflightError: this user may not make sets, or the org has none for this sObject.
        """
        sets, items = (_described(session, name) for name in (SET, ITEM))
        for field in (SET_ID, RECORD_ID):
            _check_field(items, field)
        _check_holds(items, sobject)
        rule = sets.field(RULE_ID)
        return cls(
            session,
            OrgQueries(session, SoapAccess()),
            _inserts(session, sets),
            _inserts(session, items),
            rules_are_told=rule is not None and rule.createable,
            _whose=[name for name in (RULE_ID, PARENT_ID) if sets.field(name)],
        )

    def rule_ids(self, sobject: str) -> Mapping[str, str] | None:
        """DeveloperName to the id of each duplicate rule of the sObject; ``None``: this user may not know."""
        if not self.rules_are_told:
            return None
        try:
            rules = duplicate_rules(self.session)
        except (RequestRefusedError, PermissionRefusedError):
            return None
        own = (each for each in rules if each.sobject.lower() == sobject.lower())
        return {each.name: each.record_id for each in own if each.record_id}

    def live(self, sobject: str, record_ids: Sequence[str]) -> frozenset[str]:
        """Those of the records that are there, and that this user can see: one query for 2,000."""
        rows = self.queries.rows(
            lambda room: soql.selects_referring(sobject, "Id", record_ids, (), room=room), asked_for=len(record_ids)
        )
        return frozenset(filter(None, (record_id_in(row.get("Id")) for row in rows)))

    def holding(self, record_ids: Sequence[str]) -> list[RecordSet]:
        """The sets that have any of the records, the oldest first, each with those that it has: one query for 2,000."""
        fields = (RECORD_ID, SET_ID, *(f"{SET}.{name}" for name in self._whose))
        rows = self.queries.rows(
            lambda room: soql.selects_referring(ITEM, RECORD_ID, record_ids, fields, room=room),
            asked_for=len(record_ids),
        )
        found: dict[str, RecordSet] = {}
        for row in rows:
            set_id, record_id = record_id_in(row.get(SET_ID)), record_id_in(row.get(RECORD_ID))
            if set_id and record_id:
                found.setdefault(set_id, _set(set_id, row, f"{SET}.")).record_ids.add(record_id)
        return sorted(found.values(), key=lambda each: each.set_id or "")

    def never_filled(self) -> list[RecordSet]:
        """The sets that this user made and that never had an item: a try that ended before its items left them.

        One query, and one more where there are any without items now: what was merged or deleted may come back.
        """
        user_id = self.session.user_id
        if user_id is None:
            return []
        fields = ", ".join(("Id", *self._whose))
        empty = f"(RecordCount = 0 OR RecordCount = null) AND CreatedById = '{user_id}'"
        newest = f"SELECT {fields} FROM {SET} WHERE {empty} ORDER BY Id DESC LIMIT {MOST_EMPTY}"
        rows = self.queries.rows(lambda room: [newest], asked_for=MOST_EMPTY)
        found = [_set(set_id, row) for row in rows if (set_id := record_id_in(row.get("Id")))]
        own = [each.set_id for each in found if each.set_id and not each.is_closed]
        had_items = self._that_had_items(own) if own else frozenset()
        return [each for each in found if each.set_id in own and each.set_id not in had_items]

    def _that_had_items(self, set_ids: Sequence[str]) -> frozenset[str]:
        rows = self.queries.rows(
            lambda room: soql.selects_referring(ITEM, SET_ID, set_ids, (SET_ID,), room=room),
            asked_for=len(set_ids),
            deleted=True,
        )
        return frozenset(filter(None, (record_id_in(row.get(SET_ID)) for row in rows)))


def _set(set_id: str, row: Row, prefix: str = "") -> RecordSet:
    rule_id = record_id_in(row.get(prefix + RULE_ID))
    return RecordSet(set_id, rule_id, is_closed=rule_id is None and bool(row.get(prefix + PARENT_ID)))


def _inserts(session: SalesforceSession, described: SObject) -> CollectionsApi:
    """Twice the same is two records: nothing is sent again of which nobody knows what became."""
    return CollectionsApi(
        session,
        sobject=described.name,
        external_id_field="Id",
        key_prefix=described.key_prefix,
        repeatable=False,
    )


def _described(session: SalesforceSession, name: str) -> SObject:
    try:
        described = describe(session, name)
    except PreflightError:
        raise _unfit(f"the org has no {name}, or this user may not see it") from None
    if not described.createable:
        raise _unfit(f"this user may not create records of {name}")
    return described


def _check_field(items: SObject, name: str) -> None:
    field = items.field(name)
    if field is None or not field.createable:
        raise _unfit(f"this user may not write {name} of {items.name}")


def _check_holds(items: SObject, sobject: str) -> None:
    field = items.field(RECORD_ID)
    known = {each.lower() for each in field.reference_to} if field else set()
    if known and sobject.lower() not in known:
        raise PreflightError(f"audit: the org has no duplicate record sets for {sobject}", setting="audit")


def _unfit(message: str) -> PreflightError:
    return PreflightError(
        f"audit: {message}; give the user Create on duplicate record sets and duplicate record items", setting="audit"
    )
