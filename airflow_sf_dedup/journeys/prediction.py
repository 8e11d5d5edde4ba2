"""What will a load cost in API calls? Pure: numbers in, a prediction out.

Counts the calls of an upsert without trouble: rows that are sent again, refused calls and matches in the recycle bin
cost more, as do matches of another sObject that no policy writes to (a describe a task, a read each time); rows that
are not sent after all cost less.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_sf_dedup.audit.base import Totals
from airflow_sf_dedup.core.entries import UNSENT, Action
from airflow_sf_dedup.core.field_rules import FieldRule
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.core.write_modes import KEY_EXISTS, WriteMode
from airflow_sf_dedup.journeys.limits import CallLimits
from airflow_sf_dedup.journeys.sending.watermarks import STALE, STALE_IN_DOUBT
from airflow_sf_dedup.journeys.upsert import SETTLE_TOGETHER
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.wire.soql import MOST_TUPLES
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS, WRITE_PATHS, LookupPath, WritePath

#: Rows of a call that reads: 2,000 ids in a retrieve, 2,000 rows in a query's batch.
ROWS_A_READ = 2000
#: Keys of a query in a URL, where they have some twenty characters each.
KEYS_IN_A_URL = 400

#: Tuples of values (``match_on``) of a query in a URL, where they have some hundred characters each.
TUPLES_IN_A_URL = 100

#: Rows of a call that find no room, where new records and updates share no chunk: half a chunk, once or twice.
_LEFT_OUT = 200

_LOOK_UP = "look up what blocks"

#: What became of rows that a duplicate rule refused; the first two were written again.
_WRITTEN_AGAIN = (Action.MATCHED_UPDATED, Action.SAVED_ANYWAY)
_DECIDED = (*_WRITTEN_AGAIN, Action.AWAITING_REVIEW)

#: Reasons of ``skipped`` rows that were never sent.
_SKIPPED_UNSENT = (STALE, STALE_IN_DOUBT, KEY_EXISTS)


@dataclass(frozen=True, slots=True)
class Shares:
    """What became of the rows of an earlier load, as shares from 0 to 1."""

    #: Of the rows that were sent, those that a duplicate rule refused.
    blocked: float
    #: Of the rows that were sent, those that a policy wrote after that.
    settled: float


@dataclass(frozen=True, slots=True)
class Reads:
    """What is read of the org before each call that writes.

    :ivar values: of the records as well, not only who holds the keys.
    :ivar rows_left_out: of a call whose rows are written in two ways: they share no chunk, so some are not full.
    """

    values: bool
    rows_left_out: int = 0
    #: Keys are the values of several fields.
    by_values: bool = False

    def keys_a_call(self, *, by_soap: bool) -> int:
        """Keys of one query."""
        if self.by_values:
            return MOST_TUPLES if by_soap else TUPLES_IN_A_URL
        return ROWS_A_READ if by_soap else KEYS_IN_A_URL

    def calls(self, rows: int, rows_a_call: int, *, by_soap: bool) -> int:
        """For so many rows of a partition, of which so many are written at a time."""
        parts = [rows_a_call] * (rows // rows_a_call) + [rows % rows_a_call]
        keys = sum(_calls(part, self.keys_a_call(by_soap=by_soap)) for part in parts)
        return keys + self.values * sum(_calls(part, ROWS_A_READ) for part in parts)


def reads_of(write: WriteSettings) -> Reads | None:
    """What a load reads before it writes; ``None``: nothing depends on it."""
    if not write.asks_first:
        return None
    updates, creates = write.mode != WriteMode.CREATE_ONLY, write.mode != WriteMode.UPDATE_ONLY
    values = updates and (write.keep_before or FieldRule.ONLY_BLANKS in (write.field_rules or {}).values())
    return Reads(values, _LEFT_OUT if updates and creates else 0, bool(write.match_on))


@dataclass(frozen=True, slots=True)
class Prediction:
    """API calls of a whole load, of all its tasks together, as the org counts them."""

    #: If no row is blocked.
    least: int
    #: If as many rows are blocked as in the load before; ``None`` where there is none.
    likely: int | None = None
    #: What they are for: step to calls, of the likely ones where they are known.
    steps: Mapping[str, int] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """The better guess of the two."""
        return self.least if self.likely is None else self.likely

    def __str__(self) -> str:
        steps = ", ".join(f"{calls:,} to {step}" for step, calls in self.steps.items() if calls)
        if self.likely is None:
            return f"at least {counted(self.least, 'API calls')}: {steps}; more when rows are blocked as duplicates"
        return f"about {counted(self.likely, 'API calls')}: {steps}; at least {self.least:,}"


def predict_calls(
    rows_per_partition: Sequence[int],
    *,
    blocked_share: float | None,
    settled_share: float | None = None,
    before: int = 1,
    other_sobjects: int = 0,
    asks_rule_states: bool = False,
    asks_reports: bool = False,
    child_relationships: int = 0,
    path: WritePath = WRITE_PATHS["collections"],
    lookup: LookupPath = LOOKUP_PATHS["soap_upsert"],
    max_lookup_calls: int | None = None,
    by_soap: bool = True,
    reads: Reads | None = None,
) -> Prediction:
    """Predict the calls of a load.

    :param rows_per_partition: rows that are sent together: those of each partition, or with ``in_order`` those of
        each wave of each partition. Each of them rounds up.
    :param blocked_share: share of the rows, 0 to 1, that a duplicate rule will refuse; ``None``: nobody knows.
    :param settled_share: share of the rows, 0 to 1, that a policy then writes; ``None``: all that are blocked.
    :param before: calls for anything but rows: the describe, and the query for the org's id where a login does
        not tell it, which is one for each task.
    :param other_sobjects: to whose records policies write: these are read beside those of the load's own.
    :param asks_rule_states: a policy decides by which duplicate rules are active; rows that wait for one cost more.
    :param asks_reports: it is asked which of the saved rows rules report; where they do, that costs more.
    :param child_relationships: whose records are counted for the matches of rows that no policy writes: describes of
        both, once for each of ``rows_per_partition``, and a query a relationship.
    :param path: by which rows are written; ``lookup``: by which it is asked what blocks them.
    :param max_lookup_calls: after which nothing more is asked, of each of ``rows_per_partition``; ``None``: never.
    :param by_soap: the holders of keys are asked for by SOAP; False: in URLs, which hold fewer keys.
    :param reads: what is read before each call that writes.
    """
    rows_a_call = path.rows_a_call - (reads.rows_left_out if reads else 0)
    writes = sum(_calls(rows, rows_a_call) for rows in rows_per_partition)
    steps = Counter({"check the org": before, "write": writes})
    if asks_reports:
        steps["ask what rules report"] = sum(_calls(rows, ROWS_A_READ) for rows in rows_per_partition)
    if reads:
        steps["read what the org has"] = sum(
            reads.calls(rows, rows_a_call, by_soap=by_soap) for rows in rows_per_partition
        )
    least = steps.total()
    if blocked_share is None:
        return Prediction(least, None, dict(steps))
    settled = blocked_share if settled_share is None else min(settled_share, blocked_share)
    for rows in rows_per_partition:
        share = settled / blocked_share if blocked_share else 0.0
        of_partition = _settlement(
            _part(rows, blocked_share),
            share,
            1 + other_sobjects,
            path.settles(),
            lookup,
            (reads or Reads(False)).keys_a_call(by_soap=by_soap),
        )
        if asks_rule_states:
            of_partition["ask which rules are active"] = _calls(_part(rows, blocked_share), SETTLE_TOGETHER)
        if child_relationships:
            asked = _part(rows, blocked_share) - _part(rows, settled)
            of_partition["count children"] = _counting(asked, child_relationships, 1 + other_sobjects)
        if max_lookup_calls is not None:
            of_partition[_LOOK_UP] = min(of_partition[_LOOK_UP], max_lookup_calls)
        steps.update(of_partition)
    return Prediction(least, steps.total(), dict(steps))


def _counting(asked: int, relationships: int, sobjects: int) -> int:
    """The calls that count children: describes of what matches and of the children, then the queries."""
    if asked <= 0:
        return 0
    return sobjects + relationships + relationships * sobjects * _calls(asked, SETTLE_TOGETHER)


def _settlement(
    blocked: int, settled: float, sobjects: int, path: WritePath, lookup: LookupPath, keys_a_call: int
) -> Counter[str]:
    """The calls for the blocked rows of one partition, which are settled so many at a time.

    :param sobjects: whose records match.
    """
    steps = Counter[str]()
    while blocked > 0:
        together = min(blocked, SETTLE_TOGETHER)
        steps[_LOOK_UP] += _calls(together, lookup.rows_a_call)
        steps["read matches"] += sobjects * _calls(together, ROWS_A_READ)
        # A look-up that writes nothing is told whose keys are held, since it asks as if each row were new.
        times = 1 if lookup.writes else 2
        steps["read holders of keys"] += times * _calls(together, keys_a_call)
        steps["settle"] += _calls(_part(together, settled), path.rows_a_call)
        blocked -= together
    return steps


def shares_of(totals: Totals) -> Shares | None:
    """What an earlier load says of the next one; ``None`` when it sent nothing."""
    blocked = sum(totals.actions.get(action, 0) for action in _DECIDED)
    settled = sum(totals.actions.get(action, 0) for action in _WRITTEN_AGAIN)
    unsent = sum(totals.actions.get(action, 0) for action in UNSENT)
    skipped = totals.actions.get(Action.SKIPPED, 0)
    stale = _rows(totals, Action.SKIPPED, _SKIPPED_UNSENT)
    blocked += skipped - stale + _rows(totals, Action.CREATED, ("resolved_on_lookup",))
    blocked += _rows(totals, Action.UPDATED, ("resolved_on_lookup",))
    refused_again = sum(_rows(totals, Action.FAILED, (f"{action}_failed",)) for action in _WRITTEN_AGAIN)
    sent = totals.rows - unsent - stale
    if sent <= 0:
        return None
    return Shares((blocked + refused_again) / sent, (settled + refused_again) / sent)


def warnings_of(prediction: Prediction, limits: CallLimits, limit_info: LimitInfo | None, *, made: int) -> list[str]:
    """Why the load will probably not reach its end, in whole sentences.

    :param limit_info: what the org says of its daily calls; ``None``: nothing.
    :param made: calls of the load that the org has counted by now.
    """
    found = []
    budget, to_come = limits.api_budget, prediction.calls - made
    if budget is not None and prediction.calls > budget:
        found.append(
            f"api_budget={budget:,} will probably not do for {counted(prediction.calls, 'API calls')}: rows that are "
            "not sent by then are audited as not_sent, and clearing the upsert tasks goes on with them"
        )
    if limit_info is None:
        return found
    left = max(0, limit_info.allowed - limit_info.used)
    kept = math.ceil(limit_info.allowed * (limits.api_floor_pct or 0) / 100)
    if to_come > max(0, left - kept):
        keeps = f", of which api_floor_pct keeps {kept:,}" if kept else ""
        found.append(
            f"the org has {left:,} of {limit_info.allowed:,} daily API calls left{keeps}; the load will probably "
            f"need {to_come:,} more"
        )
    return found


def one_call_a_row(lookup: str, most: int) -> str:
    """What to say before rows are looked up one by one, in a whole sentence.

    :param most: look-ups of a task.
    """
    return (
        f"lookup={lookup!r} costs an API call for each blocked row, at most max_lookup_calls={most:,} in each task; "
        "the rows beyond go to the policy without a match, as not_looked_up"
    )


def _calls(rows: int, rows_a_call: int) -> int:
    return -(-rows // rows_a_call)


def _part(rows: int, share: float) -> int:
    """So many of the rows, rounded half up."""
    return min(rows, math.floor(rows * share + 0.5))


def _rows(totals: Totals, action: Action, reasons: Iterable[str]) -> int:
    wanted = frozenset(reasons)
    return sum(rows for (of, _, reason), rows in totals.reasons.items() if of is action and reason in wanted)
