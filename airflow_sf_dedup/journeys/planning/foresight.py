"""What would become of these rows, were they sent now? The entries that a load would write, and no write.

Keys are looked up by query. Rows without a record, and those that change theirs, are shown to the duplicate rules by a
look-up that writes nothing. What is found goes the way of any blocked row: cases, policies, decisions, each of which
says what it would do. What rules are shown is the row as it would be sent: without what the load's rules for fields
keep back, beside what its record has.

What only a save tells, a plan cannot: a required field, a validation rule, a trigger, another unique field. A rule that
only reports looks like one that alerts. No rule can be asked whether rows of the same load match each other, since none
of them is in the org.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import NOTHING_FOUND, DuplicatesFound, Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.planning.standing import Standing, Standings
from airflow_sf_dedup.journeys.planning.written import real_id
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.naming import Naming
from airflow_sf_dedup.journeys.settling.settlement import Settlement

#: Why a row that would be written need not be: the look-up could not be made for it.
RULES_NOT_ASKED = "rules_not_asked"


class Nowhere:
    """An ``EntryWriter`` for entries that are handed back instead."""

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        """Nothing is committed."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of a row.

    :ivar changes: the org is another one after it, where the row is written.
    """

    entry: Entry
    standing: Standing
    changes: bool


@dataclass(frozen=True)
class Foresight:
    """Foresees rows.

    :ivar naming: whose look-up writes nothing.
    :ivar settlement: that carries out no decision; it commits nothing.
    """

    standings: Standings
    naming: Naming
    settlement: Settlement
    entries: EntryMaker

    def foresee(self, rows: Sequence[Record]) -> list[Foreseen]:
        """An entry for each row, in their order, and what it rests on.

        :param rows: of one wave, some thousands at most.
        :raises CallError: the org does not answer.
        """
        standings = self.standings.of(rows)
        found = self._found([each for each in standings if each.kept_out is None and each.left is None])
        told = [(each, _kept_out(each, found.get(each.row.row_number))) for each in standings]
        blocked = [row for _, row in told if row is not None]
        entries = [self._free(each, found.get(each.row.row_number)) for each, row in told if row is None]
        # A load would wait for a stale rule; nobody waits for a plan.
        entries += [replace(entry, rule_wait=None) for entry in self.settlement.settle(blocked)] if blocked else []
        by_number = {entry.row_number: replace(entry, record_id=real_id(entry.record_id)) for entry in entries}
        return [
            Foreseen(by_number[each.row.row_number], each, each.kept_out is not None or each.row.row_number in found)
            for each in standings
        ]

    def _free(self, standing: Standing, found: Outcome | None) -> Entry:
        """Nothing keeps the row out."""
        if standing.left is not None:
            return self.entries.entry(standing.row, standing.left.action, **standing.left.told)
        reason = RULES_NOT_ASKED if found is not None and _was_not_asked(found) else None
        if standing.holder is None:
            return self.entries.entry(standing.row, Action.CREATED, reason=reason)
        return self.entries.entry(standing.row, Action.UPDATED, reason=reason, record_id=standing.holder.record_id)

    def _found(self, standings: Sequence[Standing]) -> dict[int, Outcome]:
        """What the rules find, by row number; nothing for a row that changes nothing."""
        new = [each.row for each in standings if each.holder is None]
        held = {each.row.row_number: each for each in standings if each.holder is not None}
        changed = [row for each in held.values() if (row := self.standings.merged(each)) is not None]
        own = {number: each.holder.record_id for number, each in held.items() if each.holder}
        found = self._looked_up([*new, *changed], own)
        return found | self._by_the_change([held[row.row_number] for row in changed], found, own)

    def _by_the_change(
        self, changed: Iterable[Standing], found: dict[int, Outcome], own: dict[int, str]
    ) -> dict[int, Outcome]:
        """Of rows that have a record, what rules find for the change: whom the record matches anyway blocks no edit."""
        met = [each for each in changed if _names_records(found[each.row.row_number])]
        before = self._looked_up([replace(each.row, fields=self.standings.as_stored(each)) for each in met], own)
        return {number: _besides(found[number], outcome) for number, outcome in before.items()}

    def _looked_up(self, rows: Sequence[Record], own: dict[int, str]) -> dict[int, Outcome]:
        # Rows that are written in two ways share no call that writes; a look-up does not tell them apart.
        asked = [replace(row, known=None) for row in rows]
        return {each.row.row_number: each.outcome for batch in self.naming.found_for(asked, own) for each in batch}


def _kept_out(standing: Standing, found: Outcome | None) -> Blocked | None:
    """What keeps a row out: its key, a rule, or a record in the recycle bin."""
    if standing.kept_out is not None:
        return standing.kept_out
    if isinstance(found, DuplicatesFound) and not (_tells_nothing(found) or _was_not_asked(found)):
        return Blocked(UnderWay(standing.row, 1), found)
    return standing.in_bin


def _tells_nothing(found: DuplicatesFound) -> bool:
    return found.why_unnamed == NOTHING_FOUND and not found.matches


def _was_not_asked(found: Outcome) -> bool:
    """No rule said anything of the row, not even that it finds nothing."""
    if not isinstance(found, DuplicatesFound):
        return True
    return not found.matches and not found.rules and found.all_named and found.why_unnamed != NOTHING_FOUND


def _names_records(found: Outcome) -> bool:
    return isinstance(found, DuplicatesFound) and bool(found.matches)


def _besides(now: Outcome, before: Outcome) -> Outcome:
    """What is found now, without the records that were found before."""
    if not isinstance(now, DuplicatesFound) or not isinstance(before, DuplicatesFound):
        return now
    known = {match.record_id for match in before.matches or ()}
    matches = tuple(match for match in now.matches or () if match.record_id not in known)
    rules = tuple(dict.fromkeys(match.duplicate_rule for match in matches))
    if not matches:
        return DuplicatesFound(now.message, (), why_unnamed=NOTHING_FOUND)
    allow_save = all(match.allow_save for match in matches)
    return replace(now, matches=matches, rules=rules, allow_save=allow_save)
