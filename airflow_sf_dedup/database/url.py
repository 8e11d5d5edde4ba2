"""Where the audit lives, read from a connection's parts or from a URL. Pure: nothing here connects."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from airflow_sf_dedup.core.wording import nearest, shown
from airflow_sf_dedup.errors import SettingError

POSTGRES = "postgresql+psycopg"
SQLITE = "sqlite"

SUPPORTED = "Supported are 'postgres' (PostgreSQL, through psycopg 3) and 'sqlite' (an absolute file path)."

#: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
LIBPQ_PARAMETERS = frozenset(
    {
        "hostaddr",
        "passfile",
        "require_auth",
        "channel_binding",
        "connect_timeout",
        "client_encoding",
        "options",
        "application_name",
        "fallback_application_name",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "gssencmode",
        "krbsrvname",
        "gsslib",
        "gssdelegation",
        "service",
        "target_session_attrs",
        "load_balance_hosts",
        "sslmode",
        "sslnegotiation",
        "sslcompression",
        "sslcert",
        "sslkey",
        "sslkeylogfile",
        "sslpassword",
        "sslcertmode",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "requirepeer",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    }
)


#: Extras that Airflow's own hook keeps for itself (``PostgresHook`` of apache-airflow-providers-postgres).
_AIRFLOWS = frozenset(
    {
        "iam",
        "aws_conn_id",
        "azure_conn_id",
        "region_name",
        "cursor",
        "redshift",
        "redshift-serverless",
        "cluster-identifier",
        "workgroup-name",
        "sqlalchemy_scheme",
        "sqlalchemy_query",
    }
)

#: What a connection has fields for: libpq's name to the field's.
_FIELDS = {"host": "host", "port": "port", "user": "login", "password": "password", "dbname": "schema"}


def _refused(message: str) -> SettingError:
    return SettingError(f"{message} {SUPPORTED}", setting="audit_conn_id")


def _libpq_query(extra: Mapping[str, Any]) -> dict[str, str]:
    for name in extra:
        _check_extra(name)
    if str(extra.get("iam", "")).lower() in ("true", "1"):
        raise _refused("audit_conn_id: the extra 'iam' is not supported; give a login and a password.")
    return {name: str(value) for name, value in extra.items() if name in LIBPQ_PARAMETERS}


def _check_extra(name: str) -> None:
    """Refuse a setting of PostgreSQL that is misspelt: passed over, it would leave the connection unprotected.

    :raises SettingError: it is like one, or about TLS, and none.
    """
    known = LIBPQ_PARAMETERS | _FIELDS.keys()
    near = nearest(name, sorted(known))
    if name not in known | _AIRFLOWS and (near or name.lower().startswith("ssl")):
        raise _refused(f"audit_conn_id: the extra {shown(name)!r} is no setting of PostgreSQL{near}.")


def _postgres(
    host: str | None,
    port: int | None,
    login: str | None,
    password: str | None,
    schema: str | None,
    extra: Mapping[str, Any],
) -> URL:
    fields = {"host": host, "port": port, "user": login, "password": password, "dbname": schema}
    host, port, login, password, schema = _merged(fields, extra, "the extra")
    query = _libpq_query(extra)
    host = unquote(host) if host and "%2f" in host.lower() else host
    if host and host.startswith("/"):
        query["host"], host = host, None
    return URL.create(
        POSTGRES,
        username=login or None,
        password=password or None,
        host=host or None,
        port=port,
        database=schema or None,
        query=query,
    )


def _merged(fields: Mapping[str, Any], more: Mapping[str, Any], what: str) -> tuple[Any, ...]:
    """Host, port, user, password and database, each from its field, or where that is blank from ``more``.

    :raises SettingError: both say something, and not the same.
    """
    merged = dict(fields)
    for name in fields.keys() & more.keys():
        value = str(more[name])
        if fields[name] and str(fields[name]) != value:
            raise _refused(f"audit_conn_id: {what} {name!r} and the {_FIELDS[name]} say two things; leave one out.")
        merged[name] = value
    if merged["port"] and not str(merged["port"]).isdecimal():
        raise _refused(f"audit_conn_id: {what} 'port' is no number.")
    merged["port"] = int(merged["port"]) if merged["port"] else None
    return tuple(merged.values())


def _sqlite(host: str | None, schema: str | None) -> URL:
    text = host or schema or ""
    path = Path(unquote(text) if text.lower().startswith("%2f") else text)
    with suppress(RuntimeError):  # Of a user who has no home folder.
        path = path.expanduser()
    if not path.is_absolute():
        raise _refused(f"audit_conn_id: {text!r} is not an absolute file path; workers start in many folders.")
    return URL.create(SQLITE, database=str(path))


def url_from_parts(
    *,
    conn_type: str,
    host: str | None = None,
    port: int | None = None,
    login: str | None = None,
    password: str | None = None,
    schema: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> URL:
    """Build the audit's URL from the parts of an Airflow connection, whatever characters they hold.

    :param host: a host name, several with commas, a socket folder, or SQLite's file path.
    :param schema: the name of the database.
    :param extra: libpq's parameters (``sslmode``, ``options`` …) are passed on; names that are like one and none
        are refused; others belong to Airflow's own hook and have no effect here.
    :raises SettingError: for another connection type, or a relative SQLite path.
    """
    kind = conn_type.lower().partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return _postgres(host, port, login, password, schema, extra or {})
    if kind == "sqlite":
        return _sqlite(host, schema)
    raise _refused(f"audit_conn_id: a connection of type {conn_type!r} cannot hold the audit.")


def url_from_text(text: str | URL) -> URL:
    """Read a database URL such as ``postgres://…`` or ``sqlite:////var/lib/audit.db``.

    :raises SettingError: when it is no URL, or not of a database that is supported.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise _refused("The audit's URL cannot be read as a database URL.") from None
    kind = url.drivername.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return _postgres_url(url)
    if kind == "sqlite":
        return _sqlite(url.database, None)
    raise _refused(f"The audit cannot live in {url.drivername!r}.")


def _postgres_url(url: URL) -> URL:
    """A URL whose parameters libpq knows; those that the URL has a place for may stand there or here."""
    for name in url.query:
        if name not in LIBPQ_PARAMETERS and name not in _FIELDS:
            raise _refused(f"The audit's URL has a parameter {name!r}, which PostgreSQL does not know.")
    parts = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": None if url.password is None else str(url.password),
        "dbname": url.database,
    }
    # Several hosts, or a socket's folder, may stand in the query alone.
    named = {name: value for name, value in url.query.items() if isinstance(value, str) and name != "host"}
    _, port, user, password, database = _merged({**parts, "host": None}, named, "the URL's parameter")
    kept = {name: value for name, value in url.query.items() if name == "host" or name not in _FIELDS}
    if url.host and url.query.get("host", url.host) != url.host:
        raise _refused("audit_conn_id: the URL's parameter 'host' and its host say two things; leave one out.")
    return URL.create(
        POSTGRES, username=user, password=password, host=url.host, port=port, database=database, query=kept
    )
