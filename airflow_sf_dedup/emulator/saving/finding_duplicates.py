"""Which records would the active duplicate rules find for a record, were it saved? Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_sf_dedup.emulator.records.derived import compound_name
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import DuplicateResult, MatchResult
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, Search, find_duplicates
from airflow_sf_dedup.emulator.state.org import Org


def would_match(
    org: Org, sobject: Sobject, values: Mapping[str, Any], *, details: bool = False
) -> list[DuplicateResult]:
    """What each active rule of the sobject finds, in the order of the rules; nothing for a rule without a match.

    :param values: fields of the record; with an Id they replace what that record has.
    :param details: show fields of the matches.
    """
    search = Search(
        tables=org.tables,
        deleted_match=org.quirks.deleted_records_match,
        details=details,
        all_fields=org.quirks.record_details == "all",
    )
    own_id = values.get("Id")
    stored = org.record(own_id) if own_id else None
    record = {**(stored or sobject.defaults), **values}
    if sobject.name_parts:
        record["Name"] = compound_name(sobject, record)
    found = (find_duplicates(rule, record, own_id, search, created=own_id is None) for rule in rules_of(org, sobject))
    return [each for each in found if each is not None]


def rules_of(org: Org, sobject: Sobject) -> tuple[DuplicateRule, ...]:
    return org.rules.for_sobject(sobject.name)


def with_rules_without_match(org: Org, sobject: Sobject, found: list[DuplicateResult]) -> list[DuplicateResult]:
    """One result for every rule; what stands in that of a rule which found nothing is a quirk."""
    by_rule = {each.duplicate_rule: each for each in found}
    return [_filled(org, rule, by_rule.get(rule.name)) for rule in rules_of(org, sobject)]


def _filled(org: Org, rule: DuplicateRule, result: DuplicateResult | None) -> DuplicateResult:
    found = result or DuplicateResult(rule.name, rule.sobject, False, rule.alert_text, ())
    if org.quirks.find_duplicates_no_match == "empty":
        return found
    by_rule = {each.rule: each for each in found.match_results}
    every = tuple(
        by_rule.get(each.name) or MatchResult(each.name, each.target, each.engine, ()) for each in rule.matching
    )
    return replace(found, match_results=every)
