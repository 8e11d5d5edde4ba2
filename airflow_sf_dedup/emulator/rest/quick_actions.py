"""Quick actions: the global ones that every org has for the sobjects it has. To execute one is to create a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.drafts import read_json
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.rest.describe import describe_field
from airflow_sf_dedup.emulator.rest.headers import save_options
from airflow_sf_dedup.emulator.rest.records import refused
from airflow_sf_dedup.emulator.results import Refused
from airflow_sf_dedup.emulator.saving.saving import save
from airflow_sf_dedup.emulator.saving.targets import Create


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    label: str
    sobject: str
    kind: str
    #: The fields of its page, those of them that the sobject has.
    fields: tuple[str, ...]


_DEAL = ("Name", "AccountId", "CloseDate", "StageName")
_ACTIONS = (
    Action("LogACall", "Log a Call", "Task", "LogACall", ("Subject", "Description", "WhoId", "WhatId")),
    Action("NewTask", "New Task", "Task", "Create", ("Subject", "ActivityDate", "Status", "WhoId", "WhatId")),
    Action("NewCase", "New Case", "Case", "Create", ("ContactId", "Status", "Subject", "Description")),
    Action("NewLead", "New Lead", "Lead", "Create", ("FirstName", "LastName", "Company", "Email", "Phone")),
    Action("NewAccount", "New Account", "Account", "Create", ("Name", "Phone", "Website")),
    Action("NewContact", "New Contact", "Contact", "Create", ("FirstName", "LastName", "Email", "Phone", "AccountId")),
    Action(
        "NewOpportunity", "New Opportunity", "Opportunity", "Create", ("Name", "AccountId", "CloseDate", "StageName")
    ),
)


def global_actions(call: Call) -> Response:
    return Response(200, [_listed(call, each, call.root) for each in _present(call)])


def actions_of(call: Call, name: str) -> Response:
    sobject = _sobject(call, name)
    here = f"{call.root}/sobjects/{sobject.name}"
    return Response(200, [_listed(call, each, here) for each in _present(call)])


def quick_action_list(call: Call, sobject: Sobject) -> list[dict[str, Any]]:
    """For the layout of a sobject."""
    here = f"{call.root}/sobjects/{sobject.name}"
    return [
        {
            "accessLevelRequired": None,
            "colors": [],
            "iconUrl": None,
            "icons": [],
            "label": each.label,
            "miniIconUrl": None,
            "quickActionName": each.name,
            "targetSobjectType": each.sobject,
            "type": each.kind,
            "urls": _urls(each, here),
        }
        for each in _present(call)
    ]


def describe(call: Call, *names: str) -> Response:
    """Of a global action, or of one of a sobject: ``(action)`` or ``(sobject, action)``."""
    action, here = _found(call, names)
    sobject = call.org.sobject(action.sobject)
    items = [
        {
            "editableForNew": field.createable,
            "editableForUpdate": False,
            "label": field.label,
            "layoutComponents": [{"details": describe_field(field), "type": "Field", "value": field.name}],
            "placeholder": False,
            "required": not field.nillable,
        }
        for field in _fields(action, sobject)
    ]
    rows = [{"layoutItems": [each], "numItems": 1} for each in items]
    return Response(
        200,
        {
            **_listed(call, action, here),
            "accessLevelRequired": None,
            "canvasApplicationName": None,
            "colors": [],
            "contextSobjectType": names[0] if len(names) > 1 else None,
            "defaultValues": None,
            "height": None,
            "iconName": None,
            "iconUrl": None,
            "icons": [],
            "layout": {"layoutRows": rows, "name": action.name},
            "miniIconUrl": None,
            "showQuickActionLcHeader": False,
            "showQuickActionVfHeader": False,
            "targetParentField": None,
            "targetRecordTypeId": None,
            "targetSobjectType": sobject.name,
            "visualforcePageName": None,
            "visualforcePageUrl": None,
            "width": None,
        },
    )


def defaults(call: Call, *names: str) -> Response:
    return _defaults(call, names, None)


def global_defaults_for(call: Call, action: str, context_id: str) -> Response:
    return _defaults(call, (action,), context_id)


def defaults_for(call: Call, name: str, action: str, context_id: str) -> Response:
    return _defaults(call, (name, action), context_id)


def execute(call: Call, *names: str) -> Response:
    """:raises ApiError: the context is no record of this org."""
    action, _ = _found(call, names)
    body = call.request.json_object()
    given, context_id = body.get("record") or {}, body.get("contextId")
    if not isinstance(given, dict) or not (context_id is None or isinstance(context_id, str)):
        raise ApiError("JSON_PARSER_ERROR", "record should be an object and contextId a text")
    sobject = call.org.sobject(action.sobject)
    around = _context(call, sobject, context_id) if context_id else {}
    draft = read_json(sobject, {**around, **_closed(action), **given})
    if "Id" in draft.values:
        raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    (result,) = save(call.org, [draft], Create(), save_options(call))
    if isinstance(result, Refused):
        return refused(call, result)
    shown: dict[str, Any] = {
        "contextId": context_id,
        "created": True,
        "errors": [],
        "feedItemId": None,
        "feedItemIds": [],
        "id": result.record_id,
        "success": True,
        "successMessage": None,
        "warnings": [],
    }
    return Response(201, shown, rows=1)


def _closed(action: Action) -> dict[str, str]:
    """A call that is logged is over."""
    return {"Status": "Completed"} if action.kind == "LogACall" else {}


def _defaults(call: Call, names: tuple[str, ...], context_id: str | None) -> Response:
    action, _ = _found(call, names)
    sobject = call.org.sobject(action.sobject)
    values = {each.name: each.default for each in _fields(action, sobject)}
    around = _context(call, sobject, context_id) if context_id else {}
    attributes = {"type": sobject.name}
    return Response(200, {"attributes": attributes, **values, **{k: v for k, v in around.items() if k in values}})


def _context(call: Call, sobject: Sobject, context_id: str) -> dict[str, Any]:
    """The reference through which a new record belongs to the record that the action is executed on."""
    found = call.org.schema.of_id(context_id)
    record = call.org.table(found.name).live(context_id) if found else None
    if found is None or record is None:
        raise not_found()
    field = next(
        (each for each in sobject.fields.values() if found.name in each.reference_to and each.createable), None
    )
    return {field.name: context_id} if field else {}


def _present(call: Call) -> list[Action]:
    return [each for each in _ACTIONS if call.org.schema.find(each.sobject)]


def _sobject(call: Call, name: str) -> Sobject:
    found = call.org.schema.find(name)
    if found is None:
        raise not_found()
    return found


def _found(call: Call, names: tuple[str, ...]) -> tuple[Action, str]:
    here = f"{call.root}/sobjects/{_sobject(call, names[0]).name}" if len(names) > 1 else call.root
    action = next((each for each in _present(call) if each.name.lower() == names[-1].lower()), None)
    if action is None:
        raise not_found()
    return action, here


def _fields(action: Action, sobject: Sobject) -> list[Field]:
    return [sobject.fields[each] for each in action.fields if each in sobject.fields]


def _urls(action: Action, here: str) -> dict[str, str]:
    url = f"{here}/quickActions/{action.name}"
    return {
        "defaultValues": f"{url}/defaultValues",
        "defaultValuesTemplate": f"{url}/defaultValues/{{ID}}",
        "describe": f"{url}/describe",
        "quickAction": url,
    }


def _listed(call: Call, action: Action, here: str) -> dict[str, Any]:
    return {"label": action.label, "name": action.name, "type": action.kind, "urls": _urls(action, here)}
