"""What is older than what was written is not sent, and a watermark stands before its row is settled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.guards import Taken
from airflow_sf_dedup.journeys.newest import NewestOnly
from airflow_sf_dedup.locks.base import Holder, KeyScope, Watermark
from tests.journeys.fake_org import KEY, KEY_RULE, ORG_ID, row

SCOPE = KeyScope(ORG_ID, "Lead", KEY)
MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
OTHER = Holder("another-load", "leads.upsert", MOMENT, MOMENT)


class Marks:
    """Watermarks in memory."""

    def __init__(self, **orders: str) -> None:
        self.marks = {key: Watermark(order, None, "elsewhere/1") for key, order in orders.items()}

    @property
    def orders(self) -> dict[str, str]:
        return {key: mark.order for key, mark in self.marks.items()}

    def newest(self, scope: KeyScope, keys: Iterable[str]) -> Mapping[str, Watermark]:
        return {key: self.marks[key] for key in keys if key in self.marks}

    def raise_to(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        self.marks.update(marks)

    def take_back(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        for key, mark in marks.items():
            if mark.before is None:
                del self.marks[key]
            else:
                self.marks[key] = Watermark(mark.before, mark.before, "")


class Claims:
    """Puts some rows off."""

    def __init__(self, *away: int) -> None:
        self.away = away

    def take(self, rows: Sequence[Record]) -> Taken[Record]:
        return Taken([(each, OTHER) for each in rows if each.row_number in self.away])


def ordered(number: int, day: int, key: str = "") -> Record:
    return replace(row(number, key or f"k{number}"), order=f"t:2026-03-{day:02d}T00:00:00.000000Z")


def day(number: int) -> str:
    return f"t:2026-03-{number:02d}T00:00:00.000000Z"


def entry(record: Record, action: Action) -> Entry:
    return Entry(record.row_number, action, MOMENT, key=record.key)


def newest(marks: Marks, claims: Claims | None = None) -> NewestOnly:
    return NewestOnly(claims or Claims(), marks, SCOPE, "load", KEY_RULE.partition_fold)


def test_older_rows_are_kept_back_and_equal_or_newer_ones_are_sent() -> None:
    subject = newest(Marks(k1=day(5), k2=day(5), k3=day(5)))
    rows = [ordered(1, 4), ordered(2, 5), ordered(3, 6), ordered(4, 1)]
    taken = subject.take(rows)
    assert taken.dropped == {id(rows[0])}
    assert subject.stale() == [(rows[0], "stale")]
    assert subject.stale() == []


def test_rows_without_an_order_are_never_stale() -> None:
    subject = newest(Marks(k1=day(5)))
    assert subject.take([row(1, "k1")]).dropped == set()


def test_an_order_of_another_kind_is_not_older() -> None:
    subject = newest(Marks(k1="n:0000099"))
    assert subject.take([ordered(1, 1)]).dropped == set()


def test_a_row_that_is_put_off_is_not_judged_yet() -> None:
    subject = newest(Marks(k1=day(5)), Claims(1))
    rows = [ordered(1, 4)]
    taken = subject.take(rows)
    assert [each for each, _ in taken.put_off] == rows
    assert (taken.dropped, subject.stale()) == (set(), [])


def test_a_watermark_stands_before_the_row_is_sent_and_is_taken_back_if_it_was_surely_not_written() -> None:
    marks = Marks(k5=day(1))
    subject = newest(marks)
    rows = [ordered(number, number) for number in range(1, 8)]
    subject.take(rows)
    assert marks.orders == {f"k{number}": day(number) for number in range(1, 8)}
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
    written = {f"k{number}": day(number) for number in (1, 2, 3, 4, 6)}
    assert marks.orders == {**written, "k5": day(1)}


def test_a_row_as_old_as_its_watermark_leaves_it_when_it_fails() -> None:
    marks = Marks(k1=day(5))
    subject = newest(marks)
    rows = [ordered(1, 5)]
    subject.take(rows)
    subject.settle([entry(rows[0], Action.FAILED)])
    assert marks.orders == {"k1": day(5)}


def test_a_row_that_is_sent_again_after_a_crash_takes_back_what_its_dead_try_raised() -> None:
    marks = Marks(k1=day(3), k2=day(3))
    rows = [ordered(1, 5), ordered(2, 5)]
    newest(marks).take(rows)
    subject = newest(marks)
    subject.take(rows)
    subject.settle([entry(rows[0], Action.FAILED), entry(rows[1], Action.UPDATED)])
    assert marks.orders == {"k1": day(3), "k2": day(5)}


def test_another_row_as_new_takes_nothing_back() -> None:
    marks = Marks(k1=day(3))
    newest(marks).take([ordered(1, 5)])
    subject, later = newest(marks), ordered(2, 5, "k1")
    subject.take([later])
    subject.settle([entry(later, Action.FAILED)])
    assert marks.orders == {"k1": day(5)}


def test_an_older_row_that_may_be_in_the_org_says_so() -> None:
    rows = [ordered(1, 4), ordered(2, 4)]

    class Doubting(Claims):
        def take(self, asked: Sequence[Record]) -> Taken[Record]:
            return Taken([], {id(rows[0]): MOMENT})

    subject = newest(Marks(k1=day(5), k2=day(5)), Doubting())
    subject.take(rows)
    assert subject.stale() == [(rows[0], "stale_in_doubt"), (rows[1], "stale")]
