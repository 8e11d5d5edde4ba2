"""Which records of the org belong together in a duplicate record set, by what a load met? Pure.

A set (``DuplicateRecordSet``) is about records of one sObject (Object Reference: SobjectType), so that a lead and the
contact that it matches are in none together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from airflow_sf_dedup.core.entries import Entry, MatchEntry
from airflow_sf_dedup.core.record_state import RecordState


@dataclass(frozen=True, slots=True)
class Together:
    """What one row says of records: they are one person, or one company."""

    #: 18 characters each, of one sObject; the record that the row was written to comes first.
    record_ids: tuple[str, ...]
    #: DeveloperName of the duplicate rule that named the first match; ``None``: no rule did, they hold one key.
    rule: str | None

    def among(self, record_ids: Collection[str]) -> Together:
        """The same, of those records that are there."""
        return replace(self, record_ids=tuple(each for each in self.record_ids if each in record_ids))

    @property
    def are_several(self) -> bool:
        """Whether there is anything to put together."""
        return len(self.record_ids) > 1


def together(entry: Entry, sobject: str) -> Together | None:
    """The record of a row and those that it matched, as far as they are of the load's sObject and live.

    :returns: ``None`` where these are not two.
    """
    matches = [match for match in entry.matches if _counts(match, sobject)]
    if not matches:
        return None
    matched = [match.record_id for match in matches]
    # A row may have been written to a record of another sObject: ids of one sObject begin alike.
    own = [each for each in (entry.record_id,) if each and each[:3] == matched[0][:3]]
    ids = dict.fromkeys(own + matched)
    found = Together(tuple(ids), next((match.duplicate_rule for match in matches if match.duplicate_rule), None))
    return found if found.are_several else None


def _counts(match: MatchEntry, sobject: str) -> bool:
    """One that could not be read has no state: whether it is there, the org is asked."""
    return match.sobject.lower() == sobject.lower() and match.state in (RecordState.LIVE, None)


@dataclass(slots=True)
class RecordSet:
    """A duplicate record set as it is, or is to be, as far as it has records that were asked for."""

    #: 18 characters; ``None``: it has yet to be made.
    set_id: str | None
    #: Id of its rule; ``None``: it has none.
    rule_id: str | None
    record_ids: set[str] = field(default_factory=set)
    #: Somebody else's, such as that of a duplicate job: nothing is added to it.
    is_closed: bool = False
    #: Records that are to be added.
    added: list[str] = field(default_factory=list)

    def add(self, record_ids: Iterable[str]) -> None:
        """Plan to have these in it as well."""
        new = [each for each in dict.fromkeys(record_ids) if each not in self.record_ids]
        self.added += new
        self.record_ids.update(new)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where records are put."""

    #: Those sets to which records are added, each once.
    sets: Sequence[RecordSet]
    #: Of the records that were told, how often they stood in a set together already.
    before: int


def placed(wanted: Iterable[tuple[Together, str | None]], standing: Iterable[RecordSet]) -> Placed:
    """Put records into sets: into the oldest one of their rule that has one of them, or else into a new one.

    Records that stand in a set together stay as they are, whatever rule or job put them there. As rules themselves
    do, rows that have a record in common share a set.

    :param wanted: with the id of the rule, as far as it is known.
    :param standing: those that have any of the records, the oldest first.
    """
    by_record: dict[str, list[RecordSet]] = defaultdict(list)
    for each in standing:
        for record_id in each.record_ids:
            by_record[record_id].append(each)
    changed: dict[int, RecordSet] = {}
    before = 0
    for told, rule_id in wanted:
        near = [each for record_id in told.record_ids for each in by_record[record_id]]
        if any(each.record_ids.issuperset(told.record_ids) for each in near):
            before += 1
            continue
        chosen = _of_rule(near, rule_id) or RecordSet(None, rule_id)
        chosen.add(told.record_ids)
        changed[id(chosen)] = chosen
        for record_id in told.record_ids:
            by_record[record_id].append(chosen)
    return Placed(list(changed.values()), before)


def _of_rule(sets: Iterable[RecordSet], rule_id: str | None) -> RecordSet | None:
    """The oldest; those that are yet to be made are younger than all."""
    open_ones = [each for each in sets if each.rule_id == rule_id and not each.is_closed]
    return min(open_ones, key=lambda each: (each.set_id is None, each.set_id or ""), default=None)
