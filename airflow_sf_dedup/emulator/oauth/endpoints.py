"""``/services/oauth2/…``: where tokens are given out, looked at and taken back."""

from __future__ import annotations

import base64
import hmac
import html
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from airflow_sf_dedup.emulator.definition.org_file import User
from airflow_sf_dedup.emulator.errors import not_found
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.oauth.grants import (
    DEFAULT_SCOPE,
    Granted,
    Refusal,
    basic,
    client_of,
    granted,
    keeps_access,
    known_client,
)
from airflow_sf_dedup.emulator.oauth.identity import userinfo
from airflow_sf_dedup.emulator.oauth.redirects import may_be_sent_to
from airflow_sf_dedup.emulator.state.approvals import Approval, AuthorizationCode
from airflow_sf_dedup.emulator.state.org import Org

_HTML = "text/html;charset=UTF-8"
#: Seconds that an access token is said to live.
_LIFETIME = 7200


def answer(org: Org, request: Request, url: str) -> Response:
    """:param url: where the emulator is reached; it becomes ``instance_url``."""
    door = _DOORS.get(request.path[2].lower()) if len(request.path) == 3 else None
    if door is None:
        raise not_found()
    try:
        return door(org, request, url)
    except Refusal as refusal:
        return Response(400, {"error": refusal.error, "error_description": refusal.description})


def _form(request: Request) -> dict[str, str]:
    """The fields of a request, from its body and its query."""
    body = request.body.decode("utf-8", errors="replace")
    return {**request.query, **dict(parse_qsl(body, keep_blank_values=True))}


# --- token ------------------------------------------------------------------------------------------------


def _token(org: Org, request: Request, url: str) -> Response:
    if request.method != "POST":
        raise Refusal("invalid_request", "must use HTTP POST")
    form = _form(request)
    if form.get("response_type") == "device_code":
        return _device(org, form, url)
    found = granted(org, form, request.headers, url)
    org.accounting.count_login()
    return Response(200, token_fields(org, found, url), {"Cache-Control": "no-cache, no-store", "Pragma": "no-cache"})


def token_fields(org: Org, found: Granted, url: str) -> dict[str, str]:
    approval = found.approval
    issued_at = str(int(time.time() * 1000))
    identity = f"{url}/id/{org.org_id}/{approval.user_id}"
    access_token = org.sessions.open(approval.user_id)
    org.sessions.note_approval(access_token, approval)
    fields = {
        "access_token": access_token,
        "signature": _signature(org, approval.client_id, identity + issued_at),
        "scope": approval.scope,
        "instance_url": url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }
    refresh_token = found.refresh_token
    if found.keeps_access:
        refresh_token = fields["refresh_token"] = org.sessions.approvals.keep(approval)
    if refresh_token:
        org.sessions.approvals.note_access_token(access_token, refresh_token)
    return fields


def _signature(org: Org, client_id: str, text: str) -> str:
    """By which an app sees that nobody changed the identity: signed with the secret that it shares with the org."""
    client = org.definition.client(client_id)
    secret = (client.client_secret if client else None) or ""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha256")).decode()


def _device(org: Org, form: Mapping[str, str], url: str) -> Response:
    """Here nobody has to confirm the code: it is approved from the start."""
    client = known_client(org, form.get("client_id"))
    approval = Approval(org.default_user.user_id, client.client_id, form.get("scope") or DEFAULT_SCOPE)
    body = {
        "user_code": secrets.token_hex(4).upper(),
        "device_code": org.sessions.approvals.open_code(AuthorizationCode(approval, "")),
        "interval": 1,
        "verification_uri": f"{url}/setup/connect",
    }
    return Response(200, body)


# --- authorize --------------------------------------------------------------------------------------------


def _authorize(org: Org, request: Request, url: str) -> Response:
    """The page on which a user allows an app; here it allows at once and sends the browser back."""
    form = _form(request)
    try:
        client = known_client(org, form.get("client_id"))
        redirect_uri = form.get("redirect_uri", "")
        if not redirect_uri:
            raise Refusal("redirect_uri_missing", "redirect_uri not provided")
        if not may_be_sent_to(client, redirect_uri):
            raise Refusal("redirect_uri_mismatch", "redirect_uri must match configuration")
    except Refusal as refusal:
        text = html.escape(f"error={refusal.error}&error_description={refusal.description}")
        return Response(400, f"<html><body>{text}</body></html>".encode(), content_type=_HTML)
    approval = Approval(_asked_for(org, form).user_id, client.client_id, form.get("scope") or DEFAULT_SCOPE)
    return _redirect(redirect_uri, _sent_back(org, form, approval, url), form)


def _asked_for(org: Org, form: Mapping[str, str]) -> User:
    """The user of ``login_hint``, else the org's first."""
    return org.definition.user(form.get("login_hint")) or org.default_user


def _sent_back(org: Org, form: Mapping[str, str], approval: Approval, url: str) -> dict[str, str]:
    kind = form.get("response_type")
    if kind == "code":
        code = AuthorizationCode(approval, form["redirect_uri"], form.get("code_challenge"))
        return {"code": org.sessions.approvals.open_code(code)}
    if kind == "token":
        org.accounting.count_login()
        return token_fields(org, Granted(approval, keeps_access=keeps_access(approval.scope)), url)
    return {"error": "unsupported_response_type", "error_description": "response type not supported"}


def _redirect(redirect_uri: str, fields: Mapping[str, str], form: Mapping[str, str]) -> Response:
    sent = {**fields, **({"state": form["state"]} if form.get("state") else {})}
    mark = "#" if form.get("response_type") == "token" else "&" if "?" in redirect_uri else "?"
    return Response(302, None, {"Location": _ascii(redirect_uri) + mark + urlencode(sent)})


def _ascii(uri: str) -> str:
    return uri.encode("ascii", errors="ignore").decode()


# --- revoke, introspect, userinfo -------------------------------------------------------------------------


def _revoke(org: Org, request: Request, url: str) -> Response:
    """A refresh token takes the access tokens made of it along."""
    token = _form(request).get("token", "")
    issued = org.sessions.approvals.revoke(token)
    if issued is None and org.sessions.user_id(token) is None:
        raise Refusal("invalid_token", "invalid token")
    for access_token in (token, *(issued or ())):
        org.sessions.close(access_token)
    return Response(200)


def _introspect(org: Org, request: Request, url: str) -> Response:
    if request.method != "POST":
        raise Refusal("invalid_request", "must use HTTP POST")
    form = {**_form(request), **basic(request.headers)}
    client_of(org, form, needs_secret=True)
    token = form.get("token", "")
    refreshing = org.sessions.approvals.by_refresh_token(token)
    approval = refreshing or org.sessions.approval(token)
    if approval is None:
        return Response(200, {"active": False})
    user = org.definition.user_by_id(approval.user_id)
    now = int(time.time())
    body = {
        "active": True,
        "scope": approval.scope,
        "client_id": approval.client_id,
        "username": user.username if user else None,
        "sub": f"{url}/id/{org.org_id}/{approval.user_id}",
        "token_type": "refresh_token" if refreshing else "access_token",
        "exp": now + _LIFETIME,
        "iat": now,
        "nbf": now,
    }
    return Response(200, body)


_DOORS: dict[str, Callable[[Org, Request, str], Response]] = {
    "token": _token,
    "authorize": _authorize,
    "revoke": _revoke,
    "introspect": _introspect,
    "userinfo": userinfo,
}
