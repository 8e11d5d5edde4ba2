"""Whom does an access token stand for? Userinfo, the identity URL, and what OpenID Connect says of both.

A token that is none is a 403 with one word in its body (Salesforce: "Identity URLs").
"""

from __future__ import annotations

import re
from typing import Any

from airflow_sf_dedup.emulator.definition.org_file import User
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.state.org import Org

_TEXT = "text/html;charset=UTF-8"


def userinfo(org: Org, request: Request, url: str) -> Response:
    """As OpenID Connect shows it."""
    user = _caller(org, request)
    if isinstance(user, Response):
        return user
    body = {
        "sub": f"{url}/id/{org.org_id}/{user.user_id}",
        "user_id": user.user_id,
        "organization_id": org.org_id,
        "preferred_username": user.username,
        "nickname": user.username.partition("@")[0],
        "name": _full_name(user),
        "email": user.email or user.username,
        "email_verified": True,
        "given_name": user.first_name,
        "family_name": user.last_name,
        "zoneinfo": "GMT",
        "photos": _photos(url),
        "profile": f"{url}/{user.user_id}",
        "picture": _photos(url)["picture"],
        "address": {},
        "urls": _urls(org, user, url),
        "active": True,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "updated_at": "2020-01-01T00:00:00Z",
    }
    return Response(200, body)


def identity(org: Org, request: Request, url: str) -> Response:
    """The answer to ``/id/<org>/<user>``, which is about the user in the URL."""
    caller = _caller(org, request)
    if isinstance(caller, Response):
        return caller
    org_id, user_id = (*request.path[1:3], "", "")[:2]
    if org_id[:15] != org.org_id[:15]:
        return _said(403, "Wrong_Org")
    user = next((each for each in org.definition.users if each.user_id[:15] == user_id[:15]), None)
    if user is None or len(request.path) > 3:
        return _said(404, "Bad_Id")
    return Response(200, _identity(org, user, url, request.query.get("version")))


def _identity(org: Org, user: User, url: str, version: str | None) -> dict[str, Any]:
    urls = _urls(org, user, url)
    if version and re.fullmatch(r"latest|\d{2}(\.\d)?", version):
        number = "67.0" if version == "latest" else f"{float(version):.1f}"
        urls = {name: each.replace("{version}", number) for name, each in urls.items()}
    return {
        "id": f"{url}/id/{org.org_id}/{user.user_id}",
        "asserted_user": True,
        "user_id": user.user_id,
        "organization_id": org.org_id,
        "username": user.username,
        "nick_name": user.username.partition("@")[0],
        "display_name": _full_name(user),
        "email": user.email or user.username,
        "email_verified": True,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "timezone": "GMT",
        "photos": _photos(url),
        "addr_street": None,
        "addr_city": None,
        "addr_state": None,
        "addr_country": None,
        "addr_zip": None,
        "mobile_phone": None,
        "mobile_phone_verified": False,
        "is_lightning_login_user": False,
        "status": {"created_date": None, "body": None},
        "urls": urls,
        "active": True,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "last_modified_date": "2020-01-01T00:00:00Z",
        "is_app_installed": True,
    }


def openid_configuration(org: Org, request: Request, url: str) -> Response:
    """``/.well-known/openid-configuration``; no id tokens are given out, so no keys are named."""
    oauth2 = f"{url}/services/oauth2"
    body = {
        "issuer": url,
        "authorization_endpoint": f"{oauth2}/authorize",
        "token_endpoint": f"{oauth2}/token",
        "revocation_endpoint": f"{oauth2}/revoke",
        "userinfo_endpoint": f"{oauth2}/userinfo",
        "introspection_endpoint": f"{oauth2}/introspect",
        "scopes_supported": ["api", "id", "web", "refresh_token", "offline_access", "full"],
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["public"],
        "display_values_supported": ["page", "popup", "touch"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
    }
    return Response(200, body)


def _caller(org: Org, request: Request) -> User | Response:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "oauth"):
        token = request.query.get("oauth_token") or request.query.get("access_token") or ""
    if not token.strip():
        return _said(403, "Missing_OAuth_Token")
    user = org.definition.user_by_id(org.sessions.user_id(token.strip()))
    return user or _said(403, "Bad_OAuth_Token")


def _said(status: int, word: str) -> Response:
    return Response(status, word.encode(), content_type=_TEXT)


def _full_name(user: User) -> str:
    return " ".join(part for part in (user.first_name, user.last_name) if part)


def _photos(url: str) -> dict[str, str]:
    return {"picture": f"{url}/profilephoto/005/F", "thumbnail": f"{url}/profilephoto/005/T"}


def _urls(org: Org, user: User, url: str) -> dict[str, str]:
    soap, rest = f"{url}/services/Soap", f"{url}/services/data/v{{version}}"
    return {
        "enterprise": f"{soap}/c/{{version}}/{org.org_id[:15]}",
        "metadata": f"{soap}/m/{{version}}/{org.org_id[:15]}",
        "partner": f"{soap}/u/{{version}}/{org.org_id[:15]}",
        "rest": f"{rest}/",
        "sobjects": f"{rest}/sobjects/",
        "search": f"{rest}/search/",
        "query": f"{rest}/query/",
        "recent": f"{rest}/recent/",
        "tooling_soap": f"{soap}/T/{{version}}/{org.org_id[:15]}",
        "tooling_rest": f"{rest}/tooling/",
        "profile": f"{url}/{user.user_id}",
        "feeds": f"{rest}/chatter/feeds",
        "groups": f"{rest}/chatter/groups",
        "users": f"{rest}/chatter/users",
        "feed_items": f"{rest}/chatter/feed-items",
        "feed_elements": f"{rest}/chatter/feed-elements",
        "custom_domain": url,
    }
