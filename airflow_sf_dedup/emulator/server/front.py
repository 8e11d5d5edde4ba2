"""Every request enters here: is it for the emulator itself, or for which API of the org?"""

from __future__ import annotations

from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.server import control
from airflow_sf_dedup.emulator.server.routes import DATA, authenticated
from airflow_sf_dedup.emulator.server.visitors import refuse_strangers
from airflow_sf_dedup.emulator.server.wings import WINGS
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.wing import Door


def _apex(org: Org, request: Request, url: str) -> Response:
    """There is no Apex, so there is no resource of its either."""
    authenticated(org, request.headers)
    raise not_found("Could not find a match for URL")


def _nothing(org: Org, request: Request, url: str) -> Response:
    raise not_found()


_DOORS = (DATA, Door(("services", "apexrest"), _apex), *(door for wing in WINGS for door in wing.doors))
_NO_DOOR = Door((), _nothing)


def door_of(request: Request) -> Door:
    """Where a request to the org comes in; of two doors on its way the one that is nearer to its end."""
    leading = (each for each in _DOORS if each.leads(request.path))
    return max(leading, key=lambda door: len(door.path), default=_NO_DOOR)


def answer(org: Org, request: Request, url: str) -> Response:
    """The answer to any request.

    :param url: where the emulator is reached, without a trailing slash.
    """
    try:
        return _answer(org, request, url)
    except ApiError as error:
        return door_of(request).refuse(request, error)


def _answer(org: Org, request: Request, url: str) -> Response:
    org.catch_up()
    if control.asks_emulator(request):
        refuse_strangers(request.headers)
        return control.answer(org, request)
    return door_of(request).answer(org, request, url)
