"""May this load be written as its settings say? What may be created and overwritten, read against its sObject."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.write_modes import WriteMode
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.field_rules import field_rules_of
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.policies.base import lookup_fields


def write_rules_of(settings: WriteSettings, described: SObject, key_field: Field) -> WriteRules:
    """The mode and the rules for fields, where they fit the load.

    :param described: the sObject with all its fields.
    :raises SettingError: a rule fits no field, or is about one that a policy fills in; or an insert by this key would
        not be refused where the key is held, so that a record could come to stand there twice.
    """
    rules = WriteRules(field_rules_of(settings.field_rules or {}, described, key_field.name), WriteMode(settings.mode))
    if rules.ask_first and rules.mode.may_create and not key_field.unique:
        setting = "mode" if rules.mode is WriteMode.CREATE_ONLY else "field_rules"
        raise SettingError(
            f"{setting}: {key_field.name} is not Unique, so that Salesforce would insert a row whose key a record has "
            "come to hold; make the field Unique, or use mode='update_only'",
            setting=setting,
        )
    _check_filled_in(rules, lookup_fields(read_policy(settings.on_duplicate)), described)
    return rules


def _check_filled_in(write: WriteRules, names: Iterable[str], described: SObject) -> None:
    """``link`` writes its field to the row's own record, which may be there already."""
    for name in (field.name for each in names if (field := described.field(each)) is not None):
        row = {name: None}
        creates = write.mode is WriteMode.CREATE_ONLY
        shared = write.rules.on_create(row) if creates else write.rules.on_update(row, {})
        if name not in shared.sent:
            raise SettingError(
                f"field_rules: on_duplicate fills in {name} by link, and a rule keeps it from being written; give "
                f"{name} the rule 'always', or take link out of on_duplicate",
                setting="field_rules",
            )
