"""Which numbers may a setting be? Every numeric setting of the package has its line here.

A threshold, a limit or a time that means nothing switches off what it protects: ``nan`` rows are never exceeded. So
what is not a finite number within the setting's range is refused by name, and so are booleans and text, which Python
or YAML would otherwise take for numbers. numpy's numbers are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Generic, TypeVar

from airflow_sf_dedup.errors import SettingError

N = TypeVar("N", covariant=True)
M = TypeVar("M")

#: Characters of an unusable value that an error shows.
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Number(Generic[N]):
    """What one setting may be."""

    #: Its name, as it is written in a Dag file or a connection.
    setting: str
    #: What it may be, in words that go on after "expected".
    allowed: str
    #: Answers the number; raises ValueError for anything else.
    take: Callable[[Any], N]

    def read(self, value: Any, *, named: str | None = None, setting: str | None = None) -> N:
        """The number that ``value`` is, as one of Python's own.

        :param named: how the message calls the setting, where its name alone does not lead to it.
        :param setting: the parameter that the error names, where the number is a part of another one.
        :raises SettingError: it is no number, not finite, or out of range.
        """
        try:
            return self.take(value)
        except ValueError:
            raise SettingError(
                f"{named or self.setting}={_shown(value)}: expected {self.allowed}{_hint(value)}",
                setting=setting or self.setting,
            ) from None

    def read_text(self, text: str, *, named: str | None = None) -> N:
        """The same of a value that is always written as text, as in ``airflow.cfg``."""
        return self.read(number_in(text), named=named)


def number_in(text: str) -> Any:
    """The number that a text spells, else the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _whole(setting: str, least: int, most: int | None = None) -> Number[int]:
    def take(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise ValueError
        return int(_within(value, least, most))

    limits = f"from {least} on" if most is None else f"from {least} to {most}"
    return Number(setting, f"a whole number {limits}", take)


def _number(setting: str, what: str, least: float, most: float, *, exclusive: bool = False) -> Number[float]:
    """``exclusive``: more than ``least``."""

    def take(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or (exclusive and value == least):
            raise ValueError
        finite = _within(value, least, most)
        return finite if type(finite) in (int, float) else float(finite)

    limits = f", more than {least} and at most {most}" if exclusive else f" from {least} to {most}"
    return Number(setting, f"{what}{limits}", take)


def _percent(setting: str) -> Number[float]:
    return _number(setting, "a percentage", 0, 100)


def _or_none(number: Number[M]) -> Number[M | None]:
    """``None`` stays ``None``: the setting is off."""
    return Number(
        number.setting, f"{number.allowed}, or None", lambda value: None if value is None else number.take(value)
    )


def _within(value: Any, least: float, most: float | None) -> Any:
    """``value``, unless it lies outside; whatever cannot be compared, such as nan, does."""
    if value >= least and (most is None or value <= most):
        return value
    raise ValueError


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _hint(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    if "{{" in value or "{%" in value:
        return "; templates are not rendered here"
    return "" if isinstance(number_in(value), str) else "; write the number without quotes"


#: Airflow maps a task over at most this many items (``[core] max_map_length``, as it is delivered).
MOST_PARTITIONS = 1024


def partitions_up_to(most: int) -> Number[int]:
    """Tasks that share a load.

    :param most: items that Airflow maps a task over, ``[core] max_map_length``.
    """
    number = _whole("partitions", 1, most)
    return Number(number.setting, f"{number.allowed} (Airflow's [core] max_map_length)", number.take)


#: How many Airflow maps over is a setting of Airflow's: see ``operators.mapping``.
PARTITIONS = partitions_up_to(2**31 - 1)
#: Rows that may be failed, invalid, unknown or not sent.
MAX_FAILED = _or_none(_whole("max_failed", 0))
#: The same in percent of all rows.
MAX_FAILED_PCT = _or_none(_percent("max_failed_pct"))
#: Rows that may await a person.
MAX_AWAITING_REVIEW = _or_none(_whole("max_awaiting_review", 0))
#: The same in percent of all rows.
MAX_AWAITING_REVIEW_PCT = _or_none(_percent("max_awaiting_review_pct"))
#: Rows that may create a record before a load stops.
MAX_CREATED = _or_none(_whole("max_created", 0))
#: Percent of a load's rows that may change a record before it stops.
MAX_CHANGED_PCT = _or_none(_percent("max_changed_pct"))
#: Percent of a load's rows that duplicate rules may keep out before it stops.
MAX_BLOCKED_PCT = _or_none(_percent("max_blocked_pct"))
#: How many times what is usual of its task a load may do; less than 1 would stop the usual.
MAX_VS_HISTORY = _or_none(_number("max_vs_history", "a number", 1, 1000))
#: Calls of one task at a time; an org grants 25 long ones to all its clients.
MAX_IN_FLIGHT = _whole("max_in_flight", 1, 10)
#: Look-ups of one task: calls that ask what blocks rows.
MAX_LOOKUP_CALLS = _whole("max_lookup_calls", 0, 1_000_000)
#: API calls of a load; an org has some millions a day at most.
API_BUDGET = _or_none(_whole("api_budget", 1, 1_000_000_000))
#: Percent of an org's daily calls that a load leaves to others.
API_FLOOR_PCT = _or_none(_percent("api_floor_pct"))
#: Seconds that rows wait for keys in flight elsewhere; at most a year.
CLAIM_TIMEOUT = _number("claim_timeout", "a number of seconds", 0, 31_536_000)
#: Percent below which a match is not acted on.
MIN_CONFIDENCE = _percent("min_confidence")
#: How often a row waits for a duplicate rule that was switched off.
TIMES = _whole("times", 1, 20)
#: Entries read at a time; each is held in memory.
PAGE_SIZE = _whole("page_size", 1, 100_000)
#: Rows that a plan looks at, or records that a search for duplicates looks at, instead of all.
SAMPLE = _or_none(_whole("sample", 1))
#: Days that a report of the duplicate rules looks back.
DAYS = _whole("days", 1, 3660)
#: Rows that stand for a rule in it.
EXAMPLES = _whole("examples", 0, 100)
#: Hours after which rules that a load switched off are switched on by whoever comes by; at most four weeks.
MAX_HOURS_OFF = _number("max_hours_off", "a number of hours", 0, 672, exclusive=True)
#: Seconds that a switched rule has until calls meet it as it was switched; at most a day.
EFFECTIVE_TIMEOUT = _number("effective_timeout", "a number of seconds", 0, 86_400)
#: Seconds that a rule is given which no probe can meet.
SETTLE_SECONDS = _number("settle_seconds", "a number of seconds", 0, 86_400)
#: Calls of one task that looks for duplicates among what was written.
MAX_CALLS = _whole("max_calls", 1, 1_000_000)
#: ``[sf_dedup]``: days that staged rows are kept; 0 would remove those of the loads that run.
STAGING_RETENTION_DAYS = _whole("staging_retention_days", 1, 36_500)
#: ``[sf_dedup]``: seconds for which a dead task's keys stay claimed; at most a week.
CLAIM_LIFETIME = _number("claim_lifetime", "a number of seconds", 1, 604_800)
#: Of a connection: seconds to wait for the org. Salesforce gives a call up after ten minutes.
TIMEOUT = _number("timeout", "a number of seconds", 0, 3600, exclusive=True)

#: What the operators take, by parameter.
OF_OPERATORS: Mapping[str, Number[Any]] = {
    number.setting: number
    for number in (
        PARTITIONS,
        MAX_FAILED,
        MAX_FAILED_PCT,
        MAX_AWAITING_REVIEW,
        MAX_AWAITING_REVIEW_PCT,
        MAX_CREATED,
        MAX_CHANGED_PCT,
        MAX_BLOCKED_PCT,
        MAX_VS_HISTORY,
        MAX_IN_FLIGHT,
        MAX_LOOKUP_CALLS,
        API_BUDGET,
        API_FLOOR_PCT,
        CLAIM_TIMEOUT,
    )
}


def check_numbers(given: Mapping[str, Any]) -> None:
    """Read the numeric settings among the parameters of an operator.

    :raises SettingError: one of them is no number that it may be.
    """
    for name in OF_OPERATORS.keys() & given.keys():
        OF_OPERATORS[name].read(given[name])
