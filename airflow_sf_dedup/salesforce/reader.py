"""Reads records in bulk, a few calls for thousands of rows: answers the port ``RecordReader``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.match_keys import MatchRule
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import counted, were
from airflow_sf_dedup.errors import (
    CallError,
    PermissionRefusedError,
    PreflightError,
    RequestRefusedError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.ports import Holders, Origin, StoredRecord
from airflow_sf_dedup.salesforce.queries import OrgQueries, Row
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import soap, soql
from airflow_sf_dedup.salesforce.wire.moments import read_org_moment

#: What the last change of a deleted record says of its deletion.
_DELETION_FIELDS = ("MasterRecordId", "SystemModstamp", "LastModifiedById")

_ORIGIN_FIELDS = ("Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById")

#: Fields that show others together.
_IN_PARTS = frozenset({"address", "location", "complexvalue"})

#: How numbers are read from text.
_NUMBERS: Mapping[str, Callable[[str], float]] = {"int": int, **dict.fromkeys(("double", "currency", "percent"), float)}

#: Most ids of one collections retrieve (REST API guide: "Get Multiple Records with sObject Collections").
_MOST_IDS = 2000

#: A recycle bin that the user may not look into tells nothing; the records stay unreadable.
_NOT_ASKED = (RequestRefusedError, PermissionRefusedError)

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
        deleted = (record for ids in _batches(missing, _MOST_IDS) for record in self._deleted(sobject, ids, fields))
        return found | {record.record_id: record for record in deleted}

    def _retrieve(self, sobject: str, ids: Sequence[str], fields: Sequence[str]) -> Iterator[StoredRecord]:
        body = {"ids": list(ids), "fields": list(fields)}
        path = f"composite/sobjects/{api_name(sobject, 'sobject')}"

        def read(answered: list[Any]) -> list[Any]:
            """A record that is not there is a null: less than was asked for is no answer, and tells of none."""
            if len(answered) < len(ids):
                raise ValueError(f"{counted(len(ids), 'records')} {were(len(ids))} asked for, {len(answered)} answered")
            return answered

        for document in self._session.rest("POST", path, body=body, expects=list, read=read):
            if isinstance(document, dict) and (record_id := _id_of(document)):
                yield _stored(record_id, document)

    def _deleted(self, sobject: str, ids: Sequence[str], asked: Sequence[str]) -> list[StoredRecord]:
        """Of ids that retrieve does not answer, those that are in the recycle bin."""
        name, fields = api_name(sobject, "sobject"), self._told_of_deleted(sobject, asked)
        try:
            rows = self._queries.rows(
                lambda room: soql.selects_deleted(name, ids, fields, room=room), asked_for=len(ids), deleted=True
            )
        except _NOT_ASKED:
            return []
        return [
            self._deleted_record(record_id, row, fields)
            for row in rows
            if row.get("IsDeleted") == "true" and (record_id := _id_of(row))
        ]

    def _told_of_deleted(self, sobject: str, asked: Sequence[str]) -> list[str]:
        """What is read of deleted records; of another sObject nobody knows which fields it has."""
        if sobject.lower() != self._sobject.name.lower():
            return []
        told = (*asked, *_DELETION_FIELDS)
        return [
            *self._key_rule.names,
            *(name for name in told if (field := self._sobject.field(name)) and _is_told(field)),
        ]

    def _deleted_record(self, record_id: str, row: Mapping[str, str | None], fields: Sequence[str]) -> StoredRecord:
        deletion = Deletion(
            read_org_moment(row.get("SystemModstamp")),
            record_id_in(row.get("LastModifiedById")),
            record_id_in(row.get("MasterRecordId")),
        )
        known = {name: _typed(row[name], self._sobject.field(name)) for name in fields if name in row}
        return StoredRecord(record_id, known, is_deleted=True, deletion=deletion)

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Key to the ids of the live records that hold it, by the field's own case rule.

        A key that XML cannot carry cannot be asked for; its row cannot be looked up either.
        """
        return _ids(self._rows_by_key(keys))

    def deleted_holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Key to the ids of the records in the recycle bin that hold it; as :meth:`holders`.

        A recycle bin that the user may not look into holds nothing. Nor does any where no field carries the key: then
        nothing is unique that a deleted record would keep.
        """
        if not self._key_rule.is_field:
            return {}
        try:
            return _ids(self._rows_by_key(keys, deleted=True, condition=" AND IsDeleted = true"))
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

    def all_holders(self, keys: Sequence[str]) -> Holders:
        """Key to the ids of its holders, live and deleted, in one query."""
        if not self._key_rule.is_field:
            return Holders(self.holders(keys), {})
        try:
            held = self._rows_by_key(keys, deleted=True, more_fields=("IsDeleted",))
        except _NOT_ASKED:
            return Holders(self.holders(keys), {})
        return Holders(_ids(held, "false"), _ids(held, "true"))

    def _rows_by_key(self, keys: Sequence[str], **asked: Any) -> dict[str, list[Row]]:
        """Key, as asked for, to the rows of the records that hold it; see :meth:`_held`."""
        held: dict[str, list[Row]] = defaultdict(list)
        for row in self._held(list(filter(soap.can_carry_text, keys)), **asked):
            held[self._key_rule.fold_record(row)].append(row)
        return {key: rows for key in keys if (rows := held.get(self._key_rule.fold(key)))}

    def _held(
        self, keys: Sequence[str], *, deleted: bool = False, more_fields: Sequence[str] = (), condition: str = ""
    ) -> list[Row]:
        """:param deleted: with those in the recycle bin."""

        def statements(room: soql.Room) -> Iterator[str]:
            name, rule = self._sobject.name, self._key_rule
            if isinstance(rule, MatchRule):
                fields = [part.field for part in rule.parts]
                return soql.selects_by_values(name, fields, map(rule.values, keys), room=room)
            return soql.selects_by_key(name, rule.field, keys, more_fields=more_fields, condition=condition, room=room)

        return self._queries.rows(statements, asked_for=len(keys), deleted=deleted)


def _is_told(field: Field) -> bool:
    """A query answers compound fields in parts only, and each of these stands for itself."""
    return field.type not in _IN_PARTS


def _typed(text: str | None, field: Field | None) -> Any:
    """A value that a query tells as text, as a retrieve tells it."""
    if text is None or field is None:
        return text
    if field.type == "boolean":
        return text == "true"
    try:
        return _NUMBERS[field.type](text) if field.type in _NUMBERS and not field.external_id else text
    except ValueError:
        return text


def _ids(
    held: Mapping[str, Sequence[Mapping[str, str | None]]], is_deleted: str | None = None
) -> dict[str, tuple[str, ...]]:
    """The ids of the rows, by key; with ``is_deleted``, of those that say so."""
    found = {
        key: tuple(
            record_id
            for row in rows
            if (is_deleted is None or row.get("IsDeleted") == is_deleted) and (record_id := _id_of(row))
        )
        for key, rows in held.items()
    }
    return {key: ids for key, ids in found.items() if ids}


def _id_of(document: Mapping[str, Any]) -> str | None:
    """The 18-character id of an answered record, if it has one."""
    return record_id_in(document.get("Id"))


def _origin(record: StoredRecord) -> Origin:
    return Origin(
        read_org_moment(record.values.get("CreatedDate")),
        record_id_in(record.values.get("CreatedById")),
        read_org_moment(record.values.get("LastModifiedDate")),
        record_id_in(record.values.get("LastModifiedById")),
    )


def _stored(record_id: str, document: Mapping[str, Any]) -> StoredRecord:
    values = {name: value for name, value in document.items() if name != "attributes"}
    return StoredRecord(record_id, values, is_deleted=values.get("IsDeleted") is True)


def _batches(items: Iterable[T], size: int) -> Iterable[Sequence[T]]:
    """Each item once."""
    items = list(dict.fromkeys(items))
    return (items[start : start + size] for start in range(0, len(items), size))
