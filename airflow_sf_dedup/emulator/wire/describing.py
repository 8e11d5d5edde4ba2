"""Describe documents, in the form REST gives them. Built once for each sObject and version."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from airflow_sf_dedup.emulator.records.child_relationships import child_relationships
from airflow_sf_dedup.emulator.records.schema import TEXT_KINDS, Field, Schema, Sobject
from airflow_sf_dedup.emulator.records.store import record_type_id

_SOAP_TYPES = {
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
    "id": "tns:ID",
    "reference": "tns:ID",
    "address": "urn:address",
}


@lru_cache(maxsize=1024)
def describe_sobject(schema: Schema, sobject: Sobject, root: str) -> dict[str, Any]:
    return sobject_info(sobject, root) | {
        "actionOverrides": [],
        "childRelationships": _child_relationships(schema, sobject),
        "compactLayoutable": True,
        "fields": [describe_field(field) for field in sobject.fields.values()],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": record_types(sobject),
        "searchLayoutable": True,
        "supportedScopes": [{"label": f"All {sobject.label_plural}", "name": "everything"}],
    }


@lru_cache(maxsize=64)
def describe_global(schema: Schema, root: str) -> dict[str, Any]:
    infos = [sobject_info(sobject, root) for sobject in schema]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": infos}


def sobject_info(sobject: Sobject, root: str) -> dict[str, Any]:
    """What the list of sObjects says about one."""
    here = f"{root}/sobjects/{sobject.name}"
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": sobject.createable,
        "custom": sobject.custom,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": sobject.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.label_plural,
        "layoutable": True,
        "mergeable": sobject.mergeable,
        "mruEnabled": True,
        "name": sobject.name,
        "queryable": sobject.queryable,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "triggerable": True,
        "undeletable": sobject.deletable,
        "updateable": sobject.updateable,
        "urls": {
            "describe": f"{here}/describe",
            "rowTemplate": f"{here}/{{ID}}",
            "sobject": here,
        },
    }


def describe_field(field: Field) -> dict[str, Any]:
    text = field.kind in TEXT_KINDS
    return {
        "aggregatable": field.aggregatable,
        "aiPredictionField": False,
        "autoNumber": field.auto_number,
        "byteLength": field.length * 3 if text else field.length,
        "calculated": field.calculated,
        "calculatedFormula": None,
        "cascadeDelete": field.on_delete == "cascade",
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound,
        "controllerName": None,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": field.default if field.kind != "boolean" else bool(field.default),
        "defaultValueFormula": None,
        "defaultedOnCreate": field.default is not None or field.kind == "boolean" or _given_by_the_org(field),
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": field.precision if field.kind == "int" else 0,
        "displayLocationInDecimal": False,
        "encrypted": False,
        "externalId": field.external_id,
        "extraTypeInfo": None,
        "filterable": field.filterable,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": field.groupable,
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": field.id_lookup or field.kind == "id",
        "inlineHelpText": None,
        "label": field.label,
        "length": field.length,
        "mask": None,
        "maskType": None,
        "name": field.name,
        "nameField": field.name_field,
        "namePointing": len(field.reference_to) > 1,
        "nillable": field.nillable,
        "permissionable": field.nillable and field.createable,
        "picklistValues": [_picklist_value(field, value) for value in field.values],
        "polymorphicForeignKey": len(field.reference_to) > 1,
        "precision": field.precision if field.kind != "int" else 0,
        "queryByDistance": False,
        "referenceTargetField": None,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship_name,
        "relationshipOrder": None,
        "restrictedDelete": field.on_delete == "restrict",
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "searchPrefilterable": field.kind == "reference",
        "soapType": _SOAP_TYPES.get(field.kind, "xsd:string"),
        "sortable": field.sortable,
        "type": field.kind,
        "unique": field.unique,
        "updateable": field.updateable,
        "writeRequiresMasterRead": False,
    }


def _given_by_the_org(field: Field) -> bool:
    return field.auto_number or field.name == "OwnerId" or not (field.createable or field.nillable)


def _picklist_value(field: Field, value: str) -> dict[str, Any]:
    return {
        "active": True,
        "defaultValue": value == field.default,
        "label": value,
        "validFor": None,
        "value": value,
    }


def _child_relationships(schema: Schema, sobject: Sobject) -> list[dict[str, Any]]:
    return [
        {
            "cascadeDelete": each.field.on_delete == "cascade",
            "childSObject": each.sobject.name,
            "deprecatedAndHidden": False,
            "field": each.field.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": each.name,
            "restrictedDelete": each.field.on_delete == "restrict",
        }
        for each in child_relationships(schema, sobject)
    ]


def record_types(sobject: Sobject) -> list[dict[str, Any]]:
    names = ("Master", *sobject.record_types)
    return [
        {
            "active": True,
            "available": True,
            "defaultRecordTypeMapping": position == 0,
            "developerName": name.replace(" ", "_"),
            "master": position == 0,
            "name": name,
            "recordTypeId": record_type_id(sobject, position),
            "urls": {},
        }
        for position, name in enumerate(names)
    ]
