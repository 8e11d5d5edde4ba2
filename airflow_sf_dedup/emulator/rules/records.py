"""What the org's rules look like as records: DuplicateRule, MatchingRule and MatchingRuleItem."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_sf_dedup.emulator.records.store import Record, make_id
from airflow_sf_dedup.emulator.rules.book import MatchingDefinition, RuleBook
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule

#: A matching rule has at most ten items.
_MOST_ITEMS = 10


def method_name(method: str) -> str:
    """``first_name`` as Salesforce calls it: ``FirstName``."""
    return "".join(part.title() for part in method.split("_"))


def blanks_name(*, match_blanks: bool) -> str:
    return "MatchBlanks" if match_blanks else "NullNotAllowed"


def rule_records(book: RuleBook) -> Iterator[tuple[str, Record]]:
    """Each record with the name of its sobject, without the system fields."""
    for rule in book:
        yield "DuplicateRule", _duplicate_rule(rule)
    for number, matching in enumerate(book.matching.values()):
        yield "MatchingRule", _matching_rule(matching)
        for place, each in enumerate(matching.fields, start=1):
            yield (
                "MatchingRuleItem",
                {
                    "Id": make_id("0JE", number * _MOST_ITEMS + place),
                    "MatchingRuleId": matching.record_id,
                    "SortOrder": place,
                    "Field": each.name,
                    "MatchingMethod": method_name(each.method),
                    "BlankValueBehavior": blanks_name(match_blanks=each.match_blanks),
                },
            )


def _duplicate_rule(rule: DuplicateRule) -> Record:
    return {
        "Id": rule.record_id,
        "DeveloperName": rule.name,
        "MasterLabel": rule.label,
        "Language": "en_US",
        "NamespacePrefix": None,
        "SobjectType": rule.sobject,
        "SobjectSubtype": "None",
        "IsActive": rule.active,
    }


def _matching_rule(matching: MatchingDefinition) -> Record:
    return {
        "Id": matching.record_id,
        "DeveloperName": matching.name,
        "MasterLabel": matching.label,
        "Language": "en_US",
        "NamespacePrefix": None,
        "SobjectType": matching.sobject,
        "SobjectSubtype": "None",
        "MatchEngine": matching.engine,
        "BooleanFilter": matching.logic,
        "Description": matching.description,
        "RuleStatus": matching.status,
    }
