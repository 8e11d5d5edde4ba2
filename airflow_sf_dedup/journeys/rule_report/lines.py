"""What is said of each duplicate rule: counts, shares, and what a person should look at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from airflow_sf_dedup.audit.base import BlockedRow, Period, RuleUse
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.salesforce.duplicate_rules import OrgRule

#: Rows that have to be decided before shares of them mean anything.
FEWEST_DECIDED = 10

#: Percent of the decided rows that were saved all the same: as many were not the same as the record.
OVER_MATCHES_FROM = 20.0

#: Percent of the rows.
MOST_ROWS = 50.0


class Decided(Enum):
    """What was done about the rows of a rule; the value is the word in reports."""

    UPDATED = "updated"
    SAVED = "saved_anyway"
    SKIPPED = "skipped"
    WAITING = "waiting"
    OTHER = "other"


_DECIDED: Mapping[Action, Decided] = {
    Action.MATCHED_UPDATED: Decided.UPDATED,
    Action.SAVED_ANYWAY: Decided.SAVED,
    Action.SKIPPED: Decided.SKIPPED,
    Action.AWAITING_REVIEW: Decided.WAITING,
    Action.HELD: Decided.WAITING,
}


class Flag(Enum):
    """Why a rule needs a look; the value says it to people."""

    OVER_MATCHES = "many of its rows were saved all the same: it may match records that are not the same"
    SEVERAL = "for most rows it named several records: it tells them apart too little, or the org has duplicates"
    WAITS = "most of its rows still wait for a person"
    BLOCKED_NOTHING = "it is active and blocked nothing: it may match too little, or is not needed"
    INACTIVE = "it is switched off now, and blocked rows in this time"


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule."""

    sobject: str
    rule: str
    label: str
    matching_rules: tuple[str, ...]
    #: Rows that it named records for.
    blocked: int
    decided: Mapping[Decided, int]
    #: Percent; ``None``: its matches have none.
    median_confidence: float | None
    several: int
    #: Rows for which it named a record of another sObject.
    elsewhere: int
    #: As the org states it; ``None``: it was not asked.
    active: bool | None
    flags: tuple[Flag, ...]
    examples: tuple[BlockedRow, ...] = ()

    def share(self, decided: Decided) -> float:
        """Percent of its rows."""
        return 100 * self.decided.get(decided, 0) / self.blocked if self.blocked else 0.0


@dataclass(frozen=True, slots=True)
class RuleReport:
    """All rules of a stretch of time."""

    period: Period
    loads: int
    rules: tuple[RuleLine, ...]
    #: As the org states them; ``None``: it was not asked, or did not say.
    matching_rules: tuple[OrgRule, ...] | None = None


def report_of(
    period: Period,
    loads: Mapping[str, int],
    uses: Iterable[RuleUse],
    org_rules: Iterable[OrgRule] | None = None,
    matching: Iterable[OrgRule] | None = None,
) -> RuleReport:
    """Join what the audit counted with the rules that the org has.

    :param loads: sObject to the number of its loads. A rule of an sObject that nobody loaded had nothing to block.
    :param org_rules: duplicate rules; ``None``: the org was not asked. One that blocked nothing gets a line as well.
    """
    known = None if org_rules is None else {_name(rule.sobject, rule.name): rule for rule in org_rules}
    lines = [_line(use, known) for use in uses]
    named = {_name(line.sobject, line.rule) for line in lines}
    wanted = None if period.sobject is None else period.sobject.lower()
    loaded = {sobject.lower() for sobject in loads}
    quiet = [
        _quiet(rule, was_met=rule.sobject.lower() in loaded)
        for name, rule in (known or {}).items()
        if name not in named and wanted in (None, rule.sobject.lower())
    ]
    return RuleReport(period, sum(loads.values()), (*lines, *quiet), None if matching is None else tuple(matching))


def _name(sobject: str, rule: str) -> tuple[str, str]:
    return sobject.lower(), rule.lower()


def _line(use: RuleUse, known: Mapping[tuple[str, str], OrgRule] | None) -> RuleLine:
    decided: dict[Decided, int] = {}
    for action, rows in use.actions.items():
        word = _DECIDED.get(action, Decided.OTHER)
        decided[word] = decided.get(word, 0) + rows
    rule = None if known is None else known.get(_name(use.sobject, use.rule))
    blocked = sum(decided.values())
    active = None if known is None else bool(rule and rule.active)
    return RuleLine(
        sobject=use.sobject,
        rule=use.rule,
        label=rule.label if rule else use.rule,
        matching_rules=use.matching_rules,
        blocked=blocked,
        decided=decided,
        median_confidence=_median(use.confidences),
        several=use.several,
        elsewhere=use.elsewhere,
        active=active,
        flags=tuple(_flags(blocked, decided, use.several, active)),
        examples=use.examples,
    )


def _quiet(rule: OrgRule, *, was_met: bool) -> RuleLine:
    flags = (Flag.BLOCKED_NOTHING,) if rule.active and was_met else ()
    return RuleLine(rule.sobject, rule.name, rule.label, (), 0, {}, None, 0, 0, rule.active, flags)


def _flags(blocked: int, decided: Mapping[Decided, int], several: int, active: bool | None) -> Iterable[Flag]:
    settled = sum(decided.get(word, 0) for word in (Decided.UPDATED, Decided.SAVED, Decided.SKIPPED))
    if settled >= FEWEST_DECIDED and 100 * decided.get(Decided.SAVED, 0) / settled >= OVER_MATCHES_FROM:
        yield Flag.OVER_MATCHES
    if blocked >= FEWEST_DECIDED and 100 * several / blocked >= MOST_ROWS:
        yield Flag.SEVERAL
    if blocked >= FEWEST_DECIDED and 100 * decided.get(Decided.WAITING, 0) / blocked >= MOST_ROWS:
        yield Flag.WAITS
    if active is False:
        yield Flag.INACTIVE


def _median(counts: Mapping[float, int]) -> float | None:
    """Of values that stand so often each; between two of them their mean."""
    total = sum(counts.values())
    if not total:
        return None
    low, high = _at(counts, (total - 1) // 2), _at(counts, total // 2)
    return (low + high) / 2


def _at(counts: Mapping[float, int], place: int) -> float:
    """The value at a place, from 0, of all of them in their order."""
    for value in sorted(counts):
        place -= counts[value]
        if place < 0:
            return value
    raise IndexError(place)
