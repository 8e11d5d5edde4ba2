"""Which existing records does a duplicate rule find for a record that is about to be saved?

What Salesforce's rules do and do not see ("Duplicate Rules", "Things to Know About Duplicate Rules"): rows of one
save call are compared with records in the org, not with each other; on an update a rule runs only if a field it
compares changes; a record never matches itself; a matching rule reports at most 100 records.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from airflow_sf_dedup.emulator.records.boolean_logic import Alternatives
from airflow_sf_dedup.emulator.records.match_index import Blocking, Column
from airflow_sf_dedup.emulator.records.matching import METHODS
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.store import Table
from airflow_sf_dedup.emulator.results import DuplicateResult, MatchRecord, MatchResult
from airflow_sf_dedup.emulator.rules.filters import RuleFilter

MOST_MATCHES = 100
_WORTH_SCORING = 2_000
_CERTAIN = 100.0


@dataclass(frozen=True, slots=True)
class MatchItem:
    #: The field of the record being saved, and that of the records searched.
    field: str
    target_field: str
    method: str
    match_blanks: bool = False

    @property
    def own_column(self) -> Column:
        return Column(self.field, self.method, self.match_blanks)

    @property
    def target_column(self) -> Column:
        return Column(self.target_field, self.method, self.match_blanks)

    def score(self, value: Any, other: Any) -> float:
        """How alike two values are in percent; zero below what the method calls alike."""
        if value is None or other is None:
            return _CERTAIN if self.match_blanks and value is None and other is None else 0.0
        if value == other:
            return _CERTAIN
        method = METHODS[self.method]
        score = method.score(str(value), str(other))
        return score if score >= method.minimum else 0.0


@dataclass(frozen=True, eq=False)
class Way:
    """Items that all have to match, with what finding them takes."""

    items: tuple[MatchItem, ...]
    #: Of the records searched.
    columns: tuple[Column, ...]
    exact: bool

    @classmethod
    def of(cls, items: Iterable[MatchItem]) -> Way:
        items = tuple(items)
        return cls(
            items,
            tuple(item.target_column for item in items),
            all(item.method == "exact" for item in items),
        )


@dataclass(frozen=True)
class MatchingRule:
    name: str
    label: str
    #: The sobject that is searched.
    target: str
    items: tuple[MatchItem, ...]
    alternatives: Alternatives
    #: The least confidence in percent that counts as a match.
    threshold: float = 0.0
    #: The logic as it was written; None where all items have to match.
    logic: str | None = None

    @cached_property
    def engine(self) -> str:
        return "ExactMatchEngine" if self.exact else "FuzzyMatchEngine"

    @cached_property
    def exact(self) -> bool:
        return all(item.method == "exact" for item in self.items)

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """What may match together, one for each alternative of the rule's logic."""
        return tuple(Way.of(self.items[number - 1] for number in way) for way in self.alternatives)

    @cached_property
    def own_names(self) -> bool:
        """Whether the record being saved has the same fields as the records searched."""
        return all(item.field == item.target_field for item in self.items)

    @cached_property
    def blocking(self) -> Blocking:
        """A blocking key for each of ``ways``, of the record being saved."""
        return Blocking(tuple(item.own_column for item in way.items) for way in self.ways)

    @cached_property
    def target_blocking(self) -> Blocking:
        """The same of the records searched."""
        return Blocking(way.columns for way in self.ways)


@dataclass(frozen=True)
class DuplicateRule:
    name: str
    label: str
    sobject: str
    record_id: str
    matching: tuple[MatchingRule, ...]
    active: bool = True
    action_on_insert: str = "block"
    action_on_update: str = "block"
    operations_on_insert: frozenset[str] = frozenset()
    operations_on_update: frozenset[str] = frozenset()
    alert_text: str = "Use one of these records?"
    security: str = "enforce_sharing"
    description: str | None = None
    #: The rule's place among those of its sobject, from 1.
    sort_order: int = 1
    #: The rule runs only where this holds.
    filter: RuleFilter | None = None

    @property
    def full_name(self) -> str:
        """As the Metadata API calls it: ``Lead.Lead_Email``."""
        return f"{self.sobject}.{self.name}"

    @cached_property
    def compared(self) -> frozenset[str]:
        """The fields of the record being saved that its matching rules look at."""
        return frozenset(item.field for rule in self.matching for item in rule.items)

    def stops(self, *, created: bool, allow_save: bool) -> bool:
        """Whether a match keeps the record from being saved."""
        action = self.action_on_insert if created else self.action_on_update
        return action == "block" or ("alert" in self.operations(created=created) and not allow_save)

    def reports(self, *, created: bool) -> bool:
        return "report" in self.operations(created=created)

    def operations(self, *, created: bool) -> frozenset[str]:
        return self.operations_on_insert if created else self.operations_on_update

    def may_be_overridden(self, *, created: bool) -> bool:
        return (self.action_on_insert if created else self.action_on_update) == "allow"


