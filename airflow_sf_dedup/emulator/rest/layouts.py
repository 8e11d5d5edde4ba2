"""How a record is laid out on a page. One layout for all record types: every field that can be seen, two in a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.rest.conditions import described
from airflow_sf_dedup.emulator.rest.describe import describe_field, record_types
from airflow_sf_dedup.emulator.rest.quick_actions import quick_action_list

_LAYOUT, _COMPACT = "00h", "0AH"
_COLUMNS = 2
#: Named layouts that Salesforce itself brings.
_NAMED = {"User": ("UserAlt",)}
_MOST_SOBJECTS = 100


def layouts(call: Call, name: str) -> Response:
    sobject = _sobject(call, name)
    return described(call, _described(call, sobject))


def layout_of_record_type(call: Call, name: str, record_type_id: str) -> Response:
    sobject = _sobject(call, name)
    try:
        wanted = to_18(record_type_id)
    except ValueError:
        raise not_found() from None
    if wanted not in [each["recordTypeId"] for each in record_types(sobject)]:
        raise not_found()
    return described(call, _layout(call, sobject))


def named_layout(call: Call, name: str, layout: str) -> Response:
    sobject = _sobject(call, name)
    if layout not in _NAMED.get(sobject.name, ()):
        raise not_found()
    return described(call, _described(call, sobject))


def approval_layouts(call: Call, name: str) -> Response:
    """There is no approval process, so there is no layout of one."""
    _sobject(call, name)
    return Response(200, {"approvalLayouts": []})


def compact_layouts(call: Call, name: str) -> Response:
    return described(call, _compact_layouts(call, _sobject(call, name)))


def primary_compact_layouts(call: Call) -> Response:
    """``/compactLayouts?q=Account,Lead``: the primary one of each."""
    names = [each.strip() for each in call.request.query.get("q", "").split(",") if each.strip()]
    if not names or len(names) > _MOST_SOBJECTS:
        raise ApiError("INVALID_PARAMETER", f"q should name 1 to {_MOST_SOBJECTS} sObjects")
    found = [call.org.sobject(each) for each in names]
    return Response(200, {each.name: _compact_layout(call, each) for each in found})


def _sobject(call: Call, name: str) -> Sobject:
    found = call.org.schema.find(name)
    if found is None:
        raise not_found()
    return found


def _number(call: Call, sobject: Sobject) -> int:
    return list(call.org.schema.sobjects).index(sobject.name) + 1


def _described(call: Call, sobject: Sobject) -> dict[str, Any]:
    here = f"{call.root}/sobjects/{sobject.name}/describe/layouts"
    mappings = [
        {
            "active": each["active"],
            "available": each["available"],
            "defaultRecordTypeMapping": each["defaultRecordTypeMapping"],
            "developerName": each["developerName"],
            "layoutId": make_id(_LAYOUT, _number(call, sobject)),
            "master": each["master"],
            "name": each["name"],
            "picklistsForRecordType": [],
            "recordTypeId": each["recordTypeId"],
            "urls": {"layout": f"{here}/{each['recordTypeId']}"},
        }
        for each in record_types(sobject)
    ]
    selector = [bool(sobject.record_types)]
    return {
        "layouts": [_layout(call, sobject)],
        "recordTypeMappings": mappings,
        "recordTypeSelectorRequired": selector,
    }


def _layout(call: Call, sobject: Sobject) -> dict[str, Any]:
    shown = [each for each in sobject.fields.values() if each.kind != "id"]
    edited = [each for each in shown if each.createable or each.updateable]
    return {
        "buttonLayoutSection": {"detailButtons": []},
        "detailLayoutSections": [_section(sobject, shown)],
        "editLayoutSections": [_section(sobject, edited)],
        "feedView": None,
        "highlightsPanelLayoutSection": None,
        "id": make_id(_LAYOUT, _number(call, sobject)),
        "multirowEditLayoutSections": [],
        "offlineLinks": [],
        "quickActionList": {"quickActionListItems": quick_action_list(call, sobject)},
        "relatedContent": None,
        "relatedLists": [],
        "saveOptions": [],
    }


def _section(sobject: Sobject, fields: Iterable[Field]) -> dict[str, Any]:
    items = [_item(each) for each in fields]
    rows = [
        {"layoutItems": items[at : at + _COLUMNS], "numItems": len(items[at : at + _COLUMNS])}
        for at in range(0, len(items), _COLUMNS)
    ]
    return {
        "collapsed": False,
        "columns": _COLUMNS,
        "heading": f"{sobject.label} Information",
        "layoutRows": rows,
        "layoutSectionId": None,
        "parentLayoutId": None,
        "rows": len(rows),
        "tabOrder": "LeftToRight",
        "useCollapsibleSection": False,
        "useHeading": True,
    }


def _item(field: Field) -> dict[str, Any]:
    component = {
        "details": describe_field(field),
        "displayLines": 1,
        "tabOrder": 1,
        "type": "Field",
        "value": field.name,
    }
    return {
        "editableForNew": field.createable,
        "editableForUpdate": field.updateable,
        "label": field.label,
        "layoutComponents": [component],
        "placeholder": False,
        "required": not field.nillable and field.createable and field.kind != "boolean",
    }


def _compact_layouts(call: Call, sobject: Sobject) -> dict[str, Any]:
    layout = _compact_layout(call, sobject)
    mappings = [
        {
            "available": each["available"],
            "compactLayoutId": layout["id"],
            "compactLayoutName": layout["name"],
            "recordTypeId": each["recordTypeId"],
            "recordTypeName": each["name"],
            "urls": {"compactLayout": f"{call.root}/sobjects/{sobject.name}/describe/compactLayouts"},
        }
        for each in record_types(sobject)
    ]
    return {
        "compactLayouts": [layout],
        "defaultCompactLayoutId": layout["id"],
        "recordTypeCompactLayoutMappings": mappings,
        "urls": {"primary": f"{call.root}/sobjects/{sobject.name}/describe/compactLayouts/primary"},
    }


def _compact_layout(call: Call, sobject: Sobject) -> dict[str, Any]:
    fields = [found for found in (sobject.find(each) for each in sobject.compact_layout) if found]
    return {
        "actions": [],
        "fieldItems": [_item(each) for each in fields],
        "id": make_id(_COMPACT, _number(call, sobject)),
        "imageItems": [],
        "label": "System Default",
        "name": "SYSTEM",
        "objectType": sobject.name,
    }
