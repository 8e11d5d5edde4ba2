"""May this load be written as its settings say? What may be created and overwritten, read against its sObject."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.write_modes import WriteMode
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.field_rules import field_rules_of
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.policies.base import lookup_fields


def write_rules_of(settings: WriteSettings, described: SObject, key_rule: KeyRule) -> WriteRules:
    """The mode and the rules for fields, where they fit the load.

    :param described: the sObject with all its fields.
    :raises SettingError: a rule fits no field, or is about one that a policy fills in; or an insert by this key would
        not be refused where the key is held, so that a record could come to stand there twice.
    """
    key_field, match_fields = key_rule.field, () if key_rule.is_field else key_rule.names
    of_fields = field_rules_of(settings.field_rules or {}, described, key_field.name, match_fields)
    rules = WriteRules(of_fields, WriteMode(settings.mode), keep_before=settings.keep_before)
    _check_filled_in(rules, lookup_fields(read_policy(settings.on_duplicate)), described)
    if match_fields:
        if settings.keep_before:
            raise SettingError(
                "keep_before: records that are found by match_on are not put back; keep_before needs an external ID",
                setting="keep_before",
            )
        # Nobody refuses an insert by such a key; the docs of match_on say so.
        return rules
    if (rules.ask_first or settings.strict) and rules.mode.may_create and not key_field.unique:
        setting = _asked_by(rules) if rules.ask_first else "strict"
        raise SettingError(
            f"{setting}: {key_field.name} is not Unique, so that Salesforce would insert a row whose key a record has "
            "come to hold; make the field Unique, or use mode='update_only'",
            setting=setting,
        )
    return rules


def _asked_by(rules: WriteRules) -> str:
    """The setting for whose sake new records are inserted."""
    if rules.mode is WriteMode.CREATE_ONLY:
        return "mode"
    return "keep_before" if rules.rules.is_plain else "field_rules"


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
