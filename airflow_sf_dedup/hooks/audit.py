"""The audit database as Airflow knows it: a connection, or an embedded file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.numeric_settings import PAGE_SIZE
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.files.paths import airflow_home

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from airflow_sf_dedup.audit.sql import SqlAudit
    from airflow_sf_dedup.core.entries import Action, Entry

#: Executors that run tasks on this machine, where an embedded file can be shared by all of them.
_LOCAL_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor"})


def audit_url(audit_conn_id: str | None, *, setting: str = "audit_conn_id") -> URL:
    """Where the audit tables are.

    :param audit_conn_id: an Airflow connection to PostgreSQL (or SQLite); ``None`` for the embedded file.
    :param setting: what names the connection, for messages.
    :raises ConnectionMissingError: there is no such connection.
    :raises SettingError: it cannot be read, or its type is not supported.
    """
    if audit_conn_id is None:
        from sqlalchemy import URL

        return URL.create("sqlite", database=str(embedded_audit_path()))
    from airflow.sdk import BaseHook

    from airflow_sf_dedup.database.url import url_from_parts
    from airflow_sf_dedup.hooks.connections import connection_of, extra_of

    connection = connection_of(setting, audit_conn_id, BaseHook.get_connection)
    return url_from_parts(
        conn_type=connection.conn_type or "",
        host=connection.host,
        # Airflow's form stores 0 for an empty field.
        port=connection.port or None,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        extra=extra_of(audit_conn_id, connection),
    )


def embedded_audit_path() -> Path:
    """The SQLite file of ``[sf_dedup] audit_path``, by default below ``AIRFLOW_HOME``."""
    from airflow.sdk import conf

    configured = conf.get("sf_dedup", "audit_path", fallback="")
    return Path(configured) if configured else airflow_home() / "sf_dedup" / "audit.db"


def staging_path() -> str:
    """The folder or URL of ``[sf_dedup] staging_path``, by default below ``AIRFLOW_HOME``."""
    from airflow.sdk import conf

    return conf.get("sf_dedup", "staging_path", fallback="") or str(airflow_home() / "sf_dedup" / "staging")


def work_path() -> str | None:
    """The folder of ``[sf_dedup] work_path``; ``None``: below ``AIRFLOW_HOME``."""
    from airflow.sdk import conf

    return conf.get("sf_dedup", "work_path", fallback="") or None


def refuse_local_file_elsewhere(setting: str, what: str) -> None:
    """Refuse a file on this machine under an executor whose tasks run on other machines.

    :raises SettingError: names the setting to change.
    """
    from airflow.sdk import conf

    executors = (conf.get("core", "executor", fallback="") or "LocalExecutor").split(",")
    elsewhere = [name.strip() for name in executors if not _is_local(name)]
    if elsewhere:
        raise SettingError(
            f"{what} is a file on one machine, but {elsewhere[0]} runs tasks on others: set {setting}",
            setting=setting,
        )


def _is_local(executor: str) -> bool:
    """``LocalExecutor``, also with its module path, or with a team or alias before or behind a colon."""
    return any(part.rpartition(".")[2].strip() in _LOCAL_EXECUTORS for part in executor.split(":"))


def audit_engine(audit_conn_id: str | None, *, create: bool = False) -> Engine:
    """An engine for the audit's database.

    :param create: where it is a file that is missing.
    :raises SettingError: an embedded file under an executor that spreads tasks over machines.
    """
    from airflow_sf_dedup.database.engine import engine_for

    if audit_conn_id is None:
        refuse_local_file_elsewhere("audit_conn_id", "the embedded audit")
    return engine_for(audit_url(audit_conn_id), create=create)


def open_audit(audit_conn_id: str | None, *, upgrade: bool = False) -> SqlAudit:
    """The audit behind a connection id.

    :param upgrade: create or upgrade the tables; mapped tasks never do.
    """
    from airflow_sf_dedup.audit.sql import SqlAudit
    from airflow_sf_dedup.database import upgrade as tables

    engine = audit_engine(audit_conn_id, create=upgrade)
    (tables.upgrade if upgrade else tables.ensure_current)(engine)
    return SqlAudit(engine)


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
    if not isinstance(audit, Mapping) or "audit" not in audit:
        raise SettingError("audit: expected the output of an upsert or audit task", setting="audit")
    actions = None if action is None else _actions([action] if isinstance(action, str) else action)
    size = PAGE_SIZE.read(page_size)
    coordinates = audit["audit"]
    store = open_audit(coordinates["audit_conn_id"])
    for load_id in _load_ids(store, coordinates):
        yield from store.entries(load_id, actions=actions, partition=audit.get("partition"), page_size=size)


def _load_ids(store: SqlAudit, coordinates: Mapping[str, Any]) -> list[str]:
    """The load that a document names, or those of its run."""
    from airflow_sf_dedup.audit.latest import latest_loads

    run = coordinates.get("run")
    if run is None:
        return [coordinates["load_id"]]
    loads = store.loads_of_run(run["dag_id"], run["run_id"])
    return [load.load_id for load in latest_loads(load for load in loads if load.task_id in run["task_ids"])]


def _actions(names: Iterable[str]) -> list[Action]:
    from airflow_sf_dedup.core.entries import Action

    try:
        return [Action(name) for name in names]
    except ValueError as error:
        raise SettingError(f"action: {error}; known: {', '.join(Action)}", setting="action") from None
