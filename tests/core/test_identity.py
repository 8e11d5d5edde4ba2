"""Rows are the same rows in any process, and no other ones are."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from airflow_sf_dedup.core.identity import digest_of

ROW = {"Key__c": "A-1", "Amount": 1, "Tags": ["a", "b"]}


class Opaque:
    """Python shows its address only."""


@dataclass
class Holder:
    """Python shows the address of what it holds."""

    held: Any = field(default_factory=Opaque)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(ROW, dict(reversed(ROW.items())), id="order of columns"),
        pytest.param({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, id="order within a parent"),
        pytest.param({"a": Opaque()}, {"a": Opaque()}, id="an object"),
        pytest.param({"a": Holder()}, {"a": Holder()}, id="an object within an object"),
        pytest.param({"a": [Opaque()]}, {"a": [Opaque()]}, id="an object in a list"),
        pytest.param({"a": {"x", "y", "z", "w"}}, {"a": {"w", "z", "y", "x"}}, id="a set"),
        pytest.param({"a": float("nan")}, {"a": float("nan")}, id="NaN"),
        pytest.param({"a": Colour.RED}, {"a": "red"}, id="an enum, which is sent as its value"),
        pytest.param({"a": datetime(2026, 1, 2, tzinfo=UTC)}, {"a": datetime(2026, 1, 2, tzinfo=UTC)}, id="a time"),
    ],
)
def test_the_same_rows_have_one_digest(one: Any, other: Any) -> None:
    assert digest_of([one]) == digest_of([other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([{"a": "1"}], [{"a": 1}], id="text and number"),
        pytest.param([{"a": 1}], [{"a": True}], id="number and boolean"),
        pytest.param([{"a": 1}], [{"a": 1.0}], id="whole and float"),
        pytest.param([{"a": None}], [{}], id="null and absent"),
        pytest.param([{"a": None}], [{"a": "None"}], id="null and its name"),
        pytest.param([{"a": b"x"}], [{"a": "x"}], id="bytes and text"),
        pytest.param([{"a": Decimal("1.0")}], [{"a": Decimal("1.00")}], id="decimals"),
        pytest.param([{"a": date(2026, 1, 2)}], [{"a": "2026-01-02"}], id="date and text"),
        pytest.param([{"a": UUID(int=1)}], [{"a": UUID(int=2)}], id="ids"),
        pytest.param([{"a": {"x", "y"}}], [{"a": {"x"}}], id="sets"),
        pytest.param([{"a": ["x", "y"]}], [{"a": ["y", "x"]}], id="order of a list"),
        pytest.param([{"a": ["xy"]}], [{"a": ["x", "y"]}], id="parts of a list"),
        pytest.param([{"a": {"x": 1}}], [{"a": [("x", 1)]}], id="mapping and pairs"),
        pytest.param([{"a": 1}, {"b": 2}], [{"b": 2}, {"a": 1}], id="order of rows"),
        pytest.param([{"a": 1}], [{"a": 1}, {}], id="one more row"),
        pytest.param([["a"], ["b"]], [["a", "b"]], id="where a row ends"),
        pytest.param([{"a": "half \ud800"}], [{"a": "half \ud801"}], id="surrogates"),
        pytest.param([{1: "a"}], [{"1": "a"}], id="names"),
    ],
)
def test_other_rows_have_another_digest(one: list[Any], other: list[Any]) -> None:
    assert digest_of(one) != digest_of(other)


def test_a_digest_is_the_same_in_every_process() -> None:
    script = (
        "from airflow_sf_dedup.core.identity import digest_of\n"
        "class Opaque: pass\n"
        "print(digest_of([{'a': {'x', 'y', 'z', 'w', 'v'}, 'b': Opaque(), 'c': frozenset('abcdef')}]).hex())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
