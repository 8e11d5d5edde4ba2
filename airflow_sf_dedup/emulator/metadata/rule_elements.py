"""Duplicate and matching rules as the Metadata API writes them: elements in, values out, and back to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.records.boolean_logic import alternatives
from airflow_sf_dedup.emulator.records.matching import METHODS
from airflow_sf_dedup.emulator.records.schema import Schema, Sobject
from airflow_sf_dedup.emulator.rules.book import (
    ACTIVE,
    INACTIVE,
    ComparedField,
    MatchingDefinition,
    RuleBook,
    mapping_of,
)
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, MatchingRule
from airflow_sf_dedup.emulator.rules.filters import OPERATIONS, USER, FilterItem, RuleFilter
from airflow_sf_dedup.emulator.rules.records import blanks_name, method_name
from airflow_sf_dedup.emulator.xml_reading import children, text, texts
from airflow_sf_dedup.emulator.xml_writing import element as tag

_REQUIRED = ("actionOnInsert", "actionOnUpdate", "duplicateRuleMatchRules", "isActive", "masterLabel", "securityOption")
_ACTIONS = {"Allow": "allow", "Block": "block"}
_OPERATIONS = {"Alert": "alert", "Report": "report"}
_SECURITY = {"EnforceSharingRules": "enforce_sharing", "BypassSharingRules": "bypass_sharing"}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_BLANKS = {"MatchBlanks": True, "NullNotAllowed": False}
_METHODS = {method_name(name): name for name in METHODS}
_STATUSES = {ACTIVE: ACTIVE, INACTIVE: INACTIVE}
_MOST_MATCHING_RULES = 3
_MOST_ITEMS = 10
_NOT_READY = (
    "Before you can use this duplicate rule, all associated matching rules must be active and have their fields mapped"
)
#: One sobject compared with itself field by field; a rule for all records and users.
NIL_MAPPING, NIL_FILTER = tag("objectMapping", None), tag("duplicateRuleFilter", None)
Read = TypeVar("Read")


class MetadataProblem(Exception):
    """A component that is refused; ``code`` is a StatusCode of the Metadata API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def missing_component(kind: str, full_name: str) -> MetadataProblem:
    return MetadataProblem("INVALID_CROSS_REFERENCE_KEY", f"no {kind} named {full_name} found")


# --- reading ----------------------------------------------------------------------------------------------


def read_duplicate_rule(full_name: str, found: Element, book: RuleBook, schema: Schema) -> DuplicateRule:
    """The rule that an element describes, checked against the matching rules that there are.

    :raises MetadataProblem: it cannot be saved.
    """
    _require(found, (*_REQUIRED, "sortOrder"))
    sobject, name = split_name(full_name, "DuplicateRule", schema)
    active = _one_of(found, "isActive", "boolean", _FLAGS)
    old = book.duplicate.get(f"{sobject.name}.{name}")
    return DuplicateRule(
        name=name,
        label=text(found, "masterLabel") or name,
        sobject=sobject.name,
        record_id=old.record_id if old else "",
        matching=_read_links(found, sobject, book, schema, old=old, active=active),
        active=active,
        action_on_insert=_one_of(found, "actionOnInsert", "DupeActionType", _ACTIONS),
        action_on_update=_one_of(found, "actionOnUpdate", "DupeActionType", _ACTIONS),
        operations_on_insert=_operations(found, "operationsOnInsert"),
        operations_on_update=_operations(found, "operationsOnUpdate"),
        alert_text=text(found, "alertText") or DuplicateRule.alert_text,
        security=_one_of(found, "securityOption", "DupeSecurityOptionType", _SECURITY),
        description=text(found, "description"),
        sort_order=_sort_order(found, sobject, book, is_new=old is None),
        filter=_read_filter(found, sobject, schema),
    )


def split_name(full_name: str, kind: str, schema: Schema) -> tuple[Sobject, str]:
    """``Lead.Lead_Email`` as its sobject and developer name."""
    first, _, name = full_name.partition(".")
    sobject = schema.find(first)
    if sobject is None or not sobject.createable:
        raise MetadataProblem(
            "INVALID_CROSS_REFERENCE_KEY", f"In field: sobjectType - no CustomObject named {first} found"
        )
    if not name.isidentifier() or not name.isascii() or len(name) > 80:
        message = f"{kind} API Name: can only contain underscores and alphanumeric characters, not '{name}'"
        raise MetadataProblem("INVALID_FIELD", message)
    return sobject, name


def _require(found: Element, names: Iterable[str]) -> None:
    for name in names:
        if not any(len(each) or (each.text or "").strip() for each in children(found, name)):
            raise MetadataProblem("REQUIRED_FIELD_MISSING", f"Required field is missing: {name}")


def _one_of(found: Element, name: str, kind: str, choices: Mapping[str, Read]) -> Read:
    return _chosen(text(found, name) or "", kind, choices)


def _chosen(given: str, kind: str, choices: Mapping[str, Read]) -> Read:
    by_lower = {each.lower(): value for each, value in choices.items()}
    if given.lower() not in by_lower:
        raise MetadataProblem("INVALID_FIELD", f"'{given}' is not a valid value for the enum '{kind}'")
    return by_lower[given.lower()]