class Tables(Protocol):
    def __getitem__(self, sobject: str) -> Table: ...


@dataclass(frozen=True)
class Search:
    """How the rules look at the org for one save: where, whether into the recycle bin, what they show of a match."""

    tables: Tables
    deleted_match: bool
    #: Show fields and differences of each match.
    details: bool = False
    all_fields: bool = False
    _places: dict[tuple[Way, ...], Places] = field(default_factory=dict)

    def places(self, rule: MatchingRule) -> Places:
        found = self._places.get(rule.ways)
        if found is None:
            found = self._places[rule.ways] = Places.of(rule, self.tables[rule.target])
        return found


@dataclass(frozen=True, slots=True)
class Places:
    """Where a matching rule looks."""

    blocking: Blocking
    #: Each way with the place of its key among those of ``blocking``, and what is under a key.
    looks: tuple[tuple[Way, int, Callable[[Hashable], str | dict[str, None] | None]], ...]

    @classmethod
    def of(cls, rule: MatchingRule, table: Table) -> Places:
        indexes = [table.match_index(way.columns) for way in rule.ways]
        if rule.own_names:
            blocking, positions = table.blocking, [table.blocking.positions[way.columns] for way in rule.ways]
        else:
            blocking, positions = rule.blocking, list(range(len(rule.ways)))
        gets = (index.get for index in indexes)
        return cls(blocking, tuple(zip(rule.ways, positions, gets, strict=True)))


def find_duplicates(
    rule: DuplicateRule, record: Mapping[str, Any], own_id: str | None, search: Search, *, created: bool
) -> DuplicateResult | None:
    """What ``rule`` finds for ``record``; None when no matching rule finds anything."""
    found = tuple(
        result for matching in rule.matching if (result := _search(matching, record, own_id, search)) is not None
    )
    if not found:
        return None
    return DuplicateResult(
        duplicate_rule=rule.name,
        sobject=rule.sobject,
        allow_save=rule.may_be_overridden(created=created),
        alert_text=rule.alert_text,
        match_results=found,
    )


def _search(rule: MatchingRule, record: Mapping[str, Any], own_id: str | None, search: Search) -> MatchResult | None:
    table = search.tables[rule.target]
    if not table.records:
        return None
    best: dict[str, float] = {}
    places = search.places(rule)
    keys = places.blocking.keys(record)
    for way, position, get in places.looks:
        key = keys[position]
        found = get(key) if key is not None else None
        if found is None:
            continue
        candidates = (found,) if isinstance(found, str) else found
        new = [each for each in candidates if best.get(each) != _CERTAIN] if best else candidates
        for record_id, score in _matches(way, record, table, new, own_id, search):
            if score >= rule.threshold and score > best.get(record_id, -1.0):
                best[record_id] = score
    if not best:
        return None
    ranked = sorted(best, key=lambda record_id: -best[record_id])[:MOST_MATCHES]
    shown = tuple(_shown(rule, record, table, each, best[each], search) for each in ranked)
    return MatchResult(rule.name, rule.target, rule.engine, shown)


def _matches(
    way: Way,
    record: Mapping[str, Any],
    table: Table,
    candidates: Iterable[str],
    own_id: str | None,
    search: Search,
) -> Iterable[tuple[str, float]]:
    left = MOST_MATCHES if way.exact else _WORTH_SCORING
    for record_id in candidates:
        other = table.records[record_id]
        if record_id == own_id or (other["IsDeleted"] and not search.deleted_match):
            continue
        score = _CERTAIN if way.exact else _confidence(way, record, other)
        if score:
            yield record_id, score
        left -= 1
        if not left:
            return


def _confidence(way: Way, record: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The mean of the items' scores; zero if one of them is not alike."""
    total = 0.0
    for item in way.items:
        score = item.score(record.get(item.field), other.get(item.target_field))
        if not score:
            return 0.0
        total += score
    return round(total / len(way.items), 1)


def _shown(
    rule: MatchingRule,
    record: Mapping[str, Any],
    table: Table,
    record_id: str,
    confidence: float,
    search: Search,
) -> MatchRecord:
    if not search.details:
        return MatchRecord(rule.target, record_id, confidence, {})
    other = table.records[record_id]
    names = _detail_fields(table.sobject, search)
    fields = {name: other[name] for name in names if other.get(name) is not None}
    return MatchRecord(rule.target, record_id, confidence, fields, _differences(rule, record, other))


def _detail_fields(sobject: Sobject, search: Search) -> Iterable[str]:
    names = sobject.fields if search.all_fields else sobject.compact_layout
    return [name for name in names if name != "Id"]


def _differences(
    rule: MatchingRule, record: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (item.target_field, _difference(record.get(item.field), other.get(item.target_field))) for item in rule.items
    )


def _difference(value: Any, other: Any) -> str:
    if value is None and other is None:
        return "NULL"
    return "SAME" if str(value).lower() == str(other).lower() else "DIFFERENT"
