"""What is this request: which call, does it change records, and whose session does it use?

Decided by the request alone, without asking whether its session is valid.
"""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.bulk import async_door
from airflow_sf_dedup.emulator.call_names import (
    BATCH,
    CARRIERS,
    COMPOSITE,
    OTHER,
    SOAP_LOGIN,
    TOKEN,
    WRITES,
    Identity,
)
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request, read_url
from airflow_sf_dedup.emulator.server import routes
from airflow_sf_dedup.emulator.soap.envelopes import SoapClientFault, read_envelope


def identify(request: Request) -> Identity:
    lower = tuple(segment.lower() for segment in request.path[:3])
    if lower == ("services", "oauth2", "token"):
        return Identity(TOKEN, "login")
    if lower[:2] == ("services", "soap"):
        return _soap(request)
    if lower[:2] == ("services", "async"):
        return _async(request)
    token = request.headers.get("authorization", "").partition(" ")[2].strip() or None
    if lower[:2] != ("services", "data") or len(lower) < 3:
        return Identity(OTHER, "read", token)
    name = _name(request.method, request.path)
    return Identity(name, "write" if _writes(name, request) else "read", token)


def _soap(request: Request) -> Identity:
    try:
        call = read_envelope(request.body)
    except SoapClientFault:
        return Identity(OTHER, "read", soap=True)
    metadata = tuple(segment.lower() for segment in request.path[2:3]) == ("m",)
    name = f"{'Metadata' if metadata else 'SOAP'} {call.operation}"
    if name == SOAP_LOGIN:
        return Identity(name, "login", soap=True)
    token = call.header("SessionHeader", "sessionId")
    return Identity(name, "write" if name in WRITES else "read", token, soap=True)


def _async(request: Request) -> Identity:
    token = async_door.session_of(request.headers)
    try:
        name = async_door.find(request.method, request.path[3:])[0].name
    except ApiError:
        name = OTHER
    return Identity(name, "write" if name in WRITES else "read", token)


def _name(method: str, path: tuple[str, ...]) -> str:
    try:
        return routes.find(method, path[3:])[0].name
    except ApiError:
        return OTHER


def _writes(name: str, request: Request) -> bool:
    if name not in CARRIERS:
        return name in WRITES
    try:
        body = request.json_object()
    except ApiError:
        return False
    carried = body.get({COMPOSITE: "compositeRequest", BATCH: "batchRequests"}[name])
    return isinstance(carried, list) and any(_subrequest_writes(each) for each in carried)


def _subrequest_writes(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        return False
    path = read_url(found["url"])[0]
    full = path if path[:2] == ("services", "data") else ("services", "data", *path)
    return _name(str(found.get("method", "GET")).upper(), full) in WRITES
