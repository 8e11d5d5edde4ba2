"""How much of a load may create, change or be blocked."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.volume import LEAST_ROWS, Volume, VolumeLimits, volume_of
from airflow_sf_dedup.errors import SettingError

REFUSED = "DUPLICATES_DETECTED"


@pytest.mark.parametrize(
    ("action", "code", "expected"),
    [
        (Action.CREATED, None, Volume(created=1)),
        (Action.UPDATED, None, Volume(changed=1)),
        (Action.MATCHED_UPDATED, REFUSED, Volume(changed=1, blocked=1)),
        (Action.SAVED_ANYWAY, REFUSED, Volume(created=1, blocked=1)),
        (Action.AWAITING_REVIEW, REFUSED, Volume(blocked=1)),
        (Action.FAILED, REFUSED, Volume(blocked=1)),
        (Action.FAILED, "INVALID_FIELD", Volume()),
        (Action.UNCHANGED, None, Volume()),
        (Action.AWAITING_REVIEW, "DUPLICATE_EXTERNAL_ID", Volume()),
    ],
    ids=str,
)
def test_a_row_counts_by_its_action_and_code(action: Action, code: str | None, expected: Volume) -> None:
    assert volume_of(action, code) == expected


@pytest.mark.parametrize(
    ("limits", "volume", "exceeded"),
    [
        ({}, Volume(10_000, 10_000, 10_000), None),
        ({"max_created": 5}, Volume(created=5), None),
        ({"max_created": 5}, Volume(created=6), "max_created=5"),
        ({"max_created": 0}, Volume(created=1), "max_created=0"),
        ({"max_created": 0}, Volume(changed=900, blocked=900), None),
        ({"max_changed_pct": 10}, Volume(changed=100), None),
        ({"max_changed_pct": 10}, Volume(changed=101), "max_changed_pct=10"),
        ({"max_changed_pct": 0.5}, Volume(changed=LEAST_ROWS), None),
        ({"max_changed_pct": 0.5}, Volume(changed=LEAST_ROWS + 1), "max_changed_pct=0.5"),
        ({"max_changed_pct": 0}, Volume(changed=1), "max_changed_pct=0"),
        ({"max_changed_pct": 100}, Volume(changed=1000), None),
        ({"max_blocked_pct": 10}, Volume(blocked=60, waiting=41), "max_blocked_pct=10"),
        ({"max_blocked_pct": 10}, Volume(blocked=60, waiting=40), None),
        ({"max_created": 1, "max_blocked_pct": 1}, Volume(2, 0, 30), "max_created=1, max_blocked_pct=1"),
    ],
)
def test_of_a_thousand_rows_so_many_may(limits: dict[str, Any], volume: Volume, exceeded: str | None) -> None:
    assert VolumeLimits(**limits).exceeded(volume, 1000) == exceeded


@pytest.mark.parametrize("name", ["max_created", "max_changed_pct", "max_blocked_pct", "max_vs_history"])
def test_each_limit_by_itself_is_one(name: str) -> None:
    assert VolumeLimits(**{name: 1})
    assert not VolumeLimits()


def test_a_percentage_says_nothing_of_a_few_rows() -> None:
    assert VolumeLimits(max_blocked_pct=5).exceeded(Volume(blocked=LEAST_ROWS), LEAST_ROWS) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_created", -1),
        ("max_created", True),
        ("max_created", 2.5),
        ("max_created", "many"),
        ("max_changed_pct", 101),
        ("max_changed_pct", float("nan")),
        ("max_blocked_pct", -0.1),
        ("max_blocked_pct", "20"),
        ("max_vs_history", 0.5),
        ("max_vs_history", 1001),
        ("max_vs_history", float("inf")),
        ("max_vs_history", "3"),
        ("max_vs_history", True),
    ],
)
def test_a_limit_that_means_nothing_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=name) as raised:
        VolumeLimits(**{name: value})
    assert raised.value.setting == name
