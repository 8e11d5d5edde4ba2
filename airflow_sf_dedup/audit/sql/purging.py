"""Deleting loads that are over: each goes as a whole or not at all."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, and_, delete, insert, or_, select

from airflow_sf_dedup.audit.base import NEVER_ENDS_AFTER, LoadKind, Purged
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among
from airflow_sf_dedup.database.contention import in_key_order
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.erasure import empty_wal

#: Rows that still wait for a person, or behind one who does: their values are needed whole.
_WAITING = sorted(action.value for action in (Action.AWAITING_REVIEW, Action.HELD))

#: What hangs on a load beside its entries.
_OF_A_LOAD = (
    tables.match,
    tables.payload,
    tables.rule_wait,
    tables.rule_report,
    tables.event,
    tables.call_count,
    tables.volume,
    tables.key_doubt,
    tables.change,
    tables.revert,
    tables.reverted,
    tables.duplicate_job,
    tables.found_match,
)


def purge(engine: Engine, older_than: datetime, *, force: bool, now: datetime) -> Purged:
    """Delete loads that were over before this time, each in its own transaction.

    A load without an end may be going on: it is over a day after it began.

    Claims that expired before this time go too. Watermarks stay: without them an old row could win over a newer one.

    :param force: deletes also loads with rows that wait: ``awaiting_review`` or ``held``. For those of a plan nobody
        waits.
    """
    plans, named = (_old_loads(engine, older_than, kind) for kind in (LoadKind.PLAN, LoadKind.LOAD))
    kept = [] if force else _with_waiting_rows(engine, list(named))
    gone_loads = [load_id for load_id in named if load_id not in set(kept)]
    gone = [*gone_loads, *plans]
    entries = sum(_delete_load(engine, load_id) for load_id in gone)
    with writing(engine) as connection:
        for claim in (tables.record_claim, tables.key_claim):
            # What nobody holds: a purge waits for no load.
            expired = in_key_order(claim, claim.c.expires_at < older_than, skip_locked=True)
            connection.execute(delete(claim).where(expired))
        if gone:
            detail = {
                "loads": len(gone_loads),
                "plans": len(plans),
                "entries": entries,
                "older_than": older_than.isoformat(),
            }
            row = {"load_id": None, "at": now, "event": "purged", "detail": detail}
            connection.execute(insert(tables.event).values(row))
    empty_wal(engine)
    words = tuple(named[load_id] for load_id in gone_loads)
    return Purged(len(gone_loads), entries, tuple(kept), tuple(gone), words, len(plans))


def going_on(engine: Engine, moment: datetime) -> frozenset[str]:
    """The loads that were not over by then, as far as the audit knows.

    A load without an end is over a day after it began, here as in :func:`purge`.
    """
    columns = tables.load.c
    not_over = (columns.ended_at.is_(None), columns.started_at >= moment - NEVER_ENDS_AFTER)
    with reading(engine) as connection:
        return frozenset(connection.scalars(select(columns.load_id).where(*not_over)))


def _old_loads(engine: Engine, older_than: datetime, kind: LoadKind) -> dict[str, str]:
    """The loads of a kind that were over before then, oldest first, each in words."""
    columns = tables.load.c
    never_ended = and_(columns.ended_at.is_(None), columns.started_at < older_than - NEVER_ENDS_AFTER)
    query = select(columns.load_id, columns.dag_id, columns.run_id, columns.started_at)
    is_over = or_(columns.ended_at < older_than, never_ended)
    over = query.where(columns.kind == kind.value, is_over).order_by(columns.started_at, columns.load_id)
    with reading(engine) as connection:
        return {
            load_id: f"{load_id}: {dag_id} {run_id}, began {started_at:%Y-%m-%d %H:%M:%S} UTC"
            for load_id, dag_id, run_id, started_at in connection.execute(over)
        }


def _with_waiting_rows(engine: Engine, load_ids: list[str]) -> list[str]:
    waiting = select(tables.entry.c.load_id).where(
        among(engine.dialect, tables.entry.c.load_id, load_ids),
        tables.entry.c.action.in_(_WAITING),
    )
    with reading(engine) as connection:
        return sorted(connection.scalars(waiting.distinct()))


def _delete_load(engine: Engine, load_id: str) -> int:
    with writing(engine) as connection:
        connection.execute(delete(tables.load).where(tables.load.c.load_id == load_id))
        for table in _OF_A_LOAD:
            connection.execute(delete(table).where(table.c.load_id == load_id))
        return connection.execute(delete(tables.entry).where(tables.entry.c.load_id == load_id)).rowcount
