"""A task says how far it is, not oftener than every few seconds, and in counts alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.journeys.progress import EVERY, Progress

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def entries(count: int, action: Action, code: str | None = None) -> list[Entry]:
    return [Entry(number, action, NOW, key="secret", error_code=code) for number in range(count)]


def test_a_line_every_few_seconds_however_many_calls() -> None:
    said, clock = list[str](), Clock()
    progress = Progress(5_000, calls=lambda: 7, say=said.append, clock=clock)
    progress.begin(0)
    for _ in range(10):
        clock.now += EVERY / 5
        progress.note(entries(100, Action.CREATED))
    assert said == [
        "500 of 5,000 rows, 100 a second; 0 blocked, 0 failed, 7 API calls",
        "1,000 of 5,000 rows, 100 a second; 0 blocked, 0 failed, 7 API calls",
    ]


def test_what_is_blocked_and_what_failed_is_counted_and_nothing_is_quoted() -> None:
    said, clock = list[str](), Clock()
    progress = Progress(10, say=said.append, clock=clock)
    progress.note(entries(2, Action.MATCHED_UPDATED, "DUPLICATES_DETECTED"))
    progress.note(entries(1, Action.FAILED, "DUPLICATES_DETECTED"))
    clock.now += EVERY
    progress.note(entries(3, Action.NOT_SENT))
    assert said == ["6 of 10 rows, 1 a second; 3 blocked, 3 not sent, 1 failed, 0 API calls"]


def test_a_task_that_gets_no_answer_says_so_too() -> None:
    said, clock = list[str](), Clock()
    progress = Progress(5_000, calls=lambda: 12, say=said.append, clock=clock)
    for _ in range(10):
        clock.now += EVERY / 5
        progress.tick()
    assert said == ["0 of 5,000 rows, 0 a second; 0 blocked, 0 failed, 12 API calls"] * 2


def test_of_many_threads_one_says_it() -> None:
    said, clock = list[str](), Clock()
    progress = Progress(10, say=said.append, clock=clock)
    clock.now += EVERY
    with ThreadPoolExecutor(8) as threads:
        for _ in range(64):
            threads.submit(progress.tick)
    assert len(said) == 1


def test_a_rerun_says_what_was_settled_before() -> None:
    said, clock = list[str](), Clock()
    progress = Progress(5_000, say=said.append, clock=clock)
    progress.begin(4_000)
    clock.now += EVERY
    progress.note(entries(500, Action.CREATED))
    assert said == [
        "4,000 of 5,000 rows were settled before, and not sent again",
        "4,500 of 5,000 rows, 100 a second; 0 blocked, 0 failed, 0 API calls",
    ]
