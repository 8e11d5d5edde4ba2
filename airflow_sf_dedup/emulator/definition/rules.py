"""The ``duplicate_rules`` section of an org file as rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_sf_dedup.emulator.definition.fields import label_of
from airflow_sf_dedup.emulator.errors import OrgFileError
from airflow_sf_dedup.emulator.records.boolean_logic import all_of, alternatives
from airflow_sf_dedup.emulator.records.matching import METHODS
from airflow_sf_dedup.emulator.records.schema import Schema, Sobject
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, MatchingRule, MatchItem
from airflow_sf_dedup.emulator.rules.filters import OPERATIONS, USER, FilterItem, RuleFilter
from airflow_sf_dedup.emulator.suggesting import did_you_mean, no_such

_RULE = (
    "sobject",
    "label",
    "active",
    "action_on_insert",
    "action_on_update",
    "operations_on_insert",
    "operations_on_update",
    "alert_text",
    "security",
    "matching",
    "description",
    "filter",
    "filter_logic",
)
_MATCHING = ("rule", "label", "target", "fields", "logic", "threshold")
_ITEM = ("method", "target", "match_blanks")
_FILTER_ITEM = ("table", "field", "operation", "value")
_SECURITY = ("enforce_sharing", "bypass_sharing")
_ACTIONS = ("block", "allow")
_OPERATIONS = ("alert", "report")
#: Salesforce: at most five active duplicate rules a sobject, at most three matching rules a duplicate rule.
_MOST_RULES = 5
_MOST_MATCHING_RULES = 3


def read_duplicate_rules(settings: Mapping[str, Any], schema: Schema) -> tuple[DuplicateRule, ...]:
    """:raises OrgFileError: naming the setting."""
    rules = _in_order(
        _read_rule(name, _mapping(rule, f"duplicate_rules.{name}", _RULE), number, schema)
        for number, (name, rule) in enumerate(settings.items(), start=1)
    )
    for sobject in {rule.sobject for rule in rules}:
        if sum(rule.active for rule in rules if rule.sobject == sobject) > _MOST_RULES:
            raise OrgFileError("duplicate_rules", f"more than {_MOST_RULES} active rules for {sobject}")
    return rules


def _in_order(rules: Iterable[DuplicateRule]) -> tuple[DuplicateRule, ...]:
    """The rules of each sobject numbered in the order of the file."""
    places: Counter[str] = Counter()
    placed = []
    for rule in rules:
        places[rule.sobject] += 1
        placed.append(replace(rule, sort_order=places[rule.sobject]))
    return tuple(placed)


def _mapping(found: Any, setting: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise OrgFileError(setting, "should be a mapping")
    for name in found:
        if name not in known:
            raise OrgFileError(f"{setting}.{name}", no_such("setting", name, known))
    return found


def _read_rule(name: str, settings: Mapping[str, Any], number: int, schema: Schema) -> DuplicateRule:
    setting = f"duplicate_rules.{name}"
    sobject = _sobject(settings.get("sobject"), f"{setting}.sobject", schema)
    matching = settings.get("matching")
    if not isinstance(matching, list) or not 1 <= len(matching) <= _MOST_MATCHING_RULES:
        raise OrgFileError(f"{setting}.matching", f"should list one to {_MOST_MATCHING_RULES} matching rules")
    return DuplicateRule(
        name=name,
        label=str(settings.get("label", label_of(name))),
        sobject=sobject.name,
        record_id=make_id("0Bm", number),
        matching=tuple(
            _read_matching(f"{name}_Match_{position}", each, f"{setting}.matching[{position}]", sobject, schema)
            for position, each in enumerate(matching)
        ),
        active=bool(settings.get("active", True)),
        alert_text=str(settings.get("alert_text", DuplicateRule.alert_text)),
        security=_one_of(settings.get("security", DuplicateRule.security), f"{setting}.security", _SECURITY),
        description=None if settings.get("description") is None else str(settings["description"]),
        filter=_read_filter(settings, setting, sobject, schema),
        **_actions(settings, setting),
    )


def _one_of(found: Any, setting: str, choices: Iterable[str]) -> str:
    if found not in choices:
        raise OrgFileError(setting, f"{found!r} should be one of: {', '.join(choices)}")
    return str(found)


def _read_filter(settings: Mapping[str, Any], setting: str, sobject: Sobject, schema: Schema) -> RuleFilter | None:
    items = settings.get("filter")
    if items is None:
        return None
    if not isinstance(items, list) or not items:
        raise OrgFileError(f"{setting}.filter", "should list conditions")
    read = tuple(
        _read_filter_item(each, f"{setting}.filter[{place}]", sobject, schema) for place, each in enumerate(items)
    )
    logic = settings.get("filter_logic")
    if logic is not None:
        _read_logic(logic, [each.field for each in read], f"{setting}.filter_logic")
    return RuleFilter(read, _numbered(logic, [each.field for each in read]))


def _read_filter_item(found: Any, setting: str, sobject: Sobject, schema: Schema) -> FilterItem:
    settings = _mapping(found, setting, _FILTER_ITEM)
    table = _one_of(settings.get("table", USER), f"{setting}.table", (USER, sobject.name))
    field = _sobject(table, f"{setting}.table", schema).find(str(settings.get("field")))
    if field is None:
        raise OrgFileError(f"{setting}.field", f"no such field on {table}")
    operation = _one_of(settings.get("operation", "equals"), f"{setting}.operation", OPERATIONS)
    return FilterItem(table, field.name, operation, str(settings.get("value", "")))


def _actions(settings: Mapping[str, Any], setting: str) -> dict[str, Any]:
    actions: dict[str, Any] = {}
    for when in ("insert", "update"):
        action = settings.get(f"action_on_{when}", "block")
        if action not in _ACTIONS:
            raise OrgFileError(f"{setting}.action_on_{when}", f"{action!r} should be one of: {', '.join(_ACTIONS)}")
        operations = settings.get(f"operations_on_{when}", [])
        if not isinstance(operations, list) or not set(operations) <= set(_OPERATIONS):
            raise OrgFileError(f"{setting}.operations_on_{when}", f"should list some of: {', '.join(_OPERATIONS)}")
        actions[f"action_on_{when}"] = action
        actions[f"operations_on_{when}"] = frozenset(operations)
    return actions


def _sobject(name: Any, setting: str, schema: Schema) -> Sobject:
    found = schema.find(str(name))
    if found is None:
        raise OrgFileError(setting, f"no sobject {name!r}{did_you_mean(name, schema.sobjects)}")
    return found


def _read_matching(name: str, found: Any, setting: str, sobject: Sobject, schema: Schema) -> MatchingRule:
    settings = _mapping(found, setting, _MATCHING)
    target = _sobject(settings.get("target", sobject.name), f"{setting}.target", schema)
    fields = settings.get("fields")
    if not isinstance(fields, Mapping) or not fields:
        raise OrgFileError(f"{setting}.fields", "should map at least one field to a method")
    items = tuple(
        _read_item(str(field), spec, f"{setting}.fields.{field}", sobject, target) for field, spec in fields.items()
    )
    return MatchingRule(
        name=str(settings.get("rule", name)),
        label=str(settings.get("label", label_of(str(settings.get("rule", name))))),
        target=target.name,
        items=items,
        alternatives=_read_logic(settings.get("logic"), [str(each) for each in fields], f"{setting}.logic"),
        threshold=float(settings.get("threshold", 0)),
        logic=_numbered(settings.get("logic"), [str(each) for each in fields]),
    )


def _read_item(field: str, spec: Any, setting: str, sobject: Sobject, target: Sobject) -> MatchItem:
    settings = {"method": spec} if isinstance(spec, str) else _mapping(spec, setting, _ITEM)
    method = settings.get("method", "exact")
    if method not in METHODS:
        raise OrgFileError(setting, f"{method!r}: {no_such('method', method, METHODS)}")
    own = sobject.find(field)
    other = target.find(str(settings.get("target", field)))
    if own is None or other is None:
        lacking, name = (sobject, field) if own is None else (target, str(settings.get("target", field)))
        raise OrgFileError(setting, f"no field {name!r} on {lacking.name}{did_you_mean(name, lacking.fields)}")
    return MatchItem(own.name, other.name, method, bool(settings.get("match_blanks", False)))


def _read_logic(logic: Any, fields: list[str], setting: str) -> tuple[tuple[int, ...], ...]:
    """Items are named by their fields, or by their numbers as in Salesforce: ``1 AND (2 OR 3)``."""
    if logic is None:
        return all_of(len(fields))
    numbered = _numbered(logic, fields)
    try:
        return alternatives(str(numbered), len(fields))
    except ValueError as error:
        raise OrgFileError(setting, f"{error}; it may say AND, OR, brackets and: {', '.join(fields)}") from None


def _numbered(logic: Any, fields: list[str]) -> str | None:
    """As Salesforce writes it: items by their numbers."""
    if logic is None:
        return None
    numbers = {name.lower(): str(number) for number, name in enumerate(fields, start=1)}
    return re.sub(r"[A-Za-z_]\w*", lambda word: numbers.get(word[0].lower(), word[0]), str(logic))
