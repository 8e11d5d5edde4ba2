"""What may stand behind the name of a setting? Each reader returns the value or says what it should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Turns what was given into the value; raises ValueError with what it should be.
Reader = Callable[[Any], Any]
#: Seconds, or the two ends between which they are drawn.
Seconds = tuple[float, float]


def flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise ValueError("true or false")
    return given


def text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError("a text")
    return given


#: Seconds of a day: a call that takes longer is one that somebody mistyped.
LONGEST = 86_400
#: More rows, bytes or calls than anybody means.
MOST = 2**53


def number(low: float, high: float = LONGEST) -> Reader:
    """A number of seconds, or of anything else that has its own upper end."""

    def read(given: Any) -> float:
        if not _is_number(given) or not low <= given <= high:
            raise ValueError(f"a number {_limits(given, low, high)}")
        return float(given)

    return read


def whole(low: int, high: int = MOST) -> Reader:
    def read(given: Any) -> int:
        if type(given) is not int or not low <= given <= high:
            raise ValueError(f"a whole number, {_limits(given, low, high)}")
        return given

    return read


def choice(*choices: Any) -> Reader:
    def read(given: Any) -> Any:
        if given not in choices or isinstance(given, bool):
            raise ValueError(f"one of: {', '.join(map(str, choices))}")
        return given

    return read


def optional(reader: Reader) -> Reader:
    """None stays None."""
    return lambda given: None if given is None else reader(given)


def seconds(given: Any) -> Seconds:
    """``2`` or ``[1, 3]``."""
    ends = list(given) if isinstance(given, list | tuple) else [given, given]
    if len(ends) != 2 or not all(_is_number(each) and 0 <= each <= LONGEST for each in ends) or ends[0] > ends[1]:
        raise ValueError(f"seconds, or [from, to] in seconds, each from 0 to {LONGEST}")
    return float(ends[0]), float(ends[1])


def shown(value: Any) -> Any:
    """A read value as it is given: equal ends of seconds become one number."""
    if isinstance(value, tuple):
        return value[0] if len(value) == 2 and value[0] == value[1] else list(value)
    return value


def _limits(given: Any, low: float, high: float) -> str:
    """The upper end is said where it matters: in most settings nobody comes near it."""
    too_large = isinstance(given, int | float) and given > high
    return f"from {low} to {high}" if too_large or high < LONGEST else f"{low} or more"


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < float("inf")
