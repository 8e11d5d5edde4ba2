"""Rows that are not known to be in the org, each called what it is: a row that was not sent has not failed."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sf_dedup.core.entries import COUNTED_AS_FAILED, Action
from airflow_sf_dedup.core.wording import counted

_IN_WORDS = {
    Action.FAILED: "failed",
    Action.INVALID: "invalid",
    Action.NOT_SENT: "not sent",
    Action.UNKNOWN: "unknown",
}
#: The same as what a sentence says of rows that are all alike.
_ALIKE = {
    Action.FAILED: "failed",
    Action.INVALID: "are invalid",
    Action.NOT_SENT: "were not sent",
    Action.UNKNOWN: "are unknown",
}


def shortfall(actions: Mapping[Action, int]) -> dict[Action, int]:
    """Of a count of rows by action, what ``max_failed`` counts, most first."""
    short = [(action, rows) for action, rows in actions.items() if rows and action in COUNTED_AS_FAILED]
    return dict(sorted(short, key=lambda item: (-item[1], item[0])))


def in_words(actions: Mapping[Action, int]) -> list[str]:
    """``["297 not sent", "2 failed"]``; empty where no row falls short."""
    return [f"{rows:,} {_IN_WORDS[action]}" for action, rows in shortfall(actions).items()]


def fall_short(actions: Mapping[Action, int], of: int) -> str:
    """``2 of 300 rows failed``, or where they fall short in several ways, how many do in each.

    :param actions: at least one row that falls short.
    :param of: all rows of the load or partition.
    """
    counts = shortfall(actions)
    which = f"{sum(counts.values()):,} of {counted(of, 'rows')}"
    if len(counts) == 1:
        return f"{which} {_ALIKE[next(iter(counts))]}"
    return f"{which} are not known to be in the org, {', '.join(in_words(counts))}"
