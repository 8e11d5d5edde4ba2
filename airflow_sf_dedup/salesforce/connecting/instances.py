"""Where may a login lead? To where the token goes from then on, so not to this machine, and not in the clear.

An answer to a login names the instance that the token is for. Whoever can change that answer would otherwise have the
token sent in clear text, or to a service of the worker's own machine or network.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from airflow_sf_dedup.salesforce.settings import is_loopback

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
#: A last label by which a host is read as an IPv4 address, as that of 127.1 (WHATWG URL: "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Names that never leave this machine or its network (RFC 6761, RFC 6762, and what clouds call their own).
_LOCAL = ("localhost", "local", "internal", "localdomain", "invalid")
_SALESFORCE = ".salesforce.com"


class InstanceRefusedError(ValueError):
    """A login leads where no token may go; the message says where and why."""


def instance_of_login(url: str, *, is_local: bool) -> str:
    """Scheme and host of the instance that a login names.

    :param is_local: the login itself was answered by this machine, as an emulator's is.
    :raises InstanceRefusedError: the token must not be sent there.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise InstanceRefusedError("the login leads to what is no URL") from None
    if is_local and parts.scheme in ("http", "https") and is_loopback(url) and parts.username is None:
        return f"{parts.scheme}://{parts.netloc}"
    if parts.scheme != "https":
        raise InstanceRefusedError(f"the login leads to {parts.scheme}://{host}, which is not https")
    if not _NAME.fullmatch(host) or parts.username is not None or _is_local_name(host):
        raise InstanceRefusedError(f"the login leads to {host!r}, which is no name of a host in the internet")
    # SOAP once answered with a host for the API alone, which REST does not know.
    host = host.replace("-api.salesforce.com", _SALESFORCE)
    return f"https://{host}" if port in (None, 443) else f"https://{host}:{port}"


def _is_local_name(host: str) -> bool:
    last = host.rpartition(".")[2]
    return last in _LOCAL or _NUMBER.fullmatch(last) is not None
