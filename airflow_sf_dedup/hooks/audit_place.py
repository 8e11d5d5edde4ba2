"""Where is the audit? Behind a connection of Airflow's, or in an embedded file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_sf_dedup.files.paths import airflow_home

if TYPE_CHECKING:
    from sqlalchemy import URL


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
