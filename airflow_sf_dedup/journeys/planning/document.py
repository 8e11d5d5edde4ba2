"""What a plan says: the document for an XCom, in the form of a load's, and a sentence or two for the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.audit.base import AuditReader, Load, LoadKind
from airflow_sf_dedup.core.entries import MAY_MEET_TWIN, NOT_IN_SAMPLE, Action
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.journeys.summary import fitting, summarise


def document_of(audit: AuditReader, plan: Load, *, audit_conn_id: str | None) -> dict[str, Any]:
    """The ``duplicate_audit`` document of what a load would do, with the plan's id and digest; at most 4 kB.

    ``predicted_calls`` is what the load would cost, ``api_calls`` what the plan did.
    """
    totals = audit.totals(plan.load_id)
    summary = summarise(audit, plan, totals, audit_conn_id=audit_conn_id)
    left, may_meet = (totals.rows_because(reason) for reason in (NOT_IN_SAMPLE, MAY_MEET_TWIN))
    document = {**summary, "kind": LoadKind.PLAN.value, "plan_id": plan.load_id, "digest": plan.digest}
    return fitting({**document, "rows_planned": totals.rows - left, "may_meet_twin": may_meet}, summary["sample"])


def in_words(document: Mapping[str, Any]) -> str:
    """One line, for the end of a log."""
    actions: Mapping[str, int] = document["actions"]
    told = {name: actions.get(name, 0) for name in map(str, (Action.CREATED, Action.UPDATED, Action.MATCHED_UPDATED))}
    counts = ", ".join(f"{name} {rows:,}" for name, rows in told.items())
    may_meet = document["may_meet_twin"]
    twins = f"; {counted(may_meet, 'rows')} may meet a twin of the load, which no look-up can tell" if may_meet else ""
    return (
        f"plan {document['plan_id']} (digest {document['digest']}): a load would have {counts}, and cost about "
        f"{document['predicted_calls']:,} API calls; the plan cost {document['api_calls']:,}{twins}"
    )
