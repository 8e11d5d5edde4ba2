"""The SOAP Partner shapes of upsert, findDuplicates, undelete and query.

Nothing here sends or decides: rows become an envelope, an answer's elements become outcomes. The
element order is the Partner WSDL's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax import saxutils

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import OutcomeUnknownError, TransientCallError
from airflow_sf_dedup.salesforce.wire import rest
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions

#: Characters that XML 1.0 cannot carry; one of them refuses the whole call.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

#: What a look-up says of a blocked row that :func:`can_carry` is not true of.
CANNOT_BE_ASKED: Outcome = DuplicatesFound("blocked; its values hold characters that SOAP cannot carry", ())


def escape(text: str) -> str:
    """Text for an envelope; a bare carriage return would be read as a line feed (XML 1.0, 2.11)."""
    return saxutils.escape(text, {"\r": "&#13;"})


def envelope(token: str, headers: str, body: str) -> bytes:
    """A Partner envelope around a call."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:urn="urn:partner.soap.sforce.com" xmlns:sf="urn:sobject.partner.soap.sforce.com"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Header><urn:SessionHeader><urn:sessionId>{escape(token)}</urn:sessionId>"
        f"</urn:SessionHeader>{headers}</soapenv:Header>"
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    ).encode()


def write_headers(options: WriteOptions) -> str:
    """The headers that make a SOAP write behave as the REST write with the same options.

    Without ``AssignmentRuleHeader`` SOAP runs no assignment rule.
    """
    return (
        "<urn:AllOrNoneHeader><urn:allOrNone>false</urn:allOrNone></urn:AllOrNoneHeader>"
        f"{_assignment(options.assignment_rules)}"
        "<urn:DuplicateRuleHeader>"
        f"<urn:allowSave>{_boolean(options.allow_save)}</urn:allowSave>"
        "<urn:includeRecordDetails>false</urn:includeRecordDetails>"
        f"<urn:runAsCurrentUser>{_boolean(options.run_as_current_user)}</urn:runAsCurrentUser>"
        "</urn:DuplicateRuleHeader>"
    )


def _assignment(rules: bool | str) -> str:
    if not rules:
        return ""
    choice = (
        f"<urn:assignmentRuleId>{escape(rules)}</urn:assignmentRuleId>"
        if isinstance(rules, str)
        else "<urn:useDefaultRule>true</urn:useDefaultRule>"
    )
    return f"<urn:AssignmentRuleHeader>{choice}</urn:AssignmentRuleHeader>"


def can_carry(record: Record) -> bool:
    """Whether XML can carry the row's values at all."""
    return all(map(can_carry_text, _texts(record.fields)))


def can_carry_text(text: str) -> bool:
    """Whether XML can carry the text."""
    return not _NOT_XML.search(text)


def _texts(values: Mapping[str, Any]) -> Iterator[str]:
    for value in values.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value)


def upsert_body(records: Sequence[Record], sobject: SObject, external_id_field: str) -> str:
    """``upsert()`` of up to 200 rows."""
    rows = "".join(
        f"<urn:sObjects>{_sobject(record.fields, sobject.name, sobject)}</urn:sObjects>" for record in records
    )
    name = escape(external_id_field)
    return f"<urn:upsert><urn:externalIDFieldName>{name}</urn:externalIDFieldName>{rows}</urn:upsert>"


def find_duplicates_body(records: Sequence[Record], sobject: SObject) -> str:
    """``findDuplicates()`` of up to 50 rows, as if each were new."""
    rows = "".join(
        f"<urn:sObjects>{_sobject(record.fields, sobject.name, sobject)}</urn:sObjects>" for record in records
    )
    return f"<urn:findDuplicates>{rows}</urn:findDuplicates>"


def find_duplicates_by_ids_body(record_ids: Sequence[str]) -> str:
    """``findDuplicatesByIds()`` of up to 50 records."""
    ids = "".join(f"<urn:ids>{escape(each)}</urn:ids>" for each in record_ids)
    return f"<urn:findDuplicatesByIds>{ids}</urn:findDuplicatesByIds>"


