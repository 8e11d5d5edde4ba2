"""What is usual of a task, and what is far beyond it."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.core.volume import LEAST_ROWS, Volume
from airflow_sf_dedup.core.volume_history import LEAST_LOADS, VolumeHistory

DAILY = [Volume(100, 1000, 40)] * LEAST_LOADS


def created(*counts: int) -> list[Volume]:
    return [Volume(created=count) for count in counts]


@pytest.mark.parametrize(
    ("loads", "volume", "exceeded"),
    [
        pytest.param(DAILY, Volume(300, 3000, 120), None, id="three times as much"),
        pytest.param(DAILY, Volume(301), "at most 300 created", id="created"),
        pytest.param(DAILY, Volume(changed=3001), "at most 3,000 changed", id="changed"),
        pytest.param(DAILY, Volume(blocked=121), "at most 120 blocked", id="blocked"),
        pytest.param(DAILY, Volume(blocked=60, waiting=61), "at most 120 blocked", id="blocked without an entry"),
        pytest.param(DAILY, Volume(500, 0, 500), "at most 300 created, at most 120 blocked", id="two of them"),
        pytest.param(DAILY[1:], Volume(9999, 9999, 9999), None, id="two loads are no history"),
        pytest.param([], Volume(9999, 9999, 9999), None, id="no load before"),
        pytest.param(created(0, 0, 0), Volume(created=LEAST_ROWS), None, id="a few rows where there was none"),
        pytest.param(created(0, 0, 0), Volume(created=LEAST_ROWS + 1), "at most 20 created", id="more than a few"),
        pytest.param(created(5, 5, 5), Volume(created=LEAST_ROWS), None, id="a few rows where there were fewer"),
        pytest.param(created(7, 7, 7), Volume(created=22), "at most 21 created", id="just beyond a few"),
        pytest.param(created(10, 9000, 10, 10), Volume(created=31), "at most 30 created", id="the first load"),
        pytest.param(created(10, 9000, 10, 9000), Volume(created=27_000), None, id="what happened twice"),
        pytest.param(created(100, 300, 200), Volume(created=600), None, id="the middle of three"),
    ],
)
def test_a_load_may_do_three_times_what_is_usual(loads: list[Volume], volume: Volume, exceeded: str | None) -> None:
    found = VolumeHistory(loads).exceeded(volume, 3)
    by = f", by the last {len(loads)} loads of this task"
    assert found == (exceeded and f"max_vs_history=3 ({exceeded}{by})")


def test_of_each_kind_another_load_may_be_the_one_that_did_most() -> None:
    history = VolumeHistory([Volume(9, 1, 1), Volume(1, 9, 1), Volume(1, 1, 9), Volume(2, 3, 4)])
    assert history.usual == Volume(2, 3, 4)


@pytest.mark.parametrize(("factor", "most"), [(1, 100), (1.5, 150), (2.999, 299)])
def test_a_factor_need_not_be_whole(factor: float, most: int) -> None:
    history = VolumeHistory(DAILY)
    assert history.exceeded(Volume(created=most), factor) is None
    assert f"max_vs_history={factor:g} (at most {most} created" in str(history.exceeded(Volume(most + 1), factor))


def test_what_a_load_is_compared_with_is_told() -> None:
    assert VolumeHistory(DAILY).words(2.5).startswith("max_vs_history=2.5: the last 3 whole loads of this task had 100")
    assert "no history yet, nothing is compared" in VolumeHistory(DAILY[:1]).words(3)
