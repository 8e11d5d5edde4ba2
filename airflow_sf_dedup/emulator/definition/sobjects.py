"""The ``sobjects`` section of an org file as a schema: own fields plus those that every sobject has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_sf_dedup.emulator.definition.fields import label_of, plural_of, read_field
from airflow_sf_dedup.emulator.errors import OrgFileError
from airflow_sf_dedup.emulator.records.addresses import with_addresses
from airflow_sf_dedup.emulator.records.schema import Field, Schema, Sobject
from airflow_sf_dedup.emulator.suggesting import did_you_mean, no_such

_SYSTEM_FIELDS = {
    "IsDeleted": "checkbox read_only label(Deleted)",
    "CreatedDate": "datetime read_only",
    "CreatedById": "reference(User) read_only relationship(CreatedBy)",
    "LastModifiedDate": "datetime read_only",
    "LastModifiedById": "reference(User) read_only relationship(LastModifiedBy)",
    "SystemModstamp": "datetime read_only",
}
_OWNED = {"OwnerId": "reference(User) relationship(Owner)"}
_MERGEABLE = {"MasterRecordId": "reference({name}) relationship(MasterRecord) read_only label(Master Record ID)"}
_RECORD_TYPED = {"RecordTypeId": "reference(RecordType) relationship(RecordType)"}

_FLAGS = ("createable", "updateable", "deletable", "queryable", "mergeable")
_LISTS = ("compact_layout", "name_parts", "record_types")
_SETTINGS = ("key_prefix", "label", "label_plural", "fields", *_FLAGS, *_LISTS)
_WITHOUT_OWNER = frozenset(
    {
        "User",
        "Profile",
        "UserRole",
        "Organization",
        "DuplicateRule",
        "MatchingRule",
        "MatchingRuleItem",
        "DuplicateRecordItem",
        "CampaignMember",
        "CaseComment",
        "RecordType",
        "Product2",
    }
)


def read_schema(system: Mapping[str, Any], own: Mapping[str, Any]) -> Schema:
    """:raises OrgFileError: naming the setting."""
    sobjects: dict[str, Sobject] = {}
    for name, settings in {**system, **own}.items():
        setting = f"sobjects.{name}"
        if not isinstance(settings, Mapping):
            raise OrgFileError(setting, "should be a mapping")
        sobjects[name] = _read_sobject(name, _merged(system.get(name), settings), len(sobjects))
    _check_prefixes(sobjects)
    own_names = tuple(name for name in own if name not in system)
    return Schema({name: _with_known_parents(each, sobjects, own_names) for name, each in sobjects.items()})


def _merged(system: Mapping[str, Any] | None, own: Mapping[str, Any]) -> dict[str, Any]:
    if system is None or system is own:
        return dict(own)
    return {**system, **own, "fields": {**system.get("fields", {}), **(own.get("fields") or {})}}


def _read_sobject(name: str, settings: Mapping[str, Any], number: int) -> Sobject:
    setting = f"sobjects.{name}"
    for each in settings:
        if each not in _SETTINGS:
            raise OrgFileError(f"{setting}.{each}", no_such("setting", each, _SETTINGS))
    fields = _read_fields(name, settings, setting)
    label = str(settings.get("label", label_of(name)))
    return Sobject(
        name=name,
        label=label,
        label_plural=str(settings.get("label_plural", plural_of(label))),
        key_prefix=_read_prefix(settings.get("key_prefix"), number, setting),
        fields=fields,
        **_options(settings, setting),
    )


def _options(settings: Mapping[str, Any], setting: str) -> dict[str, Any]:
    flags = {flag: bool(settings[flag]) for flag in _FLAGS if flag in settings}
    lists = {each: _read_names(settings[each], f"{setting}.{each}") for each in _LISTS if each in settings}
    return flags | lists


def _read_names(names: Any, setting: str) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise OrgFileError(setting, "should be a list of names")
    return tuple(str(name) for name in names)


def _read_prefix(prefix: Any, number: int, setting: str) -> str:
    text = f"a{number:02d}" if prefix is None else str(prefix)
    if len(text) != 3 or not text.isalnum():
        raise OrgFileError(f"{setting}.key_prefix", f"{prefix!r} should be three letters or digits, in quotes")
    return text


def _read_fields(name: str, settings: Mapping[str, Any], setting: str) -> dict[str, Field]:
    own = settings.get("fields") or {}
    if not isinstance(own, Mapping):
        raise OrgFileError(f"{setting}.fields", "should be a mapping of field names to specs")
    specs = _standard_specs(name, settings) | dict(own)
    fields = {each: read_field(each, spec, f"{setting}.fields.{each}") for each, spec in specs.items()}
    fields["Id"] = replace(fields["Id"], label=f"{label_of(name)} ID", id_lookup=False)
    if not name.endswith("__c"):
        fields = with_addresses(fields)
    if settings.get("name_parts"):
        fields["Name"] = _compound_name(settings["name_parts"], fields, setting)
        fields |= {part: replace(fields[part], compound="Name") for part in settings["name_parts"]}
    elif not any(each.name_field for each in fields.values()) and "Name" in fields:
        fields["Name"] = replace(fields["Name"], name_field=True)
    if name.endswith("__c") and "Name" in fields:
        fields["Name"] = replace(fields["Name"], id_lookup=True)
    return fields


def _standard_specs(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    specs = {"Id": "id read_only required"} | _SYSTEM_FIELDS
    if name not in _WITHOUT_OWNER:
        specs |= _OWNED
    if settings.get("mergeable"):
        specs |= {each: spec.format(name=name) for each, spec in _MERGEABLE.items()}
    if settings.get("record_types"):
        specs |= _RECORD_TYPED
    return specs


def _compound_name(parts: list[str], fields: Mapping[str, Field], setting: str) -> Field:
    for part in parts:
        if part not in fields:
            raise OrgFileError(f"{setting}.name_parts", f"no field {part!r}{did_you_mean(part, fields)}")
    length = sum(fields[part].length for part in parts) + len(parts) - 1
    return Field(
        "Name", "Full Name", "string", length, nillable=False, createable=False, updateable=False, name_field=True
    )


def _check_prefixes(sobjects: Mapping[str, Sobject]) -> None:
    seen: dict[str, str] = {}
    for name, sobject in sobjects.items():
        other = seen.setdefault(sobject.key_prefix, name)
        if other != name:
            raise OrgFileError(f"sobjects.{name}.key_prefix", f"{sobject.key_prefix} is {other}'s already")


def _with_known_parents(sobject: Sobject, sobjects: Mapping[str, Sobject], any_of: tuple[str, ...]) -> Sobject:
    """References to sobjects that this org does not have lose those targets.

    :param any_of: what a reference to ``*`` can point at.
    """
    fields = {
        name: replace(each, reference_to=_known(each.reference_to, sobjects, any_of))
        for name, each in sobject.fields.items()
    }
    return replace(sobject, fields=fields)


def _known(names: tuple[str, ...], sobjects: Mapping[str, Sobject], any_of: tuple[str, ...]) -> tuple[str, ...]:
    return any_of if names == ("*",) else tuple(name for name in names if name in sobjects)
