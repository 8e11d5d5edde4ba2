"""May this visitor steer the emulator? A web page that somebody has open in a browser may not.

A browser lets any page send requests to this machine, and a name that a page's owner points here (DNS rebinding) even
lets it read the answers. Both say so: by an ``Origin`` that is not the emulator's, or by a ``Host`` that is a name
of the internet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from airflow_sf_dedup.emulator.errors import ApiError


def refuse_strangers(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site sends.

    :raises ApiError: 403, naming the header.
    """
    host = headers.get("host", "")
    if host and not _is_this_machine(host):
        raise _refused(f"Host {host!r} is no address of this machine: use localhost or an IP address")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise _refused(f"Origin {origin!r} is another site")
    if headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin"):
        raise _refused("Sec-Fetch-Site says that another site sends this")


def is_loopback(name: str) -> bool:
    """Whether a host name means this machine alone."""
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    """An address cannot be pointed elsewhere, as a name can."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if is_loopback(name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refused(message: str) -> ApiError:
    return ApiError("FORBIDDEN", message, status=403)
