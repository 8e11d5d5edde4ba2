"""Where clients log in, and learn who they are."""

from __future__ import annotations

from airflow_sf_dedup.emulator.call_names import OTHER, TOKEN, Identity
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.oauth import endpoints, identity
from airflow_sf_dedup.emulator.wire.wing import Door, Wing, bearer


def _identify(request: Request) -> Identity:
    gives_token = [each.lower() for each in request.path[2:3]] == ["token"]
    return Identity.of(TOKEN if gives_token else OTHER, bearer(request))


OAUTH = Wing(
    doors=(
        Door(("services", "oauth2"), endpoints.answer, _identify),
        Door(("id",), identity.identity),
        Door((".well-known", "openid-configuration"), identity.openid_configuration, last=True),
    ),
)
