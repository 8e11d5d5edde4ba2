"""Reads records in bulk, a few calls for thousands of rows: answers the port ``RecordReader``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import (
    CallError,
    PermissionRefusedError,
    PreflightError,
    RequestRefusedError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.ports import Origin, StoredRecord
from airflow_sf_dedup.salesforce.queries import OrgQueries
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import soap, soql

_ORIGIN_FIELDS = ("Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById")

#: Most ids of one collections retrieve (REST API guide: "Get Multiple Records with sObject Collections").
_MOST_IDS = 2000

#: A recycle bin that the user may not look into tells nothing; the records stay unreadable.
_NOT_ASKED = (RequestRefusedError, PermissionRefusedError)

#: Salesforce writes ``2021-08-31T01:31:16.000+0000``.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)")

T = TypeVar("T")


def describe(session: SalesforceSession, sobject: str) -> SObject:
    """The sObject as the org describes it to this user.

    :raises SettingError: ``sobject`` is no API name.
    :raises PreflightError: there is no such sObject, or the user may not see it.
    :raises OutcomeUnknownError: the answer describes nothing.
    """
    path = f"sobjects/{api_name(sobject, 'sobject')}/describe"
    try:
        described: SObject = session.rest("GET", path, expects=dict, read=SObject.from_describe)
        return described
    except CallError as error:
        if error.status == 404 or error.code in ("NOT_FOUND", "INVALID_TYPE"):
            raise PreflightError(
                f"sobject: the org has no {sobject!r}, or the API user may not see it", setting="sobject"
            ) from error
        raise


class OrgReader:
    """A :class:`~airflow_sf_dedup.salesforce.ports.RecordReader` over retrieve and queries.

    :param soap_access: what the task knows of SOAP; queries go by REST where the org refuses it.
    """

    def __init__(
        self, session: SalesforceSession, *, sobject: SObject, key_rule: KeyRule, soap_access: SoapAccess | None = None
    ) -> None:
        self._session = session
        self._queries = OrgQueries(session, soap_access or SoapAccess())
        self._sobject = sobject
        self._key_rule = key_rule

    def describe(self, sobject: str) -> SObject:
        """The sObject as the org describes it to this user."""
        return describe(self._session, sobject)

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        """The records the user can read; those in the recycle bin are marked as deleted.

        An id of another sObject is no record, and is not asked for: it would refuse the whole request.
        """
        if sobject == self._sobject.name:
            record_ids = list(filter(self._sobject.has_id, record_ids))
        found = {
            record.record_id: record
            for ids in _batches(record_ids, _MOST_IDS)
            for record in self._retrieve(sobject, ids, fields)
        }
        missing = [record_id for record_id in record_ids if record_id not in found]
        deleted = (record for ids in _batches(missing, _MOST_IDS) for record in self._deleted(sobject, ids))
        return found | {record.record_id: record for record in deleted}

    def _retrieve(self, sobject: str, ids: Sequence[str], fields: Sequence[str]) -> Iterator[StoredRecord]:
        body = {"ids": list(ids), "fields": list(fields)}
        path = f"composite/sobjects/{api_name(sobject, 'sobject')}"
        documents = self._session.rest("POST", path, body=body, expects=list)
        for document in documents:
            if isinstance(document, dict) and (record_id := _id_of(document)):
                yield _stored(record_id, document)

    def _deleted(self, sobject: str, ids: Sequence[str]) -> list[StoredRecord]:
        """Of ids that retrieve does not answer, those that are in the recycle bin."""
        name = api_name(sobject, "sobject")
        try:
            rows = self._queries.rows(
                lambda room: soql.selects_deleted(name, ids, room=room), asked_for=len(ids), deleted=True
            )
        except _NOT_ASKED:
            return []
        return [
            StoredRecord(record_id, {}, is_deleted=True)
            for row in rows
            if row.get("IsDeleted") == "true" and (record_id := _id_of(row))
        ]

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Key to the ids of the live records that hold it, by the field's own case rule.

        A key that XML cannot carry cannot be asked for; its row cannot be looked up either.
        """
        return self._holders(keys)

    def deleted_holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Key to the ids of the records in the recycle bin that hold it; as :meth:`holders`.

        A recycle bin that the user may not look into holds nothing.
        """
        try:
            return self._holders(keys, deleted=True)
        except _NOT_ASKED:
            return {}

    def origins(self, record_ids: Sequence[str]) -> dict[str, Origin]:
        """When and by whom the records were created and last written: one retrieve a 2,000 ids, by POST.

        Empty without a call when the sObject has neither date.
        """
        fields = [name for name in _ORIGIN_FIELDS if self._sobject.field(name)]
        if not {"CreatedDate", "LastModifiedDate"} & set(fields):
            return {}
        own = list(filter(self._sobject.has_id, record_ids))
        return {
            record.record_id: _origin(record)
            for ids in _batches(own, _MOST_IDS)
            for record in self._retrieve(self._sobject.name, ids, fields)
            if not record.is_deleted
        }

    def _holders(self, keys: Sequence[str], *, deleted: bool = False) -> dict[str, tuple[str, ...]]:
        held: dict[str, list[str]] = defaultdict(list)
        askable = list(filter(soap.can_carry_text, keys))

        def statements(room: soql.Room) -> Iterator[str]:
            condition = " AND IsDeleted = true" if deleted else ""
            name, field = self._sobject.name, self._key_rule.field
            return soql.selects_by_key(name, field, askable, condition=condition, room=room)

        for row in self._queries.rows(statements, asked_for=len(askable), deleted=deleted):
            if record_id := _id_of(row):
                held[self._key_rule.fold_stored(row.get(self._key_rule.field.name))].append(record_id)
        return {key: tuple(ids) for key in keys if (ids := held.get(self._key_rule.fold(key)))}


def _id_of(document: Mapping[str, Any]) -> str | None:
    """The 18-character id of an answered record, if it has one."""
    return record_id_in(document.get("Id"))


def _origin(record: StoredRecord) -> Origin:
    return Origin(
        _moment(record.values.get("CreatedDate")),
        record_id_in(record.values.get("CreatedById")),
        _moment(record.values.get("LastModifiedDate")),
        record_id_in(record.values.get("LastModifiedById")),
    )


def _moment(value: Any) -> datetime | None:
    """A point in time as Salesforce writes it, in UTC."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _stored(record_id: str, document: Mapping[str, Any]) -> StoredRecord:
    values = {name: value for name, value in document.items() if name != "attributes"}
    return StoredRecord(record_id, values, is_deleted=values.get("IsDeleted") is True)


def _batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
