"""The org's sObjects as the Metadata API shows them, for looking at them: CustomObject and CustomField."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_sf_dedup.emulator.records.schema import Field, Schema, Sobject

CUSTOM_OBJECT, CUSTOM_FIELD = "CustomObject", "CustomField"
SHOWN = (CUSTOM_OBJECT, CUSTOM_FIELD)
#: From this version on the values of standard picklists have a type of their own, StandardValueSet.
_VALUE_SETS = 38.0
_TYPES = {
    "string": "Text",
    "textarea": "TextArea",
    "email": "Email",
    "phone": "Phone",
    "url": "Url",
    "picklist": "Picklist",
    "multipicklist": "MultiselectPicklist",
    "boolean": "Checkbox",
    "int": "Number",
    "double": "Number",
    "currency": "Currency",
    "percent": "Percent",
    "date": "Date",
    "datetime": "DateTime",
    "time": "Time",
    "reference": "Lookup",
    "address": "Address",
}


def names(schema: Schema, kind: str) -> list[str]:
    """Of all components; of fields, as in Salesforce, only of the custom ones."""
    if kind == CUSTOM_OBJECT:
        return list(schema.sobjects)
    return [
        f"{sobject.name}.{field.name}"
        for sobject in schema.sobjects.values()
        for field in sobject.fields.values()
        if field.custom
    ]


def shown(schema: Schema, kind: str, full_name: str, version: float) -> dict[str, Any] | None:
    """A component by its name, as a mapping in the order of its elements; None if there is none."""
    name, _, field_name = full_name.partition(".")
    sobject = schema.find(name)
    if sobject is None:
        return None
    if kind == CUSTOM_OBJECT:
        return None if field_name else {"fullName": sobject.name, **_object(sobject, version)}
    field = sobject.find(field_name)
    if field is None or field.kind not in _TYPES:
        return None
    return {"fullName": f"{sobject.name}.{field.name}", **_field(field, version)}


def _object(sobject: Sobject, version: float) -> dict[str, Any]:
    fields = [each for each in sobject.fields.values() if each.kind in _TYPES and _described(sobject, each)]
    found: dict[str, Any] = {"fields": [{"fullName": each.name, **_field(each, version)} for each in fields]}
    if sobject.custom:
        name = next((each for each in sobject.fields.values() if each.name_field), None)
        found |= {"deploymentStatus": "Deployed", "label": sobject.label}
        if name is not None:
            found["nameField"] = {"label": name.label, "type": "AutoNumber" if name.auto_number else "Text"}
        found |= {"pluralLabel": sobject.label_plural, "sharingModel": "ReadWrite"}
    return found


def _described(sobject: Sobject, field: Field) -> bool:
    """Custom objects show their custom fields alone."""
    return field.custom or not sobject.custom


def _field(field: Field, version: float) -> dict[str, Any]:
    return dict(sorted({**_own_settings(field), **_picklist(field, version), "type": _type(field)}.items()))


def _own_settings(field: Field) -> dict[str, Any]:
    """What only custom fields say of themselves."""
    if not field.custom:
        return {}
    found: dict[str, Any] = {"externalId": field.external_id, "label": field.label, "required": not field.nillable}
    if _type(field) in ("Text", "LongTextArea"):
        found["length"] = field.length
    if field.precision:
        found |= {"precision": field.precision, "scale": field.scale}
    if field.unique:
        found |= {"caseSensitive": field.case_sensitive, "unique": True}
    if field.reference_to:
        found |= {"referenceTo": field.reference_to[0], "relationshipName": field.children_name}
    if field.kind == "boolean":
        found["defaultValue"] = bool(field.default)
    return found


def _type(field: Field) -> str:
    if field.auto_number:
        return "AutoNumber"
    if field.long_text:
        return "LongTextArea"
    if field.kind == "reference" and not field.nillable and field.on_delete == "cascade":
        return "MasterDetail"
    return _TYPES[field.kind]


def _picklist(field: Field, version: float) -> dict[str, Any]:
    if not field.values:
        return {}
    if version >= _VALUE_SETS:
        definition = {"sorted": False, "value": list(_values(field, with_label=True))}
        return {"valueSet": {"restricted": field.restricted, "valueSetDefinition": definition}} if field.custom else {}
    return {"picklist": {"picklistValues": list(_values(field, with_label=False)), "sorted": False}}


def _values(field: Field, *, with_label: bool) -> Iterator[dict[str, Any]]:
    for value in field.values:
        found: dict[str, Any] = {"fullName": value, "default": value == field.default}
        if with_label:
            found["label"] = value
        if field.converted:
            found["converted"] = value in field.converted
        yield found
