"""``/_emulator/rules``: looking at the duplicate rules and changing them, for every call from then on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow_sf_dedup.emulator.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.errors import ApiError, SettingError, not_found
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.setting_values import Reader, choice, flag, optional, text


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
}


def answer(org: Org, request: Request, names: tuple[str, ...]) -> Any:
    """The answer to a request for all rules or, with a name, for one of them.

    :raises SettingError: a setting that cannot be changed, or not to this.
    :raises ApiError: no such rule, or no such method.
    """
    if request.method == "GET" and not names:
        return [_shown(rule) for rule in org.rules.book]
    if len(names) != 1:
        raise not_found() if names else _not_allowed("GET")
    rule = org.rules.book.named(names[0])
    if rule is None:
        raise not_found(f"no rule {names[0]!r}; there are: {', '.join(org.rules.book.duplicate)}")
    if request.method == "GET":
        return _shown(rule)
    if request.method != "PATCH":
        raise _not_allowed("GET, PATCH")
    changes = {name: _read(name, value) for name, value in request.json_object().items()}
    org.change_rule(rule.full_name, changes)
    return _shown(org.rules.book.duplicate[rule.full_name])


def _not_allowed(allowed: str) -> ApiError:
    return ApiError("METHOD_NOT_ALLOWED", f"Allowed are {allowed}", status=405)


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
