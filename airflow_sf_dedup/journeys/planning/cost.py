"""What does a plan cost in API calls, and may it cost that? Pure."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.prediction import KEYS_IN_A_URL, ROWS_A_READ
from airflow_sf_dedup.journeys.upsert import SETTLE_TOGETHER
from airflow_sf_dedup.salesforce.write_paths import LookupPath


def calls_of_plan(
    rows_together: Sequence[int],
    lookup: LookupPath,
    *,
    before: int,
    by_soap: bool = True,
    asks_rule_states: bool = False,
) -> int:
    """The calls for looking at rows: keys, the records that hold them, rules, and what these find.

    It is the most where no row is blocked by an edit of its record, which is asked about once more, and where no match
    was merged or is of another sObject.

    :param rows_together: rows of each wave.
    :param before: calls that were made for anything but rows.
    :param by_soap: keys are asked for by SOAP; False: in URLs, which hold fewer of them.
    :param asks_rule_states: a policy decides by which rules the org calls active.
    """
    keys_a_call = ROWS_A_READ if by_soap else KEYS_IN_A_URL
    calls = before
    for rows in rows_together:
        while rows > 0:
            together = min(rows, SETTLE_TOGETHER)
            # Once for all rows, and once more for those that are blocked.
            calls += 2 * (_calls(together, keys_a_call) + _calls(together, ROWS_A_READ))
            calls += _calls(together, lookup.rows_a_call) + asks_rule_states
            rows -= together
    return calls


def check_budget(
    rows_together: Sequence[int],
    lookup: LookupPath,
    *,
    before: int,
    budget: int | None,
    by_soap: bool = True,
    asks_rule_states: bool = False,
) -> int:
    """The calls of a plan that its budget allows.

    :raises SettingError: it does not; the message says how many rows would fit.
    """

    def cost(rows_together: Sequence[int]) -> int:
        return calls_of_plan(rows_together, lookup, before=before, by_soap=by_soap, asks_rule_states=asks_rule_states)

    calls = cost(rows_together)
    if budget is None or calls <= budget:
        return calls
    rows, fitting = sum(rows_together), 0
    step = max(1, rows)
    while step:
        # Spread evenly: each wave has its part.
        if cost([-(-each * (fitting + step) // rows) for each in rows_together]) <= budget:
            fitting += step
        else:
            step //= 2
    part = f", or plan a part of the rows: sample={fitting}" if fitting else ""
    raise SettingError(
        f"api_budget={budget:,} does not do for a plan of {counted(rows, 'rows')}, which costs up to "
        f"{counted(calls, 'API calls')}; let it make more{part}",
        setting="api_budget",
    )


def _calls(rows: int, rows_a_call: int) -> int:
    return -(-rows // rows_a_call)
