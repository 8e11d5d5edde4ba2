"""All duplicate and matching rules of an org at one moment, as a value.

In an org a matching rule stands on its own, and duplicate rules say which of its fields is compared with which of
theirs; a rule that is looked for records with (``duplicate_rules``) has both put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from airflow_sf_dedup.emulator.records.boolean_logic import all_of, alternatives
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, MatchingRule, MatchItem

ACTIVE, ACTIVATING, INACTIVE = "Active", "Activating", "Inactive"
#: Duplicate rules of one sobject.
MOST_ACTIVE = 5


@dataclass(frozen=True, slots=True)
class ComparedField:
    name: str
    method: str
    match_blanks: bool = False


@dataclass(frozen=True, slots=True)
class MatchingDefinition:
    """A matching rule as it stands on its own."""

    #: The sobject whose records it finds.
    sobject: str
    name: str
    label: str
    record_id: str
    fields: tuple[ComparedField, ...]
    logic: str | None = None
    status: str = ACTIVE
    description: str | None = None
    threshold: float = 0.0

    @property
    def full_name(self) -> str:
        return f"{self.sobject}.{self.name}"

    @property
    def engine(self) -> str:
        exact = all(each.method == "exact" for each in self.fields)
        return "ExactMatchEngine" if exact else "FuzzyMatchEngine"

    def linked(self, mapping: Mapping[str, str]) -> MatchingRule:
        """As a duplicate rule uses it.

        :param mapping: the field of the record being saved for each field of this rule.
        :raises ValueError: its logic cannot be read.
        :raises KeyError: a field that is not mapped.
        """
        count = len(self.fields)
        return MatchingRule(
            name=self.name,
            label=self.label,
            target=self.sobject,
            items=tuple(
                MatchItem(mapping[each.name], each.name, each.method, each.match_blanks) for each in self.fields
            ),
            alternatives=alternatives(self.logic, count) if self.logic else all_of(count),
            threshold=self.threshold,
            logic=self.logic,
        )


def mapping_of(matching: MatchingRule) -> dict[str, str]:
    return {item.target_field: item.field for item in matching.items}


@dataclass(frozen=True)
class RuleBook:
    #: By full name: ``Lead.Lead_Email``.
    duplicate: Mapping[str, DuplicateRule] = field(default_factory=dict)
    matching: Mapping[str, MatchingDefinition] = field(default_factory=dict)
    #: For the id of the next new rule; ids are not used again.
    next_number: int = 1

    @classmethod
    def of(cls, rules: Iterable[DuplicateRule]) -> RuleBook:
        """The book of the rules of an org file."""
        rules = tuple(rules)
        matching: dict[str, MatchingDefinition] = {}
        for each in (each for rule in rules for each in rule.matching):
            definition = _definition(each, make_id("0JD", len(matching) + 1))
            matching.setdefault(definition.full_name, definition)
        duplicate = {rule.full_name: rule for rule in rules}
        return cls(duplicate, matching, max(len(rules), len(matching)) + 1)

    def __iter__(self) -> Iterator[DuplicateRule]:
        return iter(self.duplicate.values())

    def active(self, sobject: str) -> tuple[DuplicateRule, ...]:
        """The rules that run for a sobject, in their order."""
        rules = [rule for rule in self if rule.sobject == sobject and rule.active]
        return tuple(sorted(rules, key=lambda rule: rule.sort_order))

    def named(self, name: str) -> DuplicateRule | None:
        """By full name, or by developer name where only one rule has it."""
        found = [rule for rule in self if name in (rule.full_name, rule.name)]
        exact = [rule for rule in found if rule.full_name == name]
        return (exact or found)[0] if exact or len(found) == 1 else None

    def users_of(self, matching: MatchingDefinition) -> list[DuplicateRule]:
        """The duplicate rules that use a matching rule."""
        return [rule for rule in self if any(_is(each, matching) for each in rule.matching)]

    # --- changed copies ---

    def with_rule(self, rule: DuplicateRule) -> RuleBook:
        """With a rule added or replaced; a new one gets an id. Rules behind its place make room."""
        old = self.duplicate.get(rule.full_name)
        number = self.next_number + (old is None)
        record_id = old.record_id if old else make_id("0Bm", self.next_number)
        rules = {**self.duplicate, rule.full_name: replace(rule, record_id=record_id)}
        return RuleBook(_placed(rules, rule), self.matching, number)

    def with_matching(self, matching: MatchingDefinition) -> RuleBook:
        """With a matching rule added or replaced, in the duplicate rules that use it too.

        :raises ValueError: its logic cannot be read.
        :raises KeyError: a duplicate rule that uses it does not map one of its fields.
        """
        old = self.matching.get(matching.full_name)
        number = self.next_number + (old is None)
        matching = replace(matching, record_id=old.record_id if old else make_id("0JD", self.next_number))
        matching.linked({each.name: each.name for each in matching.fields})
        rules = self.duplicate
        if old is None or (old.fields, old.logic, old.label) != (matching.fields, matching.logic, matching.label):
            rules = {name: _relinked(rule, matching) for name, rule in self.duplicate.items()}
        return RuleBook(rules, {**self.matching, matching.full_name: matching}, number)

    def activated(self) -> RuleBook:
        """With the activation of matching rules at its end."""
        done = {
            name: replace(each, status=ACTIVE) if each.status == ACTIVATING else each
            for name, each in self.matching.items()
        }
        return RuleBook(self.duplicate, done, self.next_number)


def _definition(rule: MatchingRule, record_id: str) -> MatchingDefinition:
    fields = tuple(ComparedField(item.target_field, item.method, item.match_blanks) for item in rule.items)
    return MatchingDefinition(
        rule.target, rule.name, rule.label, record_id, fields, rule.logic, threshold=rule.threshold
    )


def _is(linked: MatchingRule, matching: MatchingDefinition) -> bool:
    return (linked.target, linked.name) == (matching.sobject, matching.name)


def _relinked(rule: DuplicateRule, matching: MatchingDefinition) -> DuplicateRule:
    if not any(_is(each, matching) for each in rule.matching):
        return rule
    return replace(
        rule,
        matching=tuple(
            matching.linked(_complete(rule, matching, mapping_of(each))) if _is(each, matching) else each
            for each in rule.matching
        ),
    )


def _complete(rule: DuplicateRule, matching: MatchingDefinition, mapping: dict[str, str]) -> dict[str, str]:
    """Within one sobject a field is compared with itself unless the rule says otherwise."""
    own = {each.name: each.name for each in matching.fields} if rule.sobject == matching.sobject else {}
    return own | mapping


def _placed(rules: Mapping[str, DuplicateRule], moved: DuplicateRule) -> dict[str, DuplicateRule]:
    """The rules of one sobject numbered from 1 again, ``moved`` in the place it asks for if it is still there."""
    others = [rule for rule in rules.values() if rule.sobject == moved.sobject and rule.full_name != moved.full_name]
    own = sorted(others, key=lambda rule: rule.sort_order)
    if moved.full_name in rules:
        own.insert(moved.sort_order - 1, rules[moved.full_name])
    numbered = {rule.full_name: replace(rule, sort_order=place) for place, rule in enumerate(own, start=1)}
    return {name: numbered.get(name, rule) for name, rule in rules.items()}
