"""Which records block these rows? Salesforce's batch APIs do not say, so those rows are asked about once more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_sf_dedup.core.outcomes import NOTHING_FOUND, DuplicatesFound, Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.sending.by_calls import CarriesChunks
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Room, Senders, itself
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay, under_way
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.kept_out import kept_out
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkApi, DuplicateLookup, RecordReader


def nothing_instead(error: CallError) -> DuplicateLookup | None:
    """There is one look-up."""
    return None


@dataclass
class Naming:
    """Looks up what blocked rows.

    A look-up that writes saves a row that nothing blocks any more. Where one that writes nothing finds nothing, the row
    is sent once more as it was at first, and is blocked without a match if that is refused again.

    :ivar instead: the look-up to go on with after an error; ``None``: there is none.
    """

    lookup: DuplicateLookup
    api: ChunkApi
    reader: RecordReader
    terms: Terms
    lost_answers: LostAnswers
    senders: Senders
    instead: Callable[[CallError], DuplicateLookup | None] = nothing_instead
    #: Rows whose call got no answer, once one failed for good.
    left: list[UnderWay[Record]] = field(default_factory=list, init=False)

    def name(self, blocked: Sequence[Blocked]) -> Iterator[list[Answered[Record]]]:
        """What is known by now of the rows whose refusal did not name its matches, call by call.

        :raises CallError: a call failed for good; :attr:`left` has the rows that it left.
        """
        unnamed = [row.record for row in blocked if row.found.matches is None]
        batches = self._looked_up(under_way(unnamed))
        if self.lookup.writes:
            yield from map(self.lost_answers.resolved, batches)
        else:
            yield from self._named_or_sent_again(batches, self._holders(unnamed))

    def found_for(self, rows: Sequence[Record], own: Mapping[int, str]) -> Iterator[list[Answered[Record]]]:
        """What a look-up that writes nothing finds for rows, blocked or not, call by call; nothing is sent again.

        :param own: row number to the row's own record, which is left out of what is found.
        :raises CallError: a call failed for good.
        """
        for batch in self._looked_up(under_way(rows)):
            yield [
                replace(each, outcome=_of_others(each.outcome, _one(own.get(each.row.row_number)))) for each in batch
            ]

    def _looked_up(self, rows: Iterable[UnderWay[Record]]) -> Iterator[list[Answered[Record]]]:
        """By the one look-up, or by the one that takes its place."""
        try:
            yield from self._sent(rows, self._call, Room(self.lookup.rows_per_call))
        except CallError as error:
            instead = self.instead(error)
            if instead is None:
                raise
            self.lookup, rest, self.left = instead, self.left, []
            yield from self._looked_up(rest)

    def _named_or_sent_again(
        self, batches: Iterable[list[Answered[Record]]], holders: Mapping[str, tuple[str, ...]]
    ) -> Iterator[list[Answered[Record]]]:
        again: list[UnderWay[Record]] = []
        for batch in batches:
            told = [replace(each, outcome=_of_others(each.outcome, holders.get(each.row.key, ()))) for each in batch]
            again += [each.sent for each in told if _tells_nothing(each)]
            yield [each for each in told if not _tells_nothing(each)]
        for batch in self._sent(again, self.api.upsert, Room.of(self.api)):
            yield [_unnamed(each) for each in self.lost_answers.resolved(batch)]

    def _holders(self, rows: Sequence[Record]) -> Mapping[str, tuple[str, ...]]:
        """Whose keys are held: these rows are asked about as if they were new, and find their own records."""
        return self.reader.holders([row.key for row in rows]) if rows else {}

    def _sent(
        self, rows: Iterable[UnderWay[Record]], call: CarriesChunks[Record], room: Room
    ) -> Iterator[list[Answered[Record]]]:
        sender = self.senders.by_calls(call, self.terms, room, itself)
        try:
            yield from sender.send(rows)
        except CallError:
            self.left = list(sender.left())
            raise

    def _call(self, chunks: Sequence[Sequence[Record]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        return [self.lookup.look_up(chunk, on_late=on_late) for chunk in chunks]


def _one(record_id: str | None) -> tuple[str, ...]:
    return () if record_id is None else (record_id,)


def _of_others(outcome: Outcome, own: Collection[str]) -> Outcome:
    """What a look-up found, without the row's own record."""
    if not isinstance(outcome, DuplicatesFound) or not outcome.matches:
        return outcome
    matches = tuple(match for match in outcome.matches if match.record_id not in own)
    is_nothing = not matches and outcome.all_named
    return replace(outcome, matches=matches, why_unnamed=NOTHING_FOUND if is_nothing else outcome.why_unnamed)


def _tells_nothing(answered: Answered[Record]) -> bool:
    """Whether only a save tells of the row: nothing was found, or the look-up could not be made for it."""
    outcome = answered.outcome
    return not isinstance(outcome, DuplicatesFound) or outcome.why_unnamed == NOTHING_FOUND


def _unnamed(answered: Answered[Record]) -> Answered[Record]:
    """Blocked still, and whoever it is, the look-up did not find them."""
    if not isinstance(answered.outcome, DuplicatesFound):
        return answered
    return replace(answered, outcome=replace(answered.outcome, matches=answered.outcome.matches or ()))


def named(rows: Sequence[Blocked]) -> list[Blocked]:
    """The rows whose refusal named its matches at once."""
    return [row for row in rows if row.found.matches is not None]


def unnamed(rows: Sequence[Blocked]) -> list[Blocked]:
    """The rows without what rules named for them: it is asked anew, since other rules may be in force by now."""
    return [row if row.obstacle.is_key else replace(row, found=replace(row.found, matches=None)) for row in rows]


def still_blocked(answered: Sequence[Answered[Record]]) -> list[Blocked]:
    """The rows that are kept out still, with what the look-up says of it."""
    return [row for row in map(kept_out, answered) if row is not None]
