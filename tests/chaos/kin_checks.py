"""What must hold of rows that have to do with each other. Pure functions, as those of :mod:`tests.chaos.checks`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.core.twins import read_twin_fields
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED
from tests.chaos.scenario import parent_column

if TYPE_CHECKING:
    from tests.chaos.checks import Evidence, Line, LoadEvidence
    from tests.chaos.expected import Sent

#: The field by whose equal values a rule of the org blocks what comes second, and the rule.
_BLOCKS = "Email"
_RULE = "Same_Email"


def twins_meet_the_rule(evidence: Evidence) -> Iterator[str]:
    """Of suspected twins, the rule sees the first when the second arrives: it never lets both in."""
    if _RULE in evidence.scenario.stale_rules:
        return
    for name, load in evidence.loads.items():
        if (_BLOCKS,) in read_twin_fields(load.plan.twin_fields or None):
            yield from _both_in(evidence, name)


def _both_in(evidence: Evidence, name: str) -> Iterator[str]:
    by_value: defaultdict[str, list[Line]] = defaultdict(list)
    for line in evidence.lines:
        value = line.values.get(_BLOCKS) if line.saved and _is_of(evidence, line, name) else None
        if value and line.before.get(_BLOCKS) != value:
            by_value[value.lower()].append(line)
    for value, lines in by_value.items():
        first = {line.record_id: line for line in reversed(lines)}
        for one, other in combinations(sorted(first.values(), key=lambda line: line.seq), 2):
            yield f"{name}: the lines {one.seq} and {other.seq} brought {value!r} into two records, which a rule blocks"


def _is_of(evidence: Evidence, line: Line, name: str) -> bool:
    sent = evidence.sent_rows.get(line.marker or "")
    return sent is not None and sent[0] == name


def twins_are_named(evidence: Evidence) -> Iterator[str]:
    """Rows that may be twins have one group in the audit, which is the number of one of them; no other row has it."""
    for name, load in evidence.loads.items():
        sent = evidence.expected[name].sent
        said = {entry.row_number: entry.twin_group for entry in load.entries if entry.row_number in sent}
        for group in _groups(evidence, load, sent):
            found = {number: said[number] for number in sorted(group & said.keys())}
            if not _is_named(set(found.values()), _may_be_first(evidence, load, group)):
                yield f"{name}: the rows have the twin groups {found}"


def _is_named(found: set[int | None], first: set[int]) -> bool:
    return len(found) == 1 and found <= first if first else found == {None}


def _may_be_first(evidence: Evidence, load: LoadEvidence, group: set[int]) -> set[int]:
    """The rows of a group that may go before the others: the first one, or any where some wait for their parents."""
    sent, column = evidence.expected[load.plan.name].sent, parent_column(evidence.scenario.key_field)
    if len({evidence.fold(sent[number].key) for number in group}) == 1:
        return set()
    if any(column in row for row in load.plan.rows):
        return group
    return {min(group, key=lambda number: (sent[number].order or 0, number))}


def _groups(evidence: Evidence, load: LoadEvidence, sent: Mapping[int, Sent]) -> list[set[int]]:
    """Row numbers, together with all that they share a key or a value with."""
    groups: list[tuple[set[int], set[Any]]] = []
    criteria = read_twin_fields(load.plan.twin_fields or None)
    for number, row in sent.items():
        together, values = {number}, {("key", evidence.fold(row.key)), *_shared(row, criteria)}
        meeting = [each for each in groups if each[1] & values]
        groups = [each for each in groups if not each[1] & values]
        groups.append((together.union(*(each[0] for each in meeting)), values.union(*(each[1] for each in meeting))))
    return [numbers for numbers, _ in groups]


def _shared(row: Sent, criteria: Iterable[tuple[str, ...]]) -> Iterator[Any]:
    for criterion in criteria:
        values = [row.values.get(field) for field in criterion]
        if all(values):
            yield criterion, *(str(value).lower() for value in values)


def children_come_after_parents(evidence: Evidence) -> Iterator[str]:
    """A row lacks its parent only where its own load has not brought that in, and says so; or in a ring."""
    for name, load in evidence.loads.items():
        actions = {entry.row_number: entry.action for entry in load.entries}
        family = _Family.of(evidence, name)
        for entry in load.entries:
            parent = family.parent_row.get(entry.row_number)
            if parent is None or not _lacks_parent(entry) or family.is_in_a_ring(entry.row_number):
                continue
            if actions.get(parent) in WRITTEN:
                yield f"{name}: row {entry.row_number} is {entry.action} for want of its parent, and row {parent} is in"
            elif entry.reason != PARENT_NOT_SAVED:
                yield f"{name}: row {entry.row_number} does not say that its parent, row {parent}, is not in"


def _lacks_parent(entry: Entry) -> bool:
    if entry.action not in (Action.FAILED, Action.NOT_SENT):
        return False
    return entry.reason == PARENT_NOT_SAVED or "Foreign key external ID" in (entry.error_message or "")


@dataclass(frozen=True, slots=True)
class _Family:
    """The parents that rows of a load have among themselves."""

    #: Row number to folded key.
    key: Mapping[int, str]
    #: Folded key to those that its rows name as their parents.
    above: Mapping[str, set[str]]
    #: Row number to that of the first row of its parent's key.
    parent_row: Mapping[int, int]

    @classmethod
    def of(cls, evidence: Evidence, name: str) -> _Family:
        sent, column = evidence.expected[name].sent, parent_column(evidence.scenario.key_field)
        key = {number: evidence.fold(row.key) for number, row in sent.items()}
        parent = {number: evidence.fold(row.values[column]) for number, row in sent.items() if row.values.get(column)}
        above: defaultdict[str, set[str]] = defaultdict(set)
        for number, each in parent.items():
            above[key[number]].add(each)
        first = {key[number]: number for number, row in sent.items() if row.place == 0}
        return cls(key, above, {number: first[each] for number, each in parent.items() if each in first})

    def is_in_a_ring(self, number: int) -> bool:
        """Whether a way up leads from the row back to where it has been."""
        seen, now = set[str](), {self.key[number]}
        while now:
            seen |= now
            now = set[str]().union(*(self.above.get(each, ()) for each in now))
            if now & seen:
                return True
        return False
