"""Where may a browser be sent with a code or a token? To what the connected app has registered, letter by letter."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from airflow_sf_dedup.emulator.definition.org_file import Client


def may_be_sent_to(client: Client, redirect_uri: str) -> bool:
    """An app that has registered nothing is one of this machine: its redirects lead here, at any port and path."""
    if any(ord(each) < 33 for each in redirect_uri):
        return False
    if client.redirect_uris is not None:
        return redirect_uri in client.redirect_uris
    try:
        parts = urlsplit(redirect_uri)
        return parts.scheme in ("http", "https") and not parts.username and _is_here(parts.hostname or "")
    except ValueError:
        return False


def _is_here(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
