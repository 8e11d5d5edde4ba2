"""Blocked rows: look up what blocked them, read it, decide, settle, remember.

Every row that comes in leaves with one entry. No path leads from a failed update to a create.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.decisions import (
    Ask,
    Decision,
    DuplicateCase,
    MatchedRecord,
    SaveAnyway,
    Skip,
    UpdateMatch,
    certain_match,
)
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Match, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.key_conflicts import is_open
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.patience import seconds_before_try
from airflow_sf_dedup.journeys.refusals import is_in_doubt
from airflow_sf_dedup.journeys.remembering import Remembers
from airflow_sf_dedup.journeys.sending import Answered, CarriesChunks, Sender
from airflow_sf_dedup.locks.base import RecordClaim, RecordClaims
from airflow_sf_dedup.policies.base import Chain, Decided
from airflow_sf_dedup.salesforce.base import (
    ChunkAnswer,
    DuplicateLookup,
    RecordReader,
    RecordUpdate,
    StoredRecord,
    UpsertApi,
)
from airflow_sf_dedup.salesforce.duplicate_value import DuplicateValue, kind_of

#: A stamp that fails with one of these may have met a matched record that is gone since it was read.
_MATCH_GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})


@dataclass(frozen=True, slots=True)
class Blocked:
    """A row that a duplicate rule refused."""

    record: Record
    found: DuplicatesFound
    #: Times it was sent, and seconds from the first to the last.
    attempts: int = 1
    waited: float = 0.0
    #: It may be in the org all the same: an earlier sending got no answer.
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    """A case that is not settled yet, and from where in the chain to go on."""

    case: DuplicateCase
    start: int = 0
    #: Why an earlier decision could not be carried out.
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Settling:
    """A decision on its way: what is sent, and the case it settles."""

    case: DuplicateCase
    #: The policy that decided, counted from 0.
    position: int
    update: RecordUpdate | None = None


@dataclass
class _Book:
    """The rows of one settlement: which have their entry, and which may be in the org without one."""

    remember: Callable[[list[Entry]], None]
    open: dict[int, Blocked]
    #: When the matched records were read, UTC.
    read_at: datetime
    done: list[Entry] = field(default_factory=list)
    #: Row numbers.
    in_doubt: set[int] = field(default_factory=set)

    def close(self, entries: list[Entry]) -> None:
        """Commit entries, all final."""
        if entries:
            told = [self._with_effort(entry) for entry in entries]
            self.remember(told)
            self.done += told
            for entry in told:
                self.open.pop(entry.row_number, None)

    def _with_effort(self, entry: Entry) -> Entry:
        row = self.open[entry.row_number]
        return replace(entry, attempts=row.attempts, waited_seconds=row.waited)


@dataclass
class Duplicates:
    """Settles blocked rows of one load by one policy."""

    load_id: str
    org_id: str
    sobject: SObject
    key_rule: KeyRule
    api: UpsertApi
    lookup: DuplicateLookup
    reader: RecordReader
    claims: RecordClaims
    memory: Remembers
    policy: Chain
    entries: EntryMaker
    lost_answers: LostAnswers
    sleep: Callable[[float], None]
    wait: Callable[[int], float] = seconds_before_try
    #: The org's time, UTC.
    now: Callable[[], datetime] = utc_now
    #: Rows that a unique value kept out, of which only a re-read of the key tells why; see ``contested``.
    _contested: list[Answered[Record]] = field(default_factory=list, init=False)
    #: Told the numbers of rows in a call that was given up and may still be carried out.
    on_late: Callable[[Iterable[int]], None] = lambda rows: None

    def settle(self, blocked: Sequence[Blocked]) -> list[Entry]:
        """Settle the rows; answers their entries, all of them committed.

        :raises CallError: a call failed for good. Every row has its committed entry all the same.
        """
        book = _Book(
            partial(self.memory.remember, self.load_id),
            {row.record.row_number: row for row in blocked},
            read_at=utc_now(),
            in_doubt={row.record.row_number for row in blocked if row.in_doubt},
        )
        cases: dict[int, DuplicateCase] = {}
        try:
            named = self._look_up(blocked, book)
            book.read_at = utc_now()
            cases = {case.record.row_number: case for case in self._read(named)}
            open_cases = [_Open(case) for case in cases.values()]
            while open_cases:
                open_cases = self._decide_and_settle(open_cases, book)
        except CallError as error:
            book.close(
                [
                    self.entries.given_up(row.record, error, in_doubt=number in book.in_doubt, case=cases.get(number))
                    for number, row in book.open.items()
                ]
            )
            raise
        return book.done

    def contested(self) -> list[Answered[Record]]:
        """The rows without an entry that a unique value kept out, since this was asked last; no error hides them."""
        rows, self._contested = self._contested, []
        return rows

    def _contest(self, answered: Answered[Record], book: _Book) -> bool:
        """Hand a row back whose ``DUPLICATE_VALUE`` only a re-read explains."""
        if not is_open(answered, self.key_rule.field.name):
            return False
        book.open.pop(answered.row.row_number)
        self._contested.append(answered)
        return True

    def _look_up(self, blocked: Sequence[Blocked], book: _Book) -> list[Blocked]:
        """Name the matches of rows whose write did not; a row that went through is remembered."""
        named = [row for row in blocked if row.found.matches is not None]
        unnamed = [row.record for row in blocked if row.found.matches is None]
        sender = Sender(
            self._one_lookup,
            rows_per_chunk=self.lookup.rows_per_call,
            chunks_per_call=1,
            external_id_field=self.key_rule.field.name,
            repeatable=self.api.repeatable,
            size=size_of,
            on_late=lambda rows: self.on_late(row.row_number for row in rows),
            now=self.now,
            sleep=self.sleep,
            wait=self.wait,
        )
        try:
            for batch in sender.send(unnamed):
                told = [each for each in self.lost_answers.told(batch) if not self._contest(each, book)]
                book.close(
                    [self._looked_up(a.row, a.outcome) for a in told if not isinstance(a.outcome, DuplicatesFound)]
                )
                named += [Blocked(a.row, a.outcome) for a in told if isinstance(a.outcome, DuplicatesFound)]
                book.in_doubt.update(a.row.row_number for a in told if a.since is not None)
        except CallError:
            book.in_doubt.update(row.row_number for row, in_doubt in sender.left() if in_doubt)
            raise
        return named

    def _one_lookup(self, chunks: Sequence[Sequence[Record]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        return [self.lookup.look_up(chunk, on_late=on_late) for chunk in chunks]

    def _looked_up(self, record: Record, outcome: Outcome) -> Entry:
        if isinstance(outcome, Saved):
            return self.entries.saved(record, outcome, reason="resolved_on_lookup")
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        return self.entries.not_saved(record, outcome)

    def _read(self, blocked: Sequence[Blocked]) -> list[DuplicateCase]:
        """Read the matched records and the holders of the rows' keys, each in bulk."""
        if not blocked:
            return []
        holders = self.reader.holders([row.record.key for row in blocked])
        stored = self.reader.by_id(self.sobject.name, self._own_matches(blocked), self._fields_to_read())
        return [self._case(row, holders.get(row.record.key, ()), stored) for row in blocked]

    def _own_matches(self, blocked: Iterable[Blocked]) -> list[str]:
        ids = (m.record_id for row in blocked for m in row.found.matches or () if self._is_own(m))
        return list(dict.fromkeys(ids))

    def _is_own(self, match: Match) -> bool:
        return match.sobject.lower() == self.sobject.name.lower()

    def _fields_to_read(self) -> list[str]:
        return list(dict.fromkeys(["Id", *(field.name for field in self.sobject.fields)]))

    def _case(self, row: Blocked, holders: tuple[str, ...], stored: dict[str, StoredRecord]) -> DuplicateCase:
        by_id: dict[str, list[Match]] = defaultdict(list)
        for match in row.found.matches or ():
            by_id[match.record_id].append(match)
        return DuplicateCase(
            record=row.record,
            sobject=self.sobject.name,
            external_id_field=self.key_rule.field.name,
            matched=tuple(
                self._matched(tuple(matches), stored.get(record_id), row.record) for record_id, matches in by_id.items()
            ),
            key_holders=holders,
            allow_save=row.found.allow_save,
            all_named=row.found.all_named,
            described=self.sobject,
        )

    def _matched(self, matches: tuple[Match, ...], stored: StoredRecord | None, row: Record) -> MatchedRecord:
        if stored is None:
            return MatchedRecord(matches)
        key_field = self.key_rule.field.name
        carried = stored.values.get(key_field)
        is_blank = carried is None or not str(carried).strip()
        return MatchedRecord(
            matches,
            readable=not stored.is_deleted and key_field in stored.values,
            is_deleted=stored.is_deleted,
            is_converted=stored.values.get("IsConverted") is True,
            key=None if carried is None else str(carried),
            carries_another_key=not is_blank and self.key_rule.fold_stored(carried) != self.key_rule.fold(row.key),
            values={**stored.values, **self._parents(stored.values, row)},
        )

    def _parents(self, values: Mapping[str, Any], row: Record) -> dict[str, Any]:
        """Of the parents that the row names by their keys, the ids that the record has."""
        found = {name: self.sobject.parent(name) for name, value in row.fields.items() if isinstance(value, Mapping)}
        return {name: values[field.name] for name, field in found.items() if field and field.name in values}

    def _decide_and_settle(self, open_cases: Sequence[_Open], book: _Book) -> list[_Open]:
        """Carry out a decision a case; answers the cases whose decision was refused."""
        done: list[Entry] = []
        updates: list[_Settling] = []
        saves: list[_Settling] = []
        for item in open_cases:
            decided = self._decide(item)
            match decided.decision:
                case Skip(reason):
                    done.append(self.entries.blocked(item.case, Action.SKIPPED, reason))
                case Ask(reason):
                    done.append(self.entries.blocked(item.case, Action.AWAITING_REVIEW, reason))
                case UpdateMatch(record_id, fields):
                    update = RecordUpdate(record_id, fields)
                    updates.append(_Settling(item.case, decided.position, update))
                case SaveAnyway():
                    saves.append(_Settling(item.case, decided.position))
        book.close(done)
        return self._send_updates(self._claim(updates, book), book) + self._send_saves(saves, book)

    def _decide(self, item: _Open) -> Decided:
        """The first decision of the chain that may be carried out, whatever a policy of the user's says."""
        decided = self.policy.decide(item.case, start=item.start, reason=item.reason)
        while not _may_be_carried_out(decided.decision, item):
            reason = item.reason or "decision_not_allowed"
            decided = self.policy.decide(item.case, start=decided.position + 1, reason=reason)
        return decided

    def _claim(self, updates: Sequence[_Settling], book: _Book) -> list[_Settling]:
        """Only one key of all loads may stamp a record; the others go to a person."""
        wanted = [(item, item.update.record_id) for item in updates if item.update]
        claims = [RecordClaim(record_id, self._folded(item)) for item, record_id in wanted]
        holders = self.claims.claim(self.load_id, self.org_id, claims, read_at=book.read_at) if claims else {}
        taken = [item for item, record_id in wanted if holders.get(record_id) != self._folded(item)]
        book.close([self.entries.blocked(item.case, Action.AWAITING_REVIEW, "match_claimed") for item in taken])
        return [item for item, record_id in wanted if holders.get(record_id) == self._folded(item)]

    def _folded(self, item: _Settling) -> str:
        return self.key_rule.fold(item.case.record.key)

    def _send_updates(self, updates: Sequence[_Settling], book: _Book) -> list[_Open]:
        def call(chunks: Sequence[Sequence[_Settling]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
            return self.api.update([[i.update for i in chunk if i.update] for chunk in chunks], on_late=on_late)

        return self._send(call, updates, Action.MATCHED_UPDATED, book)

    def _send_saves(self, saves: Sequence[_Settling], book: _Book) -> list[_Open]:
        def call(chunks: Sequence[Sequence[_Settling]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
            records = [[item.case.record for item in chunk] for chunk in chunks]
            return self.api.upsert(records, allow_save=True, on_late=on_late)

        return self._send(call, saves, Action.SAVED_ANYWAY, book)

    def _send(
        self,
        call: CarriesChunks[_Settling],
        items: Sequence[_Settling],
        action: Action,
        book: _Book,
    ) -> list[_Open]:
        sender = Sender(
            call,
            rows_per_chunk=self.api.rows_per_chunk,
            chunks_per_call=self.api.chunks_per_call,
            external_id_field=None if action is Action.MATCHED_UPDATED else self.key_rule.field.name,
            repeatable=action is Action.MATCHED_UPDATED or self.api.repeatable,
            size=lambda item: size_of(item.case.record),
            on_late=lambda items: self.on_late(item.case.record.row_number for item in items),
            now=self.now,
            sleep=self.sleep,
            wait=self.wait,
        )
        reopened: list[_Open] = []
        try:
            for batch in sender.send(items):
                by_key = action is Action.SAVED_ANYWAY
                known = [each for each in batch if not (by_key and self._contest(_of_record(each), book))]
                answers = self._told(known)
                self._release(item for item, o in answers if not (isinstance(o, Saved) or is_in_doubt(o)))
                refused = [(item, why) for item, o in answers if (why := self._refusal(o, item)) is not None]
                reopened += [_Open(item.case, item.position + 1, why) for item, why in refused]
                book.close([self._settled(item, o, action) for item, o in answers if self._refusal(o, item) is None])
        except CallError:
            left = list(sender.left())
            book.in_doubt.update(item.case.record.row_number for item, in_doubt in left if in_doubt)
            self._release(item for item, in_doubt in left if not in_doubt)
            raise
        return reopened

    def _told(self, answers: Sequence[Answered[_Settling]]) -> list[tuple[_Settling, Outcome]]:
        """A decision that is refused now may have been carried out by an earlier call, whose answer was lost."""
        told = self.lost_answers.refused_or_saved([_of_record(each) for each in answers])
        return [
            (each.row, now.outcome if _is_about(each.row, now.outcome) else each.outcome)
            for each, now in zip(answers, told, strict=True)
        ]

    def _release(self, items: Iterable[_Settling]) -> None:
        """Give up the claims on records that were surely not written."""
        ids = [item.update.record_id for item in items if item.update]
        if ids:
            self.claims.release(self.load_id, self.org_id, ids)

    def _refusal(self, outcome: Outcome, item: _Settling) -> str | None:
        """Why the decision could not be carried out and the next policy is asked; ``None`` if it was."""
        if isinstance(outcome, DuplicatesFound):
            return "settle_refused_by_rule"
        if item.update is None or not isinstance(outcome, Failed):
            return None
        if outcome.code in _MATCH_GONE and not set(outcome.fields) - {"Id", "id"}:
            return "match_deleted"
        key_field = self.key_rule.field.name
        if outcome.code == "DUPLICATE_VALUE" and kind_of(outcome.message, key_field) is DuplicateValue.RACE:
            return "key_already_held"
        return None

    def _settled(self, item: _Settling, outcome: Outcome, action: Action) -> Entry:
        if isinstance(outcome, Saved):
            return self.entries.blocked(item.case, action, None, record_id=outcome.record_id)
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        return self.entries.not_saved(
            item.case.record, outcome, reason=f"{action}_failed", matches=self.entries.matches(item.case)
        )


def _of_record(each: Answered[_Settling]) -> Answered[Record]:
    """The row as it was sent."""
    record, update = each.row.case.record, each.row.update
    sent = replace(record, fields=update.fields) if update else record
    return Answered(sent, each.outcome, each.attempts, each.waited, each.since)


def _is_about(item: _Settling, outcome: Outcome) -> bool:
    """Whether what is said of the key's holder is said of the record that the decision was to write to."""
    return not isinstance(outcome, Saved) or item.update is None or outcome.record_id == item.update.record_id


def _may_be_carried_out(decision: Decision, item: _Open) -> bool:
    """Nothing uncertain is updated; no refused decision is followed by a save, which could create the row."""
    match decision:
        case UpdateMatch(record_id):
            certain = certain_match(item.case)
            return certain is not None and certain.record_id == record_id
        case SaveAnyway():
            return item.case.allow_save and item.reason is None
        case _:
            return True


def size_of(record: Record) -> int:
    """Characters of a row's text values: what decides how many fit a call."""
    return sum([len(value) for value in record.fields.values() if type(value) is str])