def undelete_body(record_ids: Sequence[str]) -> str:
    """``undelete()`` of up to 200 records."""
    return f"<urn:undelete>{''.join(f'<urn:ids>{escape(each)}</urn:ids>' for each in record_ids)}</urn:undelete>"


def query_body(soql: str) -> str:
    """``query()``: SOQL in the body of a POST, so no URL grows with it."""
    return f"<urn:query><urn:queryString>{escape(soql)}</urn:queryString></urn:query>"


def query_all_body(soql: str) -> str:
    """``queryAll()``: a query that sees the recycle bin."""
    return f"<urn:queryAll><urn:queryString>{escape(soql)}</urn:queryString></urn:queryAll>"


def query_more_body(locator: str) -> str:
    """The next page of a query."""
    return f"<urn:queryMore><urn:queryLocator>{escape(locator)}</urn:queryLocator></urn:queryMore>"


QUERY_HEADERS = "<urn:QueryOptions><urn:batchSize>2000</urn:batchSize></urn:QueryOptions>"


def _sobject(fields: Mapping[str, Any], type_name: str, sobject: SObject | None) -> str:
    nulls = [name for name, value in fields.items() if value is None]
    return (
        f"<sf:type>{escape(type_name)}</sf:type>"
        + "".join(f"<sf:fieldsToNull>{escape(name)}</sf:fieldsToNull>" for name in nulls)
        + "".join(
            _element(name, value, sobject)
            for name, value in fields.items()
            if value is not None and name != "attributes"
        )
    )


def _element(name: str, value: Any, sobject: SObject | None) -> str:
    if isinstance(value, Mapping):
        parent = _parent_type(name, value, sobject)
        return f'<sf:{name} xsi:type="sf:sObject">{_sobject(value, parent, None)}</sf:{name}>'
    return f"<sf:{name}>{escape(_boolean(value) if isinstance(value, bool) else str(value))}</sf:{name}>"


def _parent_type(name: str, value: Mapping[str, Any], sobject: SObject | None) -> str:
    attributes = value.get("attributes")
    if isinstance(attributes, Mapping) and attributes.get("type"):
        return str(attributes["type"])
    reference = sobject.parent(name) if sobject else None
    return reference.reference_to[0] if reference and reference.reference_to else name


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def read_upsert(answer: Element, size: int) -> list[Outcome]:
    """One outcome a row of an ``upsertResponse``."""
    return _read_results(answer, "upsertResponse", size)


def read_undelete(answer: Element, size: int) -> list[Outcome]:
    """One outcome a record of an ``undeleteResponse``."""
    return _read_results(answer, "undeleteResponse", size)


def _read_results(answer: Element, name: str, size: int) -> list[Outcome]:
    response = next((element for element in answer.iter() if _name(element) == name), None)
    results = [] if response is None else list(_children(response, "result"))
    if len(results) != size:
        return [Unanswered(f"{counted(size, 'rows')} sent, {len(results)} answered")] * size
    return [_read_result(result) for result in results]


def _read_result(result: Element) -> Outcome:
    if _child_text(result, "success") == "true":
        record_id = record_id_in(_child_text(result, "id"))
        if record_id is None:
            return Unanswered("success without a record id")
        return Saved(record_id, {"true": True, "false": False}.get(_child_text(result, "created")))
    return rest.read_row({"success": False, "errors": [_error(e) for e in _children(result, "errors")]})


def read_find_duplicates(answer: Element, size: int) -> list[DuplicatesFound]:
    """What the rules find for each row of a ``findDuplicatesResponse``.

    :raises OutcomeUnknownError: there is not one result a row.
    """
    results = _found_results(answer, "findDuplicatesResponse", size)
    return [rest.read_found(map(_duplicate_result, _children(result, "duplicateResults"))) for result in results]


def read_find_duplicates_by_ids(answer: Element, size: int) -> list[DuplicatesFound | Failed]:
    """The same of a ``findDuplicatesByIdsResponse``: one answer a record, or why it could not be asked about.

    :raises OutcomeUnknownError: there is not one result a record.
    """
    return [_found_by_id(result) for result in _found_results(answer, "findDuplicatesByIdsResponse", size)]


