"""Calls shrink after trouble and grow while they are fast."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.journeys.sending.pace import Pace


def size(pace: Pace) -> tuple[int, int]:
    return pace.chunks, pace.rows


def test_a_slow_call_is_followed_by_half_of_it_down_to_few_rows() -> None:
    pace = Pace(200, 5)
    seen = []
    for _ in range(9):
        pace.slower(pace.rows)
        seen.append(size(pace))
    assert seen == [(2, 200), (1, 200), (1, 100), (1, 50), (1, 25), (1, 12), (1, 6), (1, 3), (1, 1)]


def test_a_small_chunk_that_times_out_is_halved_itself() -> None:
    pace = Pace(200, 1)
    pace.slower(14)
    assert pace.rows == 7


def test_fast_calls_make_the_next_larger_up_to_the_most() -> None:
    pace = Pace(200, 5)
    for _ in range(6):
        pace.slower(pace.rows)
    for _ in range(30):
        pace.answered(1.0)
    assert size(pace) == (5, 200)


def test_a_call_that_is_neither_fast_nor_slow_changes_nothing_and_a_slow_one_halves() -> None:
    pace = Pace(200, 4)
    pace.answered(15.0)
    assert size(pace) == (4, 200)
    pace.answered(25.0)
    assert size(pace) == (2, 200)


def probes(pace: Pace, calls: int, too_many: int, trouble: str) -> list[int]:
    """Numbers of the calls that met what so many rows always meet."""
    met = []
    for number in range(calls):
        if pace.rows > too_many:
            met.append(number)
            getattr(pace, trouble)(pace.rows)
        else:
            pace.answered(1.0)
    return met


def test_a_size_that_is_too_much_each_time_is_tried_ever_more_seldom() -> None:
    for trouble in ("slower", "lighter"):
        assert len(probes(Pace(200, 1), 1000, 150, trouble)) <= 10


def test_one_row_that_spoils_every_transaction_leaves_the_size_of_the_others_as_it_was() -> None:
    pace = Pace(200, 5)
    for rows in (200, 100, 50, 25, 13, 6, 3, 2):
        pace.lighter(rows)
    assert pace.rows == 1
    for _ in range(20):
        pace.answered(1.0)
    assert pace.rows == 200


@given(st.lists(st.sampled_from(["slower", "lighter", "fast", "slow"])), st.integers(1, 300), st.integers(1, 9))
def test_a_call_always_has_a_row_and_never_more_than_the_api_takes(steps: list[str], rows: int, chunks: int) -> None:
    pace = Pace(rows, chunks)
    for step in steps:
        if step == "slower":
            pace.slower(pace.rows)
        elif step == "lighter":
            pace.lighter(pace.rows)
        else:
            pace.answered(1.0 if step == "fast" else 60.0)
        assert 1 <= pace.chunks <= chunks
        assert 1 <= pace.rows <= rows
