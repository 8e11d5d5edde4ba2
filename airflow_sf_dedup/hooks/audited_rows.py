"""What became of the rows behind a ``duplicate_audit`` XCom? For a task of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.numeric_settings import PAGE_SIZE
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.hooks.stores import open_audit, open_stores

if TYPE_CHECKING:
    from airflow_sf_dedup.audit.base import Audit, Load, LoadReader
    from airflow_sf_dedup.core.entries import Action, Entry
    from airflow_sf_dedup.core.plan_differences import PlanDifference
    from airflow_sf_dedup.journeys.stores import Stores


def duplicate_entries(
    audit: Mapping[str, Any],
    action: str | Iterable[str] | None = None,
    *,
    page_size: int = 500,
) -> Iterator[Entry]:
    """The audited rows behind a ``duplicate_audit`` XCom, with their matches, read page by page.

    :param audit: what an upsert or audit task returned; of a partition or of a whole run.
    :param action: only these actions, such as ``"awaiting_review"`` or ``["failed", "invalid"]``.
    :param page_size: rows held in memory at a time, 1 to 100,000.
    :raises SettingError: ``audit`` is no such document, an action is not known, or ``page_size`` no such number.
    """
    actions = None if action is None else _actions([action] if isinstance(action, str) else action)
    size = PAGE_SIZE.read(page_size)
    coordinates = _coordinates(audit)
    opened = open_audit(coordinates["audit_conn_id"])
    for load_id in _load_ids(opened, coordinates):
        yield from opened.entries(load_id, actions=actions, partition=audit.get("partition"), page_size=size)


def plan_differences(audit: Mapping[str, Any]) -> Iterator[PlanDifference]:
    """The rows behind a ``duplicate_audit`` XCom that did not end as they were planned.

    :param audit: what an audit task returned, or an upsert task with ``records``, of loads that were given a plan;
        others have none.
    :raises SettingError: ``audit`` is no such document.
    """
    opened, loads = loads_of(audit)
    for load in loads:
        if plan_id := load.settings.get("plan"):
            yield from opened.plan_differences(plan_id, load.load_id)


def loads_of(document: Any) -> tuple[Audit, list[Load]]:
    """The loads behind a ``duplicate_audit`` XCom, and the audit that has them.

    :raises SettingError: it is no such document, or that of a plan, which wrote nothing.
    """
    from airflow_sf_dedup.audit.base import LoadKind

    coordinates = _coordinates(document)
    opened = open_audit(coordinates["audit_conn_id"])
    found = (opened.load(load_id) for load_id in _load_ids(opened, coordinates))
    loads = [load for load in found if load is not None]
    if plan := next((load for load in loads if load.kind is LoadKind.PLAN), None):
        raise SettingError(
            f"audit: {plan.load_id} is a plan, which wrote nothing; give a load's output", setting="audit"
        )
    return opened, loads


def stores_of(document: Any) -> Stores:
    """All that is stored of the loads behind a ``duplicate_audit`` XCom.

    :raises SettingError: it is no such document.
    """
    return open_stores(_coordinates(document)["audit_conn_id"])


def audited_loads(load: Any, audit_conn_id: str | None) -> tuple[Stores, list[Load]]:
    """The loads that an id names, or a ``duplicate_audit`` XCom, with all that is stored of them.

    :param audit_conn_id: where an id is looked for; an XCom says it itself.
    :raises SettingError: it is neither, or the audit has no such load.
    """
    if not isinstance(load, str):
        coordinates = _coordinates(load, setting="load")
        stores = open_stores(coordinates["audit_conn_id"], upgrade=True)
        ids = _load_ids(stores.audit, coordinates)
    else:
        stores, ids = open_stores(audit_conn_id, upgrade=True), [load]
    found = [stores.audit.load(load_id) for load_id in ids]
    if not found or None in found:
        raise SettingError(f"load: the audit has no load {load!r}: it was purged, or is elsewhere", setting="load")
    return stores, [each for each in found if each is not None]


def _coordinates(document: Any, *, setting: str = "audit") -> Mapping[str, Any]:
    """Where the audit of a document is, and which loads."""
    if not isinstance(document, Mapping) or "audit" not in document:
        raise SettingError(f"{setting}: expected the output of an upsert or audit task", setting=setting)
    return document["audit"]  # type: ignore[no-any-return]


def _load_ids(loads: LoadReader, coordinates: Mapping[str, Any]) -> list[str]:
    """The load that a document names, or those of its run."""
    from airflow_sf_dedup.audit.latest import latest_loads

    run = coordinates.get("run")
    if run is None:
        return [coordinates["load_id"]]
    of_run = loads.loads_of_run(run["dag_id"], run["run_id"])
    return [load.load_id for load in latest_loads(load for load in of_run if load.task_id in run["task_ids"])]


def _actions(names: Iterable[str]) -> list[Action]:
    from airflow_sf_dedup.core.entries import Action

    try:
        return [Action(name) for name in names]
    except ValueError as error:
        raise SettingError(f"action: {error}; known: {', '.join(Action)}", setting="action") from None