def _found_by_id(result: Element) -> DuplicatesFound | Failed:
    if _child_text(result, "success") == "true":
        return rest.read_found(map(_duplicate_result, _children(result, "duplicateResults")))
    error = next(_children(result, "errors"), result)
    return Failed(_child_text(error, "statusCode") or "UNKNOWN_EXCEPTION", _child_text(error, "message"))


def rules_run(answer: Element) -> frozenset[str]:
    """The duplicate rules that ran, of a ``findDuplicates`` answer: each has a result, also one that finds nothing."""
    results = (each for each in answer.iter() if _name(each) == "duplicateResults")
    return frozenset(name for each in results if (name := _child_text(each, "duplicateRule")))


def _found_results(answer: Element, name: str, size: int) -> list[Element]:
    response = next((element for element in answer.iter() if _name(element) == name), None)
    results = [] if response is None else list(_children(response, "result"))
    if len(results) != size:
        raise OutcomeUnknownError(
            f"{counted(size, 'rows')} asked for, {len(results)} answered", code="UNREADABLE_ANSWER"
        )
    return results


def _error(error: Element) -> dict[str, Any]:
    document: dict[str, Any] = {
        "statusCode": _child_text(error, "statusCode"),
        "message": _child_text(error, "message"),
        "fields": [field.text for field in _children(error, "fields") if field.text],
    }
    for result in _children(error, "duplicateResult"):
        document["duplicateResult"] = _duplicate_result(result)
    return document


def _duplicate_result(result: Element) -> dict[str, Any]:
    return {
        "allowSave": _child_text(result, "allowSave") == "true",
        "duplicateRule": _child_text(result, "duplicateRule"),
        "matchResults": [
            {
                "entityType": _child_text(matched_by, "entityType"),
                "matchEngine": _child_text(matched_by, "matchEngine"),
                "rule": _child_text(matched_by, "rule"),
                "size": _whole_number(_child_text(matched_by, "size")),
                "matchRecords": [_match_record(record) for record in _children(matched_by, "matchRecords")],
            }
            for matched_by in _children(result, "matchResults")
        ],
    }


def _whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _match_record(matched: Element) -> dict[str, Any]:
    confidence = _child_text(matched, "matchConfidence")
    record = next(_children(matched, "record"), None)
    return {
        "matchConfidence": _number(confidence),
        "record": None if record is None else {"Id": _child_text(record, "Id"), "type": _child_text(record, "type")},
    }


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def read_query(answer: Element) -> tuple[list[dict[str, str | None]], str | None]:
    """The rows of a query's page, field name to text, and the locator of the next page.

    The locator is ``None`` when this was the last page.

    :raises TransientCallError: it does not say whether it is the last page, or there is more that it does not lead
        to: what is not in it need not be missing in the org.
    """
    result = next((element for element in answer.iter() if _name(element) == "result"), None)
    done = "" if result is None else _child_text(result, "done")
    if result is None or done not in ("true", "false"):
        raise TransientCallError("the answer to a query does not say whether it is done", code="UNREADABLE_ANSWER")
    locator = None if done == "true" else _child_text(result, "queryLocator")
    if locator == "":
        raise TransientCallError("a query's answer is not done and leads no further", code="UNREADABLE_ANSWER")
    return [_read_record(record) for record in _children(result, "records")], locator


def _read_record(record: Element) -> dict[str, str | None]:
    """Field name to text. ``Id`` stands twice: first of itself, then as a field, which may be nil.

    The fields of a parent stand by its relationship: ``Account.Name``.
    """
    values: dict[str, str | None] = {}
    for field in record:
        name = _name(field)
        if len(field):
            values.update((f"{name}.{of_parent}", text) for of_parent, text in _read_record(field).items())
        else:
            values[name] = values.get(name) or (None if field.get(_NIL) == "true" else field.text or None)
    return values


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _child_text(element: Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "")
