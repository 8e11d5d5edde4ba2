"""Airflow's connections, and which setting names one that is not there or cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.errors import ConnectionMissingError, SettingError
from airflow_sf_dedup.files.addresses import shown

if TYPE_CHECKING:
    from airflow.sdk import Connection


def connection_of(setting: str, conn_id: str, get: Callable[[str], Connection]) -> Connection:
    """The connection of an id.

    :param setting: the parameter that names it.
    :param get: of a hook; asks Airflow for it.
    :raises ConnectionMissingError: there is none. Somebody may have put a whole URL there: its password is not shown.
    :raises SettingError: it is no connection. What Airflow says of it is left out: it may quote a password.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    if not isinstance(conn_id, str):
        raise SettingError(f"{setting}: expected the id of a connection, got {type(conn_id).__name__}", setting=setting)
    try:
        return get(conn_id)
    except AirflowNotFoundException:
        message = (
            f"{setting}: The conn_id `{shown(conn_id)}` isn't defined: add it in Airflow, or name one that is there "
            "(docs/connections.md)"
        )
        raise ConnectionMissingError(message, setting=setting) from None
    except (ValueError, TypeError) as error:
        raise SettingError(
            f"{setting}: what Airflow has of the connection {shown(conn_id)} is no connection ({type(error).__name__})",
            setting=setting,
        ) from None


def extra_of(conn_id: str, connection: Connection) -> dict[str, Any]:
    """The extras of a connection, whose values are masked in logs from now on.

    Read here, because Airflow's ``extra_dejson`` takes an extra that is no JSON for an empty one.

    :raises SettingError: they are no JSON object.
    """
    from airflow.sdk.log import mask_secret

    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise SettingError(f"connection {conn_id!r}: extra is not a JSON object", setting="extra")
    mask_secret(extra)
    return extra
