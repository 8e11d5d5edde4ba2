"""``/_emulator/rules``: looking at the duplicate rules and changing them, for every call from then on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow_sf_dedup.emulator.errors import SettingError, not_found
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.setting_values import Reader, choice, flag, number, optional, text
from airflow_sf_dedup.emulator.state.org import Org

#: Seconds in which saves still run the rules as they were before the change.
STALE_FOR = "stale_for"


def _operations(given: Any) -> frozenset[str]:
    if not isinstance(given, list) or not all(each in ("alert", "report") for each in given):
        raise ValueError("a list of alert, report")
    return frozenset(given)


_READERS: dict[str, Reader] = {
    "active": flag,
    "action_on_insert": choice("block", "allow"),
    "action_on_update": choice("block", "allow"),
    "operations_on_insert": _operations,
    "operations_on_update": _operations,
    "alert_text": text,
    "label": text,
    "security": choice("enforce_sharing", "bypass_sharing"),
    "description": optional(text),
    STALE_FOR: number(0),
}


def _all(org: Org, request: Request) -> Any:
    return [_shown(rule) for rule in org.rules.book]


def _one(org: Org, request: Request, name: str) -> Any:
    return _shown(_named(org, name))


def _change(org: Org, request: Request, name: str) -> Any:
    """:raises SettingError: a setting that cannot be changed, or not to this."""
    rule = _named(org, name)
    given = dict(request.json_object())
    stale_for = _read(STALE_FOR, given.pop(STALE_FOR, 0.0))
    changes = {each: _read(each, value) for each, value in given.items()}
    with org.lock:
        org.rules.change_rule(rule.full_name, changes, stale_for=stale_for)
    return _shown(org.rules.book.duplicate[rule.full_name])


def _named(org: Org, name: str) -> DuplicateRule:
    rule = org.rules.book.named(name)
    if rule is None:
        raise not_found(f"no rule {name!r}; there are: {', '.join(org.rules.book.duplicate)}")
    return rule


def _read(name: str, value: Any) -> Any:
    reader = _READERS.get(name)
    if reader is None:
        raise SettingError(f"rules.{name}", f"no such setting; there are: {', '.join(_READERS)}")
    try:
        return reader(value)
    except ValueError as wanted:
        raise SettingError(f"rules.{name}", f"{value!r} should be {wanted}") from None


def _shown(rule: DuplicateRule) -> dict[str, Any]:
    shown = asdict(rule)
    for name in ("operations_on_insert", "operations_on_update"):
        shown[name] = sorted(shown[name])
    return shown


CONTROLS = (
    ("GET", "rules", _all, "the duplicate rules"),
    ("GET", "rules/{name}", _one, "one of them, as it is now"),
    ("PATCH", "rules/{name}", _change, "changes it until the reset: active, stale_for, action_on_insert …"),
)
