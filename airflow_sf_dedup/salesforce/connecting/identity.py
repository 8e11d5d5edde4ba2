"""Which org does a login lead to, and is it still the one that this session works with?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import (
    CallError,
    PermissionRefusedError,
    RequestRefusedError,
    TransientCallError,
    WrongOrgError,
)
from airflow_sf_dedup.salesforce.connecting.login import Login, login_failed

#: Sends a GET with one login and returns the JSON of its answer.
Ask = Callable[[Login, str], Any]

_USERINFO = "/services/oauth2/userinfo"
_ORGANIZATION = "query?q=" + quote("SELECT Id FROM Organization LIMIT 1")


def identified(login: Login, ask: Ask) -> Login:
    """The login with the id of its org; asked for where the login itself does not say.

    By OAuth's userinfo, which no limit counts; where that does not help, as after a SOAP login, by a query.

    :raises CallError: the org does not say.
    """
    if login.org_id is not None:
        return login
    user = _user(login, ask)
    org_id = record_id_in(user.get("organization_id")) or _queried(ask(login, _ORGANIZATION))
    if org_id is None:
        raise RequestRefusedError("the org does not tell its id", code="NO_ORG_ID")
    return replace(login, org_id=org_id, user_id=login.user_id or record_id_in(user.get("user_id")))


def _user(login: Login, ask: Ask) -> dict[str, Any]:
    try:
        user = ask(login, _USERINFO)
    except CallError:
        # The query tells what is wrong.
        return {}
    return user if isinstance(user, dict) else {}


def _queried(result: Any) -> str | None:
    records = result.get("records") if isinstance(result, dict) else None
    first = records[0] if isinstance(records, list) and records else None
    return record_id_in(first.get("Id")) if isinstance(first, dict) else None


class OnlyOrg:
    """The one org that a session works with: the expected one, or else that of its first login.

    :param conn_id: the connection, for messages.
    :param expected: 18 characters; ``None``: any org, but always the same.
    """

    def __init__(self, conn_id: str, expected: str | None) -> None:
        self._conn_id = conn_id
        self._expected = expected
        self._has_worked = False
        self._org_id: str | None = None

    def admit(self, login: Login, ask: Ask) -> Login:
        """The login with the id of its org, where it leads to the right one. Each login goes through here.

        :raises WrongOrgError: it leads to another org, or nobody can tell that it does not.
        :raises CallError: the org could not be asked.
        """
        login = self._asked(login, ask)
        if self._expected is not None and login.org_id != self._expected:
            raise WrongOrgError(
                f"connection {self._conn_id!r}: expected_org_id is {self._expected}, but the "
                f"connection leads to org {login.org_id}; nothing was written to it",
                setting="expected_org_id",
                code="WRONG_ORG",
            )
        if self._has_worked and (login.org_id is None or login.org_id != self._org_id):
            raise WrongOrgError(
                f"connection {self._conn_id!r}: this session works with {_named(self._org_id)}, but a new login "
                f"leads to {_named(login.org_id)}; nothing was written to it",
                setting="salesforce_conn_id",
                code="WRONG_ORG",
            )
        self._has_worked, self._org_id = True, login.org_id
        return login

    def _asked(self, login: Login, ask: Ask) -> Login:
        try:
            return identified(login, ask)
        except TransientCallError as error:
            # Whatever was to be called was not: asking again does no harm.
            raise login_failed(self._conn_id, error) from None
        except (RequestRefusedError, PermissionRefusedError):
            if self._expected is not None:
                raise
            return login


def _named(org_id: str | None) -> str:
    return f"org {org_id}" if org_id else "an org that does not tell its id"
