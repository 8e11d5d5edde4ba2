"""How the Partner API shows results, records and faults; the order of elements is that of the WSDL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

from airflow_sf_dedup.emulator.query.layout import Children, Leaf, Node, Parent
from airflow_sf_dedup.emulator.records.addresses import value_of
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.showing import shown
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import (
    DuplicateResult,
    MatchRecord,
    MatchResult,
    RowError,
    RowResult,
    Saved,
)
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.xml_writing import element, text

PARTNER = "urn:partner.soap.sforce.com"
ENTERPRISE = "urn:enterprise.soap.sforce.com"
_SOBJECT = {
    PARTNER: "urn:sobject.partner.soap.sforce.com",
    ENTERPRISE: "urn:sobject.enterprise.soap.sforce.com",
}
_FAULT = {PARTNER: "urn:fault.partner.soap.sforce.com", ENTERPRISE: "urn:fault.enterprise.soap.sforce.com"}
_SOAPENV = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def envelope(namespace: str, operation: str, results: str, used: int, limit: int) -> bytes:
    """A response with its LimitInfoHeader."""
    limits = (
        f"<soapenv:Header><LimitInfoHeader><limitInfo><current>{used}</current><limit>{limit}</limit>"
        "<type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{_SOAPENV}" xmlns="{namespace}" xmlns:xsi="{_XSI}" '
        f'xmlns:sf="{_SOBJECT[namespace]}">{limits}<soapenv:Body>'
        f"<{operation}Response>{results}</{operation}Response></soapenv:Body></soapenv:Envelope>"
    ).encode()


def fault(namespace: str, code: str, message: str) -> bytes:
    """A fault of the API: ``sf:INVALID_SESSION_ID`` and the like."""
    kind = _FAULT_KINDS.get(code, "UnexpectedErrorFault")
    detail = (
        f'<detail><sf:{kind} xsi:type="sf:{kind}"><sf:exceptionCode>{escape(code)}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{escape(message)}</sf:exceptionMessage>{_place(kind)}</sf:{kind}></detail>"
    )
    return _fault(namespace, f"sf:{code}", f"{code}: {message}", detail)


def _place(kind: str) -> str:
    """Where in a query the mistake is, which nobody says."""
    return "<sf:row>-1</sf:row><sf:column>-1</sf:column>" if kind in _WITH_PLACE else ""


def client_fault(namespace: str, message: str) -> bytes:
    """A call that cannot be read."""
    return _fault(namespace, "soapenv:Client", message, "")


_FAULT_KINDS = {
    "INVALID_LOGIN": "LoginFault",
    "LOGIN_MUST_USE_SECURITY_TOKEN": "LoginFault",
    "MALFORMED_QUERY": "MalformedQueryFault",
    "INVALID_FIELD": "InvalidFieldFault",
    "INVALID_TYPE": "InvalidSObjectFault",
    "MALFORMED_ID": "InvalidIdFault",
    "INVALID_QUERY_LOCATOR": "InvalidQueryLocatorFault",
}
_WITH_PLACE = frozenset({"InvalidFieldFault", "InvalidSObjectFault", "MalformedQueryFault"})


def _fault(namespace: str, code: str, message: str, detail: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{_SOAPENV}" xmlns:sf="{_FAULT[namespace]}" xmlns:xsi="{_XSI}">'
        f"<soapenv:Body><soapenv:Fault><faultcode>{escape(code)}</faultcode>"
        f"<faultstring>{escape(message)}</faultstring>{detail}</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    ).encode()


# --- row results ------------------------------------------------------------------------------------------


def save_result(result: RowResult) -> str:
    """SaveResult, DeleteResult and UndeleteResult: errors, id, success."""
    if isinstance(result, Saved):
        return f"<result><id>{result.record_id}</id><success>true</success></result>"
    return f"<result>{errors(result.errors)}{element('id', result.record_id)}<success>false</success></result>"


def upsert_result(result: RowResult, *, refused_says_created: bool) -> str:
    """UpsertResult: created, errors, id, success."""
    if isinstance(result, Saved):
        created = text(result.created)
        return f"<result><created>{created}</created><id>{result.record_id}</id><success>true</success></result>"
    created = text(refused_says_created)
    return (
        f"<result><created>{created}</created>{errors(result.errors)}"
        f"{element('id', result.record_id)}<success>false</success></result>"
    )


def outcome(error: tuple[str, str] | None) -> str:
    """A result of errors and success alone."""
    if error is None:
        return "<result><success>true</success></result>"
    return f"<result>{errors([RowError(*error)])}<success>false</success></result>"


def errors(found: Iterable[RowError]) -> str:
    return "".join(_error(error) for error in found)


def _error(error: RowError) -> str:
    fields = "".join(element("fields", name) for name in error.fields)
    base = f"{fields}{element('message', error.message)}{element('statusCode', error.code)}"
    if error.duplicate is None:
        return f"<errors>{base}</errors>"
    return f'<errors xsi:type="DuplicateError">{base}{duplicate_result(error.duplicate)}</errors>'


def duplicate_result(result: DuplicateResult, *, name: str = "duplicateResult") -> str:
    """What a rule found; without a match it has nothing to say."""
    matches = "".join(_match_result(each) for each in result.match_results)
    matched = any(each.match_records for each in result.match_results)
    return (
        f"<{name}>{element('allowSave', result.allow_save)}"
        f"{element('duplicateRule', result.duplicate_rule)}"
        f"{element('duplicateRuleEntityType', result.sobject)}"
        f"{element('errorMessage', result.alert_text if matched else None)}{matches}</{name}>"
    )


def _match_result(result: MatchResult) -> str:
    records = "".join(_match_record(each) for each in result.match_records)
    return (
        f"<matchResults>{element('entityType', result.entity_type)}"
        f"{element('matchEngine', result.match_engine)}{records}{element('rule', result.rule)}"
        f"<size>{len(result.match_records)}</size><success>true</success></matchResults>"
    )


def _match_record(match: MatchRecord) -> str:
    diffs = "".join(
        f"<fieldDiffs><difference>{difference}</difference><name>{name}</name></fieldDiffs>"
        for name, difference in match.field_diffs
    )
    fields = "".join(element(f"sf:{name}", value) for name, value in match.fields.items())
    again = element("sf:Id", match.record_id) if match.fields else ""
    return (
        f"<matchRecords>{diffs}<matchConfidence>{float(match.match_confidence)}</matchConfidence>"
        f'<record xsi:type="sf:sObject">{element("sf:type", match.sobject)}'
        f"{element('sf:Id', match.record_id)}{fields}{again}</record></matchRecords>"
    )


# --- records ----------------------------------------------------------------------------------------------


def whole_record(
    name: str, sobject: Sobject, record: Record, fields: Iterable[Field], *, enterprise: bool = False
) -> str:
    """A record of retrieve: type and Id first, then the fields asked for."""
    shown_fields = [field for field in fields if not (enterprise and field.name == "Id")]
    inner = "".join(element(f"sf:{field.name}", _value(field, value_of(field, record))) for field in shown_fields)
    return _record(name, sobject.name, element("sf:Id", record["Id"]) + inner, enterprise=enterprise)


def query_record(org: Org, record: Record, columns: Sequence[Node], *, enterprise: bool = False) -> str:
    """A row of a query; in the Partner API Id comes first, and again where it is asked for."""
    return _record("records", _sobject_of(org, record), _nodes(org, record, columns, enterprise), enterprise=enterprise)


def _record(name: str, sobject: str, inner: str, *, enterprise: bool) -> str:
    """The Partner API has one type for all records and says in an element which sobject it is."""
    if enterprise:
        return f'<{name} xsi:type="sf:{sobject}">{inner}</{name}>'
    return f'<{name} xsi:type="sf:sObject">{element("sf:type", sobject)}{inner}</{name}>'


def _sobject_of(org: Org, record: Record) -> str:
    return org.schema.by_prefix[record["Id"][:3]].name


def _nodes(org: Org, record: Record, nodes: Sequence[Node], enterprise: bool) -> str:
    has_id = any(isinstance(node, Leaf) and node.name == "Id" for node in nodes)
    identity = "" if enterprise else element("sf:Id", record["Id"] if has_id else None)
    return identity + "".join(_node(org, record, node, enterprise) for node in nodes)


def _node(org: Org, record: Record, node: Node, enterprise: bool) -> str:
    if isinstance(node, Leaf):
        return element(f"sf:{node.name}", _value(node.column.field, node.column.own(record)))
    if isinstance(node, Children):
        return _children(org, record, node, enterprise)
    parent = node.get(record)
    if parent is None:
        return f'<sf:{node.name} xsi:nil="true"/>'
    sobject = _sobject_of(org, parent)
    if isinstance(node, Parent):
        nodes, shown_as = node.nodes, node.sobject or "Name"
    else:
        nodes, shown_as = node.branches.get(sobject, node.otherwise), sobject
    return _record(f"sf:{node.name}", shown_as, _nodes(org, parent, nodes, enterprise), enterprise=enterprise)


def _children(org: Org, record: Record, node: Children, enterprise: bool) -> str:
    """The result of a subquery; its further pages are asked for by queryMore."""
    rows = tuple(query_record(org, each, node.nodes, enterprise=enterprise) for each in node.of(record))
    if not rows:
        return f'<sf:{node.name} xsi:nil="true"/>'
    size = org.quirks.child_rows_in_a_page
    done = len(rows) <= size
    locator = None if done else f"{org.cursors.keep(rows)}-{size}"
    return (
        f'<sf:{node.name} xsi:type="QueryResult">{element("done", done)}{element("queryLocator", locator)}'
        f"{''.join(rows[:size])}<size>{len(rows)}</size></sf:{node.name}>"
    )


def aggregate_record(row: dict[str, Any], *, enterprise: bool = False) -> str:
    inner = "".join(element(f"sf:{name}", value) for name, value in row.items())
    identity = "" if enterprise else element("sf:Id", None)
    return _record("records", "AggregateResult", identity + inner, enterprise=enterprise)


def _value(field: Field, value: Any) -> Any:
    """Datetimes end in ``Z`` in SOAP."""
    if field.kind == "datetime" and value is not None:
        return value.replace("+0000", "Z")
    return shown(field, value)
