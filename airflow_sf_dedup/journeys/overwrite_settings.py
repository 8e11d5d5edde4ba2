"""Does what policies may overwrite fit the load? Asked before anything is sent."""

from __future__ import annotations

from airflow_sf_dedup.core.field_names import field_named
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import shown
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import Policy
from airflow_sf_dedup.policies.base import every_policy
from airflow_sf_dedup.policies.overwriting import FieldRules, Overwrite


def check_overwriting(policy: Policy, described: SObject, key_field: str, newer_than: str | None) -> None:
    """No field is named twice, the key is not kept back, and the load has an order where a field goes by it.

    :param newer_than: the column that says how new a row is; ``None``: the load has none.
    :raises SettingError: names the field, or what is missing.
    """
    for each in every_policy(policy):
        rules = getattr(each, "overwrites", None)
        if isinstance(rules, FieldRules):
            if rules.needs_order and newer_than is None:
                raise _unusable(
                    f"{each.name}: a field is written by the newest value, but the load has no order that says how new "
                    "a row is: set newer_than to a column that does"
                )
            if not hasattr(each, "other_fields"):
                _check_names(rules, described, key_field, each.name)


def _check_names(rules: FieldRules, described: SObject, key_field: str, policy: str) -> None:
    seen: dict[str, str] = {}
    for name, rule in rules.named:
        field = _meant(described, name)
        if field is None:
            continue
        if field.name == key_field and rule is not Overwrite.WRITE:
            raise _unusable(f"{policy}: {field.name} is the key, which is always written: it cannot be {rule.value}")
        if not rules.is_list and (other := seen.setdefault(field.name, name)) != name:
            raise _unusable(f"{policy}: {shown(other)} and {shown(name)} are one field")


def _meant(described: SObject, name: str) -> Field | None:
    found = field_named(described, name)
    return found.field if found else None


def _unusable(why: str) -> SettingError:
    return SettingError(f"on_duplicate: {why}", setting="on_duplicate")
