"""Do the rules for fields of a load fit its sObject? A rule that is about nothing protects nothing, and is an error."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_sf_dedup.core.field_names import carried_as, field_named, nearest_fields, parts_of
from airflow_sf_dedup.core.field_rules import ALL_OTHERS, FieldRule, FieldRules
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import any_of, listed, shown
from airflow_sf_dedup.errors import SettingError


def check_field_rules(setting: Any) -> Mapping[str, str]:
    """What can be read of ``field_rules`` without an org.

    :raises SettingError: it is no mapping of names to rules; names the rules that there are.
    """
    if not isinstance(setting, Mapping) or not all(isinstance(name, str) and name.strip() for name in setting):
        raise _error(f"expected field names with a rule for each, got {setting!r}")
    for name, rule in setting.items():
        if not isinstance(rule, str) or rule not in tuple(FieldRule):
            raise _error(
                f"{shown(name)} has the rule {rule!r}; it may have {any_of([repr(str(r)) for r in FieldRule])}"
            )
    return setting


def field_rules_of(
    setting: Mapping[str, str], described: SObject, key_field: str, match_fields: Collection[str] = ()
) -> FieldRules:
    """The rules, where they fit the sObject. A name may be spelled as a source column may.

    :param described: all fields that the user sees: a rule may be about one that this load does not carry.
    :param match_fields: those that make the key, where no field carries it.
    :raises SettingError: a name means nothing, the key, or the field of another rule.
    """
    named = {name: FieldRule(rule) for name, rule in check_field_rules(setting).items() if name.strip() != ALL_OTHERS}
    meant = dict(_fields(named, described, match_fields or (key_field,)))
    # What a compound field shows is under its rule, but for a part that has one of its own.
    parts = {part.name: rule for name, rule in meant.items() for part in _parts(described, name)}
    fields = {**parts, **meant}
    return FieldRules(
        key_field,
        {alias: rule for name, rule in fields.items() for alias in _aliases(described, name)},
        next((FieldRule(rule) for name, rule in setting.items() if name.strip() == ALL_OTHERS), FieldRule.ALWAYS),
        lambda name: _field_of(described, name),
        frozenset(match_fields),
    )


def plain_rules(key_rule: KeyRule) -> FieldRules:
    """The rules of a load that says nothing of fields: all are written always."""
    return FieldRules(key_rule.field.name, match_fields=frozenset(() if key_rule.is_field else key_rule.names))


def _fields(
    named: Mapping[str, FieldRule], described: SObject, key_fields: Collection[str]
) -> Iterator[tuple[str, FieldRule]]:
    """Each field, in the org's spelling, with its rule."""
    found = {name: _field_of(described, name) for name in named}
    if unknown := [name for name, field in found.items() if field is None]:
        names = listed(unknown, say=lambda name: f"{shown(name)}{nearest_fields(described, name)}")
        raise _error(f"{described.name} has no field that this user can see and that is called {names}")
    fields = {name: field.name for name, field in found.items() if field}
    if of_key := sorted({*key_fields}.intersection(fields.values())):
        raise _error(f"{of_key[0]} is the key, by which records are found; no rule can be about it")
    if twice := [name for name in fields if list(fields.values()).count(fields[name]) > 1]:
        raise _error(f"{listed(map(shown, twice), between=' and ')} are one field, which has one rule")
    yield from ((fields[name], rule) for name, rule in named.items())


def _field_of(described: SObject, name: str) -> Field | None:
    found = field_named(described, name)
    return found.field if found else None


def _parts(described: SObject, name: str) -> tuple[Field, ...]:
    field = described.field(name)
    return parts_of(described, field) if field else ()


def _aliases(described: SObject, name: str) -> frozenset[str]:
    field = described.field(name)
    return carried_as(field) if field else frozenset()


def _error(message: str) -> SettingError:
    return SettingError(f"field_rules: {message}", setting="field_rules")
