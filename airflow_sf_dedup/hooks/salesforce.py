"""The Airflow connection to an org. Imports nothing heavy: DAG files are parsed every minute."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
    from airflow_sf_dedup.salesforce.settings import ConnectionSettings


class SalesforceDedupHook(BaseHook):
    """Connects to Salesforce through a connection of type ``salesforce`` or ``salesforce_dedup``.

    :param salesforce_conn_id: the connection. One of Airflow's own type ``salesforce`` works as it is.
    """

    conn_name_attr = "salesforce_conn_id"
    default_conn_name = "salesforce_default"
    conn_type = "salesforce_dedup"
    hook_name = "Salesforce (duplicates handled)"

    def __init__(self, salesforce_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.salesforce_conn_id = salesforce_conn_id

    def get_conn(self) -> SalesforceSession:
        """The session of this hook: one, which threads may share. It logs in at its first call.

        :raises SettingError: a field of the connection is missing or unusable.
        """
        return self._session

    def settings(self) -> ConnectionSettings:
        """What the connection says, checked; its secrets are masked in logs from now on.

        :raises SettingError: there is no such connection, or a field of it is missing or unusable.
        """
        from airflow.sdk.log import mask_secret

        from airflow_sf_dedup.hooks.connections import connection_of, extra_of
        from airflow_sf_dedup.salesforce.connecting.fields import from_parts

        connection = connection_of("salesforce_conn_id", self.salesforce_conn_id, self.get_connection)
        settings = from_parts(
            self.salesforce_conn_id,
            connection.conn_type or "",
            connection.login,
            connection.password,
            connection.host,
            extra_of(self.salesforce_conn_id, connection),
            port=connection.port,
        )
        for secret in settings.secrets():
            mask_secret(secret)
        return settings

    def test_connection(self) -> tuple[bool, str]:
        """Log in, check the org and ask for its limits; the *Test* button of the connection form."""
        from airflow_sf_dedup.errors import SalesforceDedupError

        try:
            session = self.get_conn()
            session.check_org()
            return True, f"Connected to org {session.org_id} at {session.instance_url}; {_calls_left(session)}"
        except SalesforceDedupError as error:
            return False, _for_people(str(error), self.salesforce_conn_id)

    @cached_property
    def _session(self) -> SalesforceSession:
        from airflow.sdk.log import mask_secret

        from airflow_sf_dedup.salesforce.calling.session import SalesforceSession

        return SalesforceSession(self.settings(), mask=mask_secret)


def _for_people(message: str, conn_id: str) -> str:
    """A message that does not name the connection by a name that only Airflow's *Test* button knows.

    It puts the connection into the environment under eight random letters and digits, and tells nobody its real id.
    """
    is_made_up = len(conn_id) == 8 and conn_id.isalnum() and f"AIRFLOW_CONN_{conn_id.upper()}" in os.environ
    return message.replace(f"connection {conn_id!r}", "this connection") if is_made_up else message


def _calls_left(session: SalesforceSession) -> str:
    from airflow_sf_dedup.errors import CallError

    try:
        limits = session.rest("GET", "limits")
        daily = limits["DailyApiRequests"]
        return f"{daily['Remaining']:,} of {daily['Max']:,} API calls left for today"
    except (CallError, KeyError, TypeError, ValueError):
        return "the org does not tell this user how many API calls are left"
