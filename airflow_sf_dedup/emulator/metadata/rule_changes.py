"""What do components of the Metadata API make of the org's rules? A book in, a book and what was done out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.metadata.rule_elements import (
    MetadataProblem,
    duplicate_rule_xml,
    matching_rule_xml,
    missing_component,
    read_duplicate_rule,
    read_matching_rule,
    split_name,
)
from airflow_sf_dedup.emulator.records.schema import Schema
from airflow_sf_dedup.emulator.rules.book import ACTIVATING, ACTIVE, INACTIVE, MOST_ACTIVE, MatchingDefinition, RuleBook
from airflow_sf_dedup.emulator.xml_reading import children, text

DUPLICATE_RULE = "DuplicateRule"
MATCHING_RULES = "MatchingRules"
MATCHING_RULE = "MatchingRule"
#: Those that come with an org are not shown by the Metadata API.
_STANDARD = re.compile(r"Standard_\w+_Match_Rule_v")


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one component."""

    kind: str
    full_name: str
    record_id: str
    created: bool = False
    changed: bool = True


Change = Callable[[RuleBook, Schema, str, Element], tuple[RuleBook, list[Done]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of the Metadata API."""

    name: str
    directory: str
    suffix: str
    save: Change
    #: Full names of the components that the book has.
    names: Callable[[RuleBook], list[str]]
    #: The content of a component's element behind its full name.
    xml: Callable[[RuleBook, str], str]
    child: str | None = None

    def has(self, book: RuleBook, full_name: str) -> bool:
        return full_name in self.names(book)

    def file_name(self, full_name: str) -> str:
        stem = full_name.partition(".")[0] if self.name == MATCHING_RULE else full_name
        return f"{self.directory}/{stem}.{self.suffix}"


# --- duplicate rules --------------------------------------------------------------------------------------


def _save_duplicate_rule(book: RuleBook, schema: Schema, full_name: str, found: Element) -> tuple[RuleBook, list[Done]]:
    rule = read_duplicate_rule(full_name, found, book, schema)
    changed = book.with_rule(rule)
    if len(changed.active(rule.sobject)) > MOST_ACTIVE:
        raise MetadataProblem("LIMIT_EXCEEDED", f"You can have at most {MOST_ACTIVE} active duplicate rules per object")
    saved = changed.duplicate[rule.full_name]
    old = book.duplicate.get(rule.full_name)
    done = Done(DUPLICATE_RULE, rule.full_name, saved.record_id, created=old is None, changed=saved != old)
    return changed, [done]


# --- matching rules ---------------------------------------------------------------------------------------


def _save_matching_rule(book: RuleBook, schema: Schema, full_name: str, found: Element) -> tuple[RuleBook, list[Done]]:
    sobject, name = split_name(full_name, MATCHING_RULE, schema)
    old = book.matching.get(f"{sobject.name}.{name}")
    new = read_matching_rule(full_name, found, old, schema)
    if new.status == ACTIVE and (old is None or old.status != ACTIVE):
        new = replace(new, status=ACTIVATING)
    if old is not None:
        _check_change(book, old, new)
    try:
        changed = book.with_matching(new)
    except KeyError as unmapped:
        message = f"A duplicate rule of another object that uses this rule does not map {unmapped.args[0]}"
        raise MetadataProblem("FIELD_INTEGRITY_EXCEPTION", message) from None
    saved = changed.matching[new.full_name]
    return changed, [Done(MATCHING_RULE, new.full_name, saved.record_id, created=old is None, changed=saved != old)]


def _check_change(book: RuleBook, old: MatchingDefinition, new: MatchingDefinition) -> None:
    if old.status == ACTIVE and new.status == ACTIVE and (old.fields, old.logic) != (new.fields, new.logic):
        message = "You can't edit an active matching rule. Deactivate it first."
        raise MetadataProblem("FIELD_INTEGRITY_EXCEPTION", message)
    if new.status == INACTIVE and any(rule.active for rule in book.users_of(old)):
        message = "You can't deactivate a matching rule that an active duplicate rule uses."
        raise MetadataProblem("FIELD_INTEGRITY_EXCEPTION", message)


def _own(book: RuleBook) -> Iterator[MatchingDefinition]:
    return (each for each in book.matching.values() if not _STANDARD.match(each.name))


def _save_matching_rules(book: RuleBook, schema: Schema, full_name: str, found: Element) -> tuple[RuleBook, list[Done]]:
    done: list[Done] = []
    for each in children(found, "matchingRules"):
        name = (text(each, "fullName") or "").rpartition(".")[2]
        book, further = _save_matching_rule(book, schema, f"{full_name}.{name}", each)
        done += further
    sobject = schema.find(full_name)
    if sobject is None:
        raise missing_component("CustomObject", full_name)
    return book, [*done, Done(MATCHING_RULES, sobject.name, "", changed=any(each.changed for each in done))]


def _matching_rules_xml(book: RuleBook, full_name: str) -> str:
    return "".join(
        f"<matchingRules><fullName>{each.name}</fullName>{matching_rule_xml(each)}</matchingRules>"
        for each in _own(book)
        if each.sobject == full_name
    )


KINDS: dict[str, Kind] = {
    each.name: each
    for each in (
        Kind(
            DUPLICATE_RULE,
            "duplicateRules",
            "duplicateRule",
            _save_duplicate_rule,
            lambda book: list(book.duplicate),
            lambda book, name: duplicate_rule_xml(book.duplicate[name]),
        ),
        Kind(
            MATCHING_RULES,
            "matchingRules",
            "matchingRule",
            _save_matching_rules,
            lambda book: list(dict.fromkeys(each.sobject for each in _own(book))),
            _matching_rules_xml,
            child=MATCHING_RULE,
        ),
        Kind(
            MATCHING_RULE,
            "matchingRules",
            "matchingRule",
            _save_matching_rule,
            lambda book: [each.full_name for each in _own(book)],
            lambda book, name: matching_rule_xml(book.matching[name]),
        ),
    )
}


def record_id_of(book: RuleBook, kind: str, full_name: str) -> str:
    rules = book.duplicate if kind == DUPLICATE_RULE else book.matching
    found = rules.get(full_name)
    return found.record_id if found else ""