def _operations(found: Element, name: str) -> frozenset[str]:
    return frozenset(_chosen(each, "DupeOperation", _OPERATIONS) for each in texts(found, name))


def _sort_order(found: Element, sobject: Sobject, book: RuleBook, *, is_new: bool) -> int:
    given = text(found, "sortOrder") or ""
    last = sum(rule.sobject == sobject.name for rule in book) + is_new
    if not given.isdecimal() or not given.isascii() or len(given) > 6 or not 1 <= int(given) <= last:
        raise MetadataProblem("FIELD_INTEGRITY_EXCEPTION", "SortOrder must be in sequential order from 1.")
    return int(given)


def _read_links(
    found: Element, sobject: Sobject, book: RuleBook, schema: Schema, *, old: DuplicateRule | None, active: bool
) -> tuple[MatchingRule, ...]:
    links = [each for each in children(found, "duplicateRuleMatchRules") if len(each)]
    if not 1 <= len(links) <= _MOST_MATCHING_RULES:
        message = f"A duplicate rule has one to {_MOST_MATCHING_RULES} matching rules"
        raise MetadataProblem("LIMIT_EXCEEDED", message)
    known = old.matching if old else ()
    return tuple(_read_link(each, sobject, book, schema, known=known, active=active) for each in links)


def _read_link(
    found: Element, sobject: Sobject, book: RuleBook, schema: Schema, *, known: tuple[MatchingRule, ...], active: bool
) -> MatchingRule:
    """:param known: the rule's matching rules until now; in an org file each may use fields of its own choice."""
    _require(found, ("matchRuleSObjectType", "matchingRule"))
    target = schema.find(text(found, "matchRuleSObjectType") or "")
    name = text(found, "matchingRule") or ""
    full_name = f"{target.name if target else text(found, 'matchRuleSObjectType')}.{name}"
    matching = book.matching.get(full_name)
    if matching is None:
        message = f"In field: matchingRule - no MatchingRule named {full_name} found"
        raise MetadataProblem("INVALID_CROSS_REFERENCE_KEY", message)
    if active and matching.status != ACTIVE:
        raise MetadataProblem("FIELD_INTEGRITY_EXCEPTION", _NOT_READY)
    mapping = _read_mapping(found, sobject, matching)
    same = next((each for each in known if _links_alike(each, matching, found, mapping)), None)
    if same is None and any(each.name not in mapping for each in matching.fields):
        raise MetadataProblem("FIELD_INTEGRITY_EXCEPTION", _NOT_READY)
    return same or matching.linked(mapping)


def _links_alike(link: MatchingRule, matching: MatchingDefinition, found: Element, mapping: dict[str, str]) -> bool:
    """Whether a link that there is says what ``found`` does."""
    if (link.target, link.name) != (matching.sobject, matching.name):
        return False
    own = mapping_of(link)
    if any(children(part, "mappingFields") for part in children(found, "objectMapping")):
        return own == mapping
    return all(name == field for name, field in own.items()) and own.keys() <= mapping.keys()


def _read_mapping(found: Element, sobject: Sobject, matching: MatchingDefinition) -> dict[str, str]:
    """The field of ``sobject`` for each field of the matching rule; one sobject's own fields stand for themselves."""
    mapping = {each.name: each.name for each in matching.fields} if matching.sobject == sobject.name else {}
    for each in (field for part in children(found, "objectMapping") for field in children(part, "mappingFields")):
        given = text(each, "inputField") or ""
        own = sobject.find(given)
        if own is None:
            raise missing_component("CustomField", f"{sobject.name}.{given}")
        mapping[text(each, "outputField") or ""] = own.name
    return mapping


def _read_filter(found: Element, sobject: Sobject, schema: Schema) -> RuleFilter | None:
    for part in children(found, "duplicateRuleFilter"):
        items = children(part, "duplicateRuleFilterItems")
        ordered = sorted(items, key=lambda each: (text(each, "sortOrder") or "").rjust(6))
        read = tuple(_read_filter_item(each, sobject, schema) for each in ordered)
        if read:
            return RuleFilter(read, _logic(part, len(read)))
    return None


def _read_filter_item(found: Element, sobject: Sobject, schema: Schema) -> FilterItem:
    table = schema.find(text(found, "table") or sobject.name)
    if table is None or table.name not in (USER, sobject.name):
        message = f"Conditions on {text(found, 'table')} are not supported: only those on {USER} and {sobject.name}"
        raise MetadataProblem("INVALID_FIELD", message)
    given = text(found, "field") or ""
    field = table.find(given)
    if field is None:
        raise missing_component("CustomField", f"{table.name}.{given}")
    operation = _one_of(found, "operation", "FilterOperation", {each: each for each in OPERATIONS})
    return FilterItem(table.name, field.name, operation, text(found, "value") or "")


