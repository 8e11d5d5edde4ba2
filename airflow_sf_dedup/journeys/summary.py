"""The ``duplicate_audit`` document: a load in at most 4 kB, whatever its size.

Version 1::

    {"version": 1, "load_id": "…", "sobject": "Lead", "external_id_field": "External_Id__c",
     "org_id": "…", "partition": 3 or null for a whole load,
     "rows": 625, "actions": {"created": 475, …}, "api_calls": 5, "predicted_calls": null or 41 for a whole load,
     "reasons": [{"action": "failed", "code": "…", "reason": null, "rows": 12}, …],
     "sample": [{"row": 17, "key": "ja…om", "action": "awaiting_review", "reason": "several_matches",
                 "record_id": null, "matched": ["00Q…"], "rules": ["…"]}, …],
     "audit": {"audit_conn_id": null, "table": "sf_dedup_entry", "load_id": "…"}}

Where a run has several loads, ``load_id`` is null and ``audit.run`` names the Dag, the run and the tasks
that made them. A load that was given a plan has ``plan`` as well: how many rows ended ``as_planned`` and ``otherwise``,
how, and a few of them.

``reasons`` and ``sample`` are bounded and carry no field value: keys are shortened, messages stay in
the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from airflow_sf_dedup.audit.against_plan import against_plan
from airflow_sf_dedup.audit.base import AuditReader, Load, Totals
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.plan_differences import PlanDifference

VERSION = 1
MOST_BYTES = 4096
MOST_REASONS = 12
_MOST_SAMPLES = 10
_MOST_MATCHED = 3
#: Rows that differ from a plan.
_MOST_DIFFERING = 5

#: What a person wants to see first.
_SAMPLED = (
    Action.FAILED,
    Action.UNKNOWN,
    Action.NOT_SENT,
    Action.INVALID,
    Action.AWAITING_REVIEW,
    Action.MATCHED_UPDATED,
    Action.SAVED_ANYWAY,
    Action.SKIPPED,
)


def summarise(
    audit: AuditReader,
    load: Load,
    totals: Totals,
    *,
    audit_conn_id: str | None,
    partition: int | None = None,
    api_calls: int | None = None,
) -> dict[str, Any]:
    """The document for a load, or for one partition of it.

    :param totals: of the load or the partition.
    :param api_calls: what this task used; a whole load's is read from the audit.
    """
    document: dict[str, Any] = {
        "version": VERSION,
        "load_id": load.load_id,
        "sobject": load.sobject,
        "external_id_field": load.external_id_field,
        "org_id": load.org_id,
        "partition": partition,
        "rows": totals.rows,
        "actions": {str(action): rows for action, rows in sorted(totals.actions.items())},
        "api_calls": load.api_calls if api_calls is None else api_calls,
        "predicted_calls": load.predicted_calls if partition is None else None,
        "reasons": reasons_of(totals),
        **(_plan(audit, load) if partition is None else {}),
        "audit": {"audit_conn_id": audit_conn_id, "table": "sf_dedup_entry", "load_id": load.load_id},
        "sample": [],
    }
    return fitting(document, _samples(audit, load.load_id, partition, totals))


def _plan(audit: AuditReader, load: Load) -> dict[str, Any]:
    """Of a load that was given a plan, where it differs from it."""
    beside = against_plan(audit, load)
    if beside is None:
        return {}
    rows = islice(audit.plan_differences(beside.plan_id, load.load_id), _MOST_DIFFERING)
    told = {
        "plan_id": beside.plan_id,
        "strict": beside.is_strict,
        "same_rows": beside.same_rows,
        "as_planned": beside.compared.as_planned,
        "otherwise": beside.compared.rows_otherwise,
        "unplanned": beside.compared.unplanned,
        "differences": [
            {"planned": planned, "became": became, "rows": count} for planned, became, count in beside.differences
        ],
        "sample": [_difference(each) for each in rows],
    }
    return {"plan": told}


def _difference(row: PlanDifference) -> dict[str, Any]:
    return {
        "row": row.row_number,
        "planned_row": row.planned_row,
        "key": shortened(row.key),
        "planned": row.planned and str(row.planned),
        "became": row.became and str(row.became),
        "reason": row.reason,
    }


def reasons_of(totals: Totals, most: int = MOST_REASONS) -> list[dict[str, Any]]:
    """The commonest reasons for rows that are no plain success."""
    commonest = sorted(totals.reasons.items(), key=lambda item: (-item[1], str(item[0])))[:most]
    return [
        {"action": str(action), "code": code, "reason": reason, "rows": rows}
        for (action, code, reason), rows in commonest
    ]


def _samples(audit: AuditReader, load_id: str, partition: int | None, totals: Totals) -> Iterable[dict[str, Any]]:
    """A few entries of each action that a person may want to look at, in turn."""
    present = [action for action in _SAMPLED if totals.actions.get(action)]
    each = max(1, _MOST_SAMPLES // max(1, len(present)))
    for action in present:
        entries = audit.entries(load_id, actions=[action], partition=partition, page_size=each)
        for _, entry in zip(range(each), entries, strict=False):
            yield _sample(entry)


def _sample(entry: Entry) -> dict[str, Any]:
    return {
        "row": entry.row_number,
        "key": shortened(entry.key),
        "action": str(entry.action),
        "reason": entry.reason or entry.error_code,
        "record_id": entry.record_id,
        "matched": list(entry.matched_ids[:_MOST_MATCHED]),
        "rules": list(dict.fromkeys(m.duplicate_rule for m in entry.matches if m.duplicate_rule))[:2],
    }


def shortened(key: str | None) -> str | None:
    """A key as it may be shown: enough to recognise, not enough to be a customer's e-mail address."""
    if key is None or len(key) <= 4:
        return key and "…"
    return f"{key[:2]}…{key[-2:]}"


def fitting(document: Mapping[str, Any], samples: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The document with as many samples as its size allows; the rarest reasons go first where it is too large."""
    reasons = list(document["reasons"])
    while reasons and _size({**document, "reasons": reasons, "sample": []}) > MOST_BYTES:
        reasons.pop()
    bounded = {**document, "reasons": reasons, "sample": []}
    room = MOST_BYTES - _size(bounded)
    for item in samples:
        room -= _size(item) + 2
        if room < 0:
            break
        bounded["sample"].append(item)
    return bounded


def _size(value: Any) -> int:
    return len(json.dumps(value))
