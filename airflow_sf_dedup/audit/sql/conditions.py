"""Which entries of a load? The conditions that several questions share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement

from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import tables


def entries_of(
    load_id: str, actions: Iterable[Action] | None = None, partition: int | None = None
) -> tuple[ColumnElement[bool], ...]:
    """The entries of a load, or those of these actions or of one partition."""
    conditions: list[ColumnElement[bool]] = [tables.entry.c.load_id == load_id]
    if actions is not None:
        conditions.append(tables.entry.c.action.in_(sorted(Action(action).value for action in actions)))
    if partition is not None:
        conditions.append(tables.entry.c.partition == partition)
    return tuple(conditions)
