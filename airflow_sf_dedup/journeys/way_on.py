"""What does a person do about a red load? Mend what, then clear which task: ``docs/rerun.md`` in one sentence.

Clearing the upsert tasks sends the staged rows again as they are, which helps where the cause passed or was in the
org. Only the task that reads the source finds out that the source was mended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum

from airflow_sf_dedup.audit.base import ONE_TASK, Load, Totals
from airflow_sf_dedup.core.entries import ERASED, Action
from airflow_sf_dedup.core.wording import counted, listed
from airflow_sf_dedup.journeys.collect import (
    BEHIND_A_FAILED_ROW,
    STAGED_ROW_UNREADABLE,
    Thresholds,
    too_many_waiting,
)
from airflow_sf_dedup.journeys.entry_maker import KEY_IN_FLIGHT, TRIES_USED_UP
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED
from airflow_sf_dedup.salesforce.wire.error_codes import Handling, Remedy, rule_for

#: Ways that a sentence names; a run may have a thousand loads.
MOST_WAYS = 3

#: Where the whole table is.
TABLE = "docs/rerun.md"


class Cause(Enum):
    """Where the cause of a row lies, and so what helps.

    To clear ``{read}`` has the source read anew, to clear ``{send}`` the rows sent again; ``{task}`` read the source.
    """

    SOURCE = "mend the source and clear {read}; clearing {send} would send the same values again"
    SOURCE_OR_ORG = (
        "mend the source and clear {read}, since clearing {send} would send the same values again; "
        "or, where the org has to change, mend that and clear {send}"
    )
    PARENT = "mend what keeps the rows that they name as their parents, then clear {send}"
    ORG = "mend it in the org and clear {send}"
    PASSES = "it passes by itself: clear {send}"
    IN_FLIGHT = "when the task that has the keys is over, clear {send}"
    LIMIT = "when there are API calls again, clear {send}"
    VOLUME = "look at the rows in the audit; where they are right, let the load do more and clear {send}"
    SETTING = "mend the setting, login or permission that the log of {send} names and clear {send}"
    UNREADABLE = "clear {read}, which stages the rows anew"
    NOT_READ = "see the log of {task}, mend what it says and clear it"
    PERSON = "decide in the org, and the next load finds it"


#: Of rows that were refused, what only the org can mend whatever the row holds.
_OF_THE_ORG = frozenset({"key_held_by_many", "key_held_by_converted", "key_held_in_recycle_bin", "holder_not_visible"})

#: Codes of ours for calls that meet the same until somebody changes something.
_SETTINGS = frozenset(
    {"TASK_ENDED", "LOGIN_REFUSED", "UNTRUSTED_CERTIFICATE", "UNUSABLE_KEY", "WRONG_ORG", "NO_ORG_ID", "REDIRECTED"}
)
_LIMITS = frozenset({"API_BUDGET", "API_FLOOR"})
VOLUME_GUARD = "VOLUME_GUARD"


def ways_on(load: Load, totals: Totals, thresholds: Thresholds) -> list[str]:
    """What to do about a red load, a clause for each cause, of most rows first; of several each says of how many."""
    causes = _causes(load, totals, thresholds)
    names = _tasks(load)
    ways = [(rows, cause.value.format(**names)) for cause, rows in causes.most_common()]
    return [way for _, way in ways] if len(ways) < 2 else [f"{counted(rows, 'rows')}: {way}" for rows, way in ways]


def go_on(ways: Sequence[str]) -> str:
    """The last sentence of a red verdict; blank where there is no way to tell."""
    every = [*dict.fromkeys(filter(None, ways))]
    return f"Next: {listed(every, most=MOST_WAYS, between='; ')} ({TABLE})" if every else ""


def _causes(load: Load, totals: Totals, thresholds: Thresholds) -> Counter[Cause]:
    causes = Counter[Cause]()
    for (action, code, reason), rows in totals.reasons.items():
        if cause := _cause(action, code or "", reason):
            causes[cause] += rows
    if load.rows_read is None:
        return Counter({Cause.NOT_READ: totals.rows})
    if too_many_waiting(totals, thresholds):
        causes[Cause.PERSON] = totals.actions[Action.AWAITING_REVIEW]
    return causes


def _cause(action: Action, code: str, reason: str | None) -> Cause | None:
    """The cause of rows that ``max_failed`` counts; ``None`` of others, and of those that go with another row."""
    if reason in (BEHIND_A_FAILED_ROW, ERASED):
        return None
    match action:
        case Action.INVALID:
            return Cause.SOURCE
        case Action.FAILED:
            return _of_refused(code, reason)
        case Action.NOT_SENT | Action.UNKNOWN:
            return _of_call(code, reason)
        case _:
            return None


def _of_refused(code: str, reason: str | None) -> Cause:
    if reason == TRIES_USED_UP:
        return Cause.PASSES
    if reason == PARENT_NOT_SAVED:
        return Cause.PARENT
    by_rule = rule_for(code).remedy is Remedy.ADMINISTRATION
    return Cause.ORG if by_rule or reason in _OF_THE_ORG else Cause.SOURCE_OR_ORG


def _of_call(code: str, reason: str | None) -> Cause:
    if reason == STAGED_ROW_UNREADABLE:
        return Cause.UNREADABLE
    if reason == KEY_IN_FLIGHT:
        return Cause.IN_FLIGHT
    if code in _LIMITS:
        return Cause.LIMIT
    if code == VOLUME_GUARD:
        return Cause.VOLUME
    return Cause.SETTING if code in _SETTINGS or rule_for(code).handling is Handling.FATAL else Cause.PASSES


def _tasks(load: Load) -> dict[str, str]:
    """What to clear so that the source is read anew, and so that the rows are sent again."""
    if load.settings.get(ONE_TASK):
        return {"task": load.task_id, "read": f"the task that gives {load.task_id} its rows", "send": load.task_id}
    return {"task": load.task_id, "read": load.task_id, "send": "the upsert tasks"}
