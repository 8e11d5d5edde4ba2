"""How may a path or URL stand in a message? Pure: nothing here looks at a file.

A URL may hold a password before its host and a signature in its query. Where its spelling leaves open which part is
the secret, as with a ``/`` in the password, all that could be one is left out.
"""

from __future__ import annotations

import re

from airflow_sf_dedup.core.printable import printable

#: How a URL begins; one with blanks before it, or a slash too few, names nothing but has its secrets all the same.
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+:/{1,2}")
_AFTER_HOST = re.compile(r"[/?#]")
_AFTER_PATH = re.compile(r"[?#]")
#: A query where no URL is, but one was meant.
_QUERY = re.compile(r"\?[^/]*=.*", re.DOTALL)

#: Most characters of a path that a message shows, and how many of them are its end.
_MOST_SHOWN, _END_SHOWN = 300, 60


def shown(path: str) -> str:
    """A path as it may stand in a message: on one line, of bounded length, and without its secrets."""
    text = without_secrets(path)
    if len(text) > _MOST_SHOWN:
        text = f"{text[: _MOST_SHOWN - _END_SHOWN]}…{text[-_END_SHOWN:]}"
    return printable(text)


def without_secrets(path: str) -> str:
    """A path without password, signature or any other query; one that has none stays as it is."""
    scheme, rest = _split(path)
    if not scheme:
        return _QUERY.sub("?…", _without_password(path, path))
    return scheme + _AFTER_PATH.split(_without_password(rest, _host(rest)), maxsplit=1)[0]


def has_password(url: str) -> bool:
    """Whether more than a name stands before the host of a URL."""
    rest = _split(url)[1]
    host = _host(rest)
    _, colon, port = host.partition(":")
    if "@" in host:
        return ":" in host.rpartition("@")[0]
    return bool(colon) and not port.isdecimal() and "@" in rest


def _split(path: str) -> tuple[str, str]:
    """The beginning of a URL, with its slashes, and what follows; of a local path all follows."""
    scheme = _SCHEME.match(path)
    return (scheme[0], path[scheme.end() :]) if scheme else ("", path)


def _host(rest: str) -> str:
    """What stands where the host should be, a name before it and a port included."""
    return _AFTER_HOST.split(rest.lstrip("/"), maxsplit=1)[0]


def _without_password(text: str, host: str) -> str:
    """``text`` without what stands between the first colon, if that is in ``host``, and the last ``@``."""
    colon, end = text.find(":"), text.rfind("@")
    name, _, port = host.partition(":")
    if ":" not in host or end < colon or ("@" in name and port.isdecimal()):
        return text
    secret = text[colon + 1 : end]
    if _AFTER_PATH.search(secret):
        # A password with such a sign, or an @ in the query: what follows may be a signature.
        return f"{text[:colon]}:…"
    is_certain = host is not text and "/" not in secret
    return f"{text[:colon]}{'' if is_certain else ':…'}@{text[end + 1 :]}"
