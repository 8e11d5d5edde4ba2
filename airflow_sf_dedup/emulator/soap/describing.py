"""SOAP calls that describe the org: the same facts as REST's describe, as elements in the order of the WSDL."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.schema import Schema, Sobject
from airflow_sf_dedup.emulator.soap.context import Answer, Context, Operation
from airflow_sf_dedup.emulator.soap.partner_wsdl import parts
from airflow_sf_dedup.emulator.wire.describing import describe_global, describe_sobject
from airflow_sf_dedup.emulator.xml_writing import element

_ABSENT_WHEN_NULL: tuple[Any, ...] = (None, [], {})
#: The type of a fact that has facts of its own; a fact that its type has not is for REST only.
_TYPES = {
    "childRelationships": "ChildRelationship",
    "fields": "Field",
    "picklistValues": "PicklistEntry",
    "recordTypeInfos": "RecordTypeInfo",
    "supportedScopes": "ScopeInfo",
}
#: Facts that are there whether or not anything is known, with their place in the alphabet.
_SOAP_ONLY = {
    "defaultImplementation": None,
    "idEnabled": True,
    "implementedBy": None,
    "implementsInterfaces": None,
    "networkScopeFieldName": None,
}
_LISTED = "DescribeGlobalSObjectResult"
_MOST_DESCRIBED = 100


@lru_cache(maxsize=256)
def describe_result(schema: Schema, sobject: Sobject, url: str) -> str:
    facts = {**describe_sobject(schema, sobject, ""), **_urls(sobject, url)}
    given = {**_SOAP_ONLY, **{name: value for name, value in facts.items() if name not in _SOAP_ONLY}}
    always = frozenset(_SOAP_ONLY) | {"keyPrefix", *_urls(sobject, url)}
    return f"<result>{_facts(given, 'DescribeSObjectResult', always)}</result>"


def _urls(sobject: Sobject, url: str) -> dict[str, str | None]:
    return {
        "urlDetail": f"{url}/{{ID}}",
        "urlEdit": f"{url}/{{ID}}/e" if sobject.updateable else None,
        "urlNew": f"{url}/{sobject.key_prefix}/e" if sobject.createable else None,
    }


def _facts(facts: dict[str, Any], kind: str, always: frozenset[str] = frozenset()) -> str:
    known = parts(kind)
    return "".join(
        element(name, None) if value is None and name in always else _fact(name, value)
        for name, value in sorted(facts.items())
        if name in known
    )


def _fact(name: str, value: Any) -> str:
    if value in _ABSENT_WHEN_NULL:
        return ""
    if isinstance(value, list):
        return "".join(_fact(name, each) for each in value)
    return f"<{name}>{_facts(value, _TYPES[name])}</{name}>" if isinstance(value, dict) else element(name, value)


@lru_cache(maxsize=16)
def _global_result(schema: Schema) -> str:
    found = describe_global(schema, "")
    rows = [{**each, "idEnabled": True} for each in found["sobjects"]]
    shown = "".join(f"<sobjects>{_facts(each, _LISTED, frozenset({'keyPrefix'}))}</sobjects>" for each in rows)
    head = element("encoding", found["encoding"]) + element("maxBatchSize", found["maxBatchSize"])
    return f"<result>{head}{shown}</result>"


def _describe_global(context: Context) -> Answer:
    return Answer(_global_result(context.org.schema))


def _describe(context: Context) -> Answer:
    names = context.call.texts("sObjectType")
    if context.call.operation == "describeSObject":
        names = names[:1] or [""]
    if len(names) > _MOST_DESCRIBED:
        raise ApiError("EXCEEDED_MAX_SOBJECTS", f"cannot describe more than {_MOST_DESCRIBED} sObjects in one call")
    sobjects = [context.org.sobject(name.strip()) for name in names]
    results = [describe_result(context.org.schema, each, context.url) for each in sobjects]
    return Answer("".join(results), len(results))


OPERATIONS: dict[str, Operation] = {
    "describeGlobal": _describe_global,
    "describeSObject": _describe,
    "describeSObjects": _describe,
}
