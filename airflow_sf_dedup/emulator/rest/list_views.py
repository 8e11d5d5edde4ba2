"""The list views of a sobject. Each has the one that every org has: all its records."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import make_id

_PREFIX = "00B"
_FEWEST, _MOST = 25, 2000


def list_views(call: Call, name: str) -> Response:
    sobject = _sobject(call, name)
    body = {
        "done": True,
        "listviews": [_view(call, sobject)] if sobject.queryable else [],
        "nextRecordsUrl": None,
        "size": int(sobject.queryable),
        "sobjectType": sobject.name,
    }
    return Response(200, body)


def list_view(call: Call, name: str, view_id: str) -> Response:
    return Response(200, _view(call, _of_view(call, name, view_id)))


def describe(call: Call, name: str, view_id: str) -> Response:
    sobject = _of_view(call, name, view_id)
    columns = _columns(sobject)
    first = columns[0]["fieldNameOrPath"]
    body = {
        "columns": columns,
        "id": _view_id(call, sobject),
        "orderBy": [{"fieldNameOrPath": first, "nullsPosition": "first", "sortDirection": "ascending"}],
        "query": _soql(sobject),
        "relatedEntityId": None,
        "scope": "everything",
        "scopeEntityId": None,
        "sobjectType": sobject.name,
        "whereCondition": {"conditions": [], "conjunction": "and"},
    }
    return Response(200, body)


def results(call: Call, name: str, view_id: str) -> Response:
    sobject = _of_view(call, name, view_id)
    limit, offset = _number(call, "limit", _FEWEST), _number(call, "offset", 0)
    columns = _columns(sobject)
    first = columns[0]["fieldNameOrPath"]
    with call.org.lock:
        records = sorted(call.org.table(sobject.name).all(), key=lambda each: str(each.get(first) or "").lower())
    page = records[offset : offset + min(limit, _MOST)]
    body = {
        "columns": columns,
        "developerName": _developer_name(sobject),
        "done": True,
        "id": _view_id(call, sobject),
        "label": _label(sobject),
        "records": [{"columns": [_cell(record, each["fieldNameOrPath"]) for each in columns]} for record in page],
        "size": len(page),
    }
    return Response(200, body, rows=len(page))


def soql_of(call: Call, view_id: str) -> str | None:
    """The query of a list view, by its id."""
    found = next((each for each in call.org.schema if _is_view(call, each, view_id)), None)
    return _soql(found) if found else None


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else default


def _sobject(call: Call, name: str) -> Sobject:
    found = call.org.schema.find(name)
    if found is None:
        raise not_found()
    return found


def _of_view(call: Call, name: str, view_id: str) -> Sobject:
    sobject = _sobject(call, name)
    if not _is_view(call, sobject, view_id):
        raise not_found()
    return sobject


def _is_view(call: Call, sobject: Sobject, view_id: str) -> bool:
    try:
        return sobject.queryable and to_18(view_id) == _view_id(call, sobject)
    except ValueError:
        return False


def _view_id(call: Call, sobject: Sobject) -> str:
    return make_id(_PREFIX, list(call.org.schema.sobjects).index(sobject.name) + 1)


def _developer_name(sobject: Sobject) -> str:
    return "All" if sobject.custom else f"All{sobject.label_plural.replace(' ', '')}"


def _label(sobject: Sobject) -> str:
    return "All" if sobject.custom else f"All {sobject.label_plural}"


def _view(call: Call, sobject: Sobject) -> dict[str, Any]:
    url = f"{call.root}/sobjects/{sobject.name}/listviews/{_view_id(call, sobject)}"
    return {
        "describeUrl": f"{url}/describe",
        "developerName": _developer_name(sobject),
        "id": _view_id(call, sobject),
        "label": _label(sobject),
        "resultsUrl": f"{url}/results",
        "soqlCompatible": True,
        "url": url,
    }


def _fields(sobject: Sobject) -> list[Field]:
    names = (*sobject.compact_layout, "Id", "CreatedDate", "LastModifiedDate", "SystemModstamp")
    found = [sobject.find(each) for each in dict.fromkeys(names)]
    named = [each for each in sobject.fields.values() if each.name_field]
    return list(dict.fromkeys((*named, *(each for each in found if each))))


def _soql(sobject: Sobject) -> str:
    names = [each.name for each in _fields(sobject)]
    return f"SELECT {', '.join(names)} FROM {sobject.name} ORDER BY {names[0]} ASC NULLS FIRST, Id ASC NULLS FIRST"


def _columns(sobject: Sobject) -> list[dict[str, Any]]:
    hidden = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp")
    return [
        {
            "ascendingLabel": "A-Z",
            "descendingLabel": "Z-A",
            "fieldNameOrPath": field.name,
            "hidden": field.name in hidden,
            "label": field.label,
            "searchable": field.name_field,
            "selectListItem": field.name,
            "sortDirection": None if position else "ascending",
            "sortIndex": None if position else 0,
            "sortable": True,
            "type": field.kind,
        }
        for position, field in enumerate(_fields(sobject))
    ]


def _cell(record: dict[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return {"fieldNameOrPath": name, "value": value if value is None or isinstance(value, str) else str(value)}
