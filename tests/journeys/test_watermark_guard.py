"""What is older than what was written is not sent, and nobody takes a state for written before somebody says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.clearance import Cleared, PutOff
from airflow_sf_dedup.journeys.sending.raisers import Fate, Raiser
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.sending.watermarks import WatermarkGuard
from airflow_sf_dedup.locks.base import Holder, KeyScope, Standing, Watermark
from airflow_sf_dedup.testing.fake_org import KEY, KEY_RULE, ORG_ID, row
from tests.journeys.rows_under_way import clear

SCOPE = KeyScope(ORG_ID, "Lead", KEY)
MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
OTHER = Holder("another-load", "leads.upsert", MOMENT, MOMENT)
NEWER = Holder("newer-load", "leads.upsert, load newer-load", MOMENT, None)


class Marks:
    """Watermarks in memory."""

    def __init__(self, **confirmed: str) -> None:
        self.confirmed = dict(confirmed)
        self.provisional: dict[str, list[Watermark]] = {}

    def standing(self, scope: KeyScope, keys: Iterable[str]) -> Mapping[str, Standing]:
        return {key: Standing(self.confirmed.get(key), tuple(self.provisional.get(key, ()))) for key in keys}

    def announce(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        for key, mark in marks.items():
            self.take_back(scope, {key: mark})
            self.provisional[key].append(mark)

    def confirm(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        self.take_back(scope, marks)
        self.confirmed |= {key: max(mark.order, self.confirmed.get(key, "")) for key, mark in marks.items()}

    def take_back(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        for key, mark in marks.items():
            others = self.provisional.get(key, ())
            self.provisional[key] = [each for each in others if each.raised_by != mark.raised_by]

    def announced(self) -> dict[str, list[str]]:
        return {key: [mark.order for mark in marks] for key, marks in self.provisional.items() if marks}


class Claims:
    """Puts some rows off, and doubts others."""

    def __init__(self, *away: int, doubted: Iterable[int] = ()) -> None:
        self.away, self.doubted = away, set(doubted)
        self.given_back: list[int] = []

    def clear(self, rows: Sequence[UnderWay[Record]]) -> list[Cleared[Record]]:
        known = [each.doubted(MOMENT) if each.row.row_number in self.doubted else each for each in rows]
        return [PutOff(each, OTHER) if each.row.row_number in self.away else each for each in known]

    def give_back(self, row_numbers: Iterable[int]) -> None:
        self.given_back += row_numbers


class Fates:
    """Says of rows that announced states what it was told."""

    def __init__(self, fates: Mapping[str, Fate]) -> None:
        self._fates = fates
        self.asked: list[str] = []

    def tell(self, newer: Sequence[tuple[Record, Watermark]]) -> Mapping[str, Raiser]:
        self.asked += [mark.raised_by for _, mark in newer]
        return {mark.raised_by: Raiser(self._fates[mark.raised_by], NEWER) for _, mark in newer}


def ordered(number: int, day: int, key: str = "") -> Record:
    return replace(row(number, key or f"k{number}"), order=f"t:2026-03-{day:02d}T00:00:00.000000Z")


def day(number: int) -> str:
    return f"t:2026-03-{number:02d}T00:00:00.000000Z"


def entry(record: Record, action: Action) -> Entry:
    return Entry(record.row_number, action, MOMENT, key=record.key)


def guard(
    marks: Marks, claims: Claims | None = None, fates: Mapping[str, Fate] | None = None, load: str = "load"
) -> WatermarkGuard:
    return WatermarkGuard(
        claims or Claims(), marks, Fates(fates or {}), SCOPE, load, KEY_RULE.partition_fold, lambda: MOMENT
    )


def stale(subject: WatermarkGuard) -> list[tuple[int, str]]:
    return [(row.row_number, why) for row, why in subject.stale()]


def test_rows_older_than_what_was_written_are_skipped_and_equal_or_newer_ones_are_sent() -> None:
    subject = guard(Marks(k1=day(5), k2=day(5), k3=day(5)))
    rows = [ordered(1, 4), ordered(2, 5), ordered(3, 6), ordered(4, 1)]
    taken = clear(subject, rows)
    assert taken.dropped == {1}
    assert stale(subject) == [(1, "stale")]
    assert stale(subject) == []


def test_rows_without_an_order_are_never_stale() -> None:
    subject = guard(Marks(k1=day(5)))
    assert clear(subject, [row(1, "k1")]).dropped == set()


def test_an_order_of_another_kind_is_not_older() -> None:
    subject = guard(Marks(k1="n:0000099"))
    assert clear(subject, [ordered(1, 1)]).dropped == set()


def test_a_row_that_is_put_off_is_not_judged_yet() -> None:
    subject = guard(Marks(k1=day(5)), Claims(1))
    rows = [ordered(1, 4)]
    taken = clear(subject, rows)
    assert [each for each, _ in taken.put_off] == rows
    assert (taken.dropped, stale(subject)) == (set(), [])


def test_a_state_is_announced_before_its_row_is_sent_and_confirmed_when_it_is_written() -> None:
    marks = Marks(k5=day(1))
    subject = guard(marks)
    rows = [ordered(number, number) for number in range(1, 8)]
    clear(subject, rows)
    assert marks.announced() == {f"k{number}": [day(number)] for number in range(1, 8)}
    actions = [
        Action.CREATED,
        Action.UPDATED,
        Action.MATCHED_UPDATED,
        Action.SAVED_ANYWAY,
        Action.FAILED,
        Action.UNKNOWN,
        Action.AWAITING_REVIEW,
    ]
    subject.settle(entry(each, action) for each, action in zip(rows, actions, strict=True))
    assert marks.confirmed == {**{f"k{number}": day(number) for number in (1, 2, 3, 4)}, "k5": day(1)}
    assert marks.announced() == {"k6": [day(6)]}, "nobody knows yet"


def test_a_row_that_is_sent_again_after_a_crash_meets_its_own_announcement() -> None:
    marks = Marks()
    rows = [ordered(1, 5), ordered(2, 5)]
    clear(guard(marks), rows)
    subject = guard(marks)
    assert clear(subject, rows).dropped == set()
    subject.settle([entry(rows[0], Action.FAILED), entry(rows[1], Action.UPDATED)])
    assert (marks.confirmed, marks.announced()) == ({"k2": day(5)}, {})


def test_another_row_as_new_takes_nothing_back() -> None:
    marks = Marks()
    clear(guard(marks), [ordered(1, 5)])
    subject, later = guard(marks), ordered(2, 5, "k1")
    clear(subject, [later])
    subject.settle([entry(later, Action.FAILED)])
    assert marks.announced() == {"k1": [day(5)]}


def test_an_older_row_that_may_be_in_the_org_says_so() -> None:
    subject = guard(Marks(k1=day(5), k2=day(5)), Claims(doubted=[1]))
    clear(subject, [ordered(1, 4), ordered(2, 4)])
    assert stale(subject) == [(1, "stale_in_doubt"), (2, "stale")]


@pytest.mark.parametrize(
    ("fate", "in_doubt", "then"),
    [
        (Fate.WRITTEN, False, "stale"),
        (Fate.WRITTEN, True, "stale_in_doubt"),
        (Fate.NOT_WRITTEN, False, "sent"),
        (Fate.NOT_WRITTEN, True, "sent"),
        (Fate.OPEN, False, "put off"),
        (Fate.OPEN, True, "put off"),
    ],
)
def test_a_row_below_a_state_that_nobody_has_settled_goes_by_what_became_of_that(
    fate: Fate, in_doubt: bool, then: str
) -> None:
    marks, older = Marks(), ordered(1, 4, "k")
    clear(guard(marks, load="newer"), [ordered(7, 5, "k")])
    claims = Claims(doubted=[1] if in_doubt else [])
    subject = guard(marks, claims, {"newer/7": fate})
    taken = clear(subject, [older])
    is_stale = then.startswith("stale")
    assert taken.put_off == ([(older, NEWER)] if then == "put off" else [])
    assert claims.given_back == ([1] if then == "put off" else []), "nobody else waits for a key that is not used"
    assert taken.dropped == ({1} if is_stale else set())
    assert stale(subject) == ([(1, then)] if is_stale else [])
    assert (1 in taken.since) is (in_doubt and not is_stale), "of a stale row its word says so"


def test_of_several_newer_rows_one_that_was_written_decides_and_then_one_that_is_not_settled() -> None:
    marks = Marks()
    for load in ("gone", "open", "written"):
        clear(guard(marks, fates={"gone/7": Fate.NOT_WRITTEN}, load=load), [ordered(7, 5, "k")])
    fates = {"gone/7": Fate.NOT_WRITTEN, "open/7": Fate.OPEN, "written/7": Fate.WRITTEN}
    older = ordered(1, 4, "k")
    assert clear(guard(marks, fates=fates), [older]).dropped == {1}
    marks.confirmed, marks.provisional["k"] = {}, marks.provisional["k"][:2]
    assert clear(guard(marks, fates=fates), [older]).put_off == [(older, NEWER)]


def test_what_was_learnt_of_a_newer_row_is_not_asked_again() -> None:
    for fate, confirmed in ((Fate.WRITTEN, {"k": day(5)}), (Fate.NOT_WRITTEN, {})):
        marks = Marks()
        clear(guard(marks, load="newer"), [ordered(7, 5, "k")])
        clear(guard(marks, fates={"newer/7": fate}), [ordered(1, 4, "k")])
        assert marks.confirmed == confirmed
        assert not any(mark.raised_by == "newer/7" for mark in marks.provisional["k"])


def test_a_row_below_what_was_written_asks_nobody() -> None:
    marks = Marks(k=day(5))
    clear(guard(marks, load="newer"), [ordered(7, 6, "k")])
    fates = Fates({})
    subject = WatermarkGuard(Claims(), marks, fates, SCOPE, "load", KEY_RULE.partition_fold)
    clear(subject, [ordered(1, 4, "k")])
    assert (stale(subject), fates.asked) == ([(1, "stale")], [])


def test_a_later_row_of_its_own_load_holds_no_row_up() -> None:
    marks = Marks()
    clear(guard(marks), [ordered(2, 9, "k")])
    subject, earlier = guard(marks), ordered(1, 5, "k")
    taken = clear(subject, [earlier])
    assert (taken.put_off, taken.dropped, stale(subject)) == ([], set(), [])


def test_what_was_learnt_of_many_rows_is_remembered_at_once() -> None:
    class Counted(Marks):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def take_back(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
            self.sizes.append(len(marks))
            super().take_back(scope, marks)

    marks, keys = Counted(), [f"k{number}" for number in range(5)]
    for load in ("a", "b"):
        clear(guard(marks, load=load), [ordered(number, 9, key) for number, key in enumerate(keys)])
    marks.sizes.clear()
    fates = {f"{load}/{number}": Fate.NOT_WRITTEN for load in ("a", "b") for number in range(5)}
    clear(guard(marks, fates=fates), [ordered(number, 1, key) for number, key in enumerate(keys)])
    assert marks.sizes[:2] == [5, 5]
    assert marks.announced() == {key: [day(1)] for key in keys}