def _logic(found: Element, count: int) -> str | None:
    logic = text(found, "booleanFilter")
    if logic is None:
        return None
    try:
        alternatives(logic, count)
    except (ValueError, RecursionError):
        raise MetadataProblem("INVALID_FIELD", f"The filter logic '{logic}' cannot be read") from None
    return logic


def read_matching_rule(
    full_name: str, found: Element, old: MatchingDefinition | None, schema: Schema
) -> MatchingDefinition:
    """:raises MetadataProblem: it cannot be saved."""
    _require(found, ("label", "ruleStatus", "matchingRuleItems"))
    sobject, name = split_name(full_name, "MatchingRule", schema)
    items = children(found, "matchingRuleItems")
    if len(items) > _MOST_ITEMS:
        raise MetadataProblem("LIMIT_EXCEEDED", f"A matching rule has at most {_MOST_ITEMS} items")
    return MatchingDefinition(
        sobject=sobject.name,
        name=name,
        label=text(found, "label") or name,
        record_id=old.record_id if old else "",
        fields=tuple(_read_item(each, sobject) for each in items),
        logic=_logic(found, len(items)),
        status=_one_of(found, "ruleStatus", "MatchingRuleStatus", _STATUSES),
        description=text(found, "description"),
        threshold=old.threshold if old else 0.0,
    )


def _read_item(found: Element, sobject: Sobject) -> ComparedField:
    _require(found, ("fieldName", "matchingMethod"))
    given = text(found, "fieldName") or ""
    field = sobject.find(given)
    if field is None:
        message = f"In field: fieldName - no CustomField named {sobject.name}.{given} found"
        raise MetadataProblem("INVALID_CROSS_REFERENCE_KEY", message)
    blanks = text(found, "blankValueBehavior")
    return ComparedField(
        field.name,
        _one_of(found, "matchingMethod", "MatchingMethod", _METHODS),
        blanks is not None and _chosen(blanks, "BlankValueBehavior", _BLANKS),
    )


# --- writing ----------------------------------------------------------------------------------------------


def _key(choices: Mapping[str, Any], value: Any) -> str:
    return next(name for name, each in choices.items() if each == value)


def duplicate_rule_xml(rule: DuplicateRule) -> str:
    """The content of a DuplicateRule element, in the order of the WSDL."""
    return "".join(
        [
            tag("actionOnInsert", _key(_ACTIONS, rule.action_on_insert)),
            tag("actionOnUpdate", _key(_ACTIONS, rule.action_on_update)),
            tag("alertText", rule.alert_text),
            tag("description", rule.description),
            _filter_xml(rule.filter),
            *(_link_xml(rule, each) for each in rule.matching),
            tag("isActive", rule.active),
            tag("masterLabel", rule.label),
            *_operations_xml("operationsOnInsert", rule.operations_on_insert),
            *_operations_xml("operationsOnUpdate", rule.operations_on_update),
            tag("securityOption", _key(_SECURITY, rule.security)),
            tag("sortOrder", rule.sort_order),
        ]
    )


def _operations_xml(name: str, operations: frozenset[str]) -> list[str]:
    return [tag(name, _key(_OPERATIONS, each)) for each in sorted(operations)]


def _filter_xml(found: RuleFilter | None) -> str:
    if found is None:
        return NIL_FILTER
    items = "".join(
        "<duplicateRuleFilterItems>"
        f"{tag('field', each.field)}{tag('operation', each.operation)}{tag('value', each.value)}"
        f"{tag('sortOrder', place)}{tag('table', each.table)}</duplicateRuleFilterItems>"
        for place, each in enumerate(found.items, start=1)
    )
    return f"<duplicateRuleFilter>{tag('booleanFilter', found.logic)}{items}</duplicateRuleFilter>"


def _link_xml(rule: DuplicateRule, matching: MatchingRule) -> str:
    mapping = mapping_of(matching)
    plain = rule.sobject == matching.target and all(name == own for name, own in mapping.items())
    fields = "".join(
        f"<mappingFields>{tag('inputField', own)}{tag('outputField', name)}</mappingFields>"
        for name, own in mapping.items()
    )
    objects = tag("inputObject", rule.sobject), tag("outputObject", matching.target)
    mapped = f"<objectMapping>{objects[0]}{fields}{objects[1]}</objectMapping>"
    return (
        f"<duplicateRuleMatchRules>{tag('matchRuleSObjectType', matching.target)}{tag('matchingRule', matching.name)}"
        f"{NIL_MAPPING if plain else mapped}</duplicateRuleMatchRules>"
    )


def matching_rule_xml(matching: MatchingDefinition) -> str:
    """The content of a MatchingRule element behind its full name."""
    optional = {"booleanFilter": matching.logic, "description": matching.description}
    items = "".join(
        f"<matchingRuleItems>{tag('blankValueBehavior', blanks_name(match_blanks=each.match_blanks))}"
        f"{tag('fieldName', each.name)}{tag('matchingMethod', method_name(each.method))}</matchingRuleItems>"
        for each in matching.fields
    )
    shown = "".join(tag(name, value) for name, value in optional.items() if value is not None)
    return f"{shown}{tag('label', matching.label)}{items}{tag('ruleStatus', matching.status)}"
