"""Which extras does a connection have, and how may they be spelled? A name that looks like a slip is refused.

A misspelt ``expected_org_id`` that is passed over leaves a connection unpinned, and a misspelt time-out leaves one
that nobody chose. A connection of Airflow's own type may serve other programs too: what is like no extra of ours is
theirs. In one of our own type nothing else has a place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import SettingError

#: Of Airflow's own Salesforce connection (``SalesforceHook`` of apache-airflow-providers-salesforce).
AIRFLOWS = frozenset(
    {
        "security_token",
        "domain",
        "consumer_key",
        "consumer_secret",
        "private_key",
        "private_key_file_path",
        "organization_id",
        "instance",
        "instance_url",
        "proxies",
        "version",
        "client_id",
    }
)

#: Read in both types of connection.
KNOWN = AIRFLOWS | {
    "access_token",
    "session_id",
    "api_version",
    "connect_timeout",
    "read_timeout",
    "expected_org_id",
    "ca_bundle",
    "loopback_org",
}

#: Before a name, as the forms of old releases stored it.
_PREFIXES = ("", "extra__salesforce__", "extra__salesforce_dedup__")


def value_of(extra: Mapping[str, Any], name: str) -> Any:
    """The value of an extra in any spelling; blank text counts as absent, as in Airflow's own hook."""
    values = (extra.get(f"{prefix}{name}") for prefix in _PREFIXES)
    return next((value for value in values if not _is_blank(value)), None)


def check_names(conn_id: str, extra: Mapping[str, Any], *, is_shared: bool) -> None:
    """Refuse what is no extra of a connection. One without a value, which a form may store, does no harm.

    :param is_shared: other programs may keep extras of theirs in it.
    :raises SettingError: names the connection, the extra and those that it may be.
    """
    unknown = [name for name, value in extra.items() if _plain(name) not in KNOWN and not _is_blank(value)]
    if is_shared:
        unknown = [name for name in unknown if nearest(_plain(name), KNOWN)]
    if unknown:
        raise SettingError(
            f"connection {conn_id!r}: extra has no {listed(unknown, say=_with_nearest)}; correct the name, or take it "
            f"out. Known are {', '.join(sorted(KNOWN))}",
            setting=unknown[0],
        )


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(name: str) -> str:
    """A name without its prefix."""
    prefix = next((prefix for prefix in _PREFIXES if prefix and name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def _with_nearest(name: str) -> str:
    return f"{shown(name)!r}{nearest(_plain(name), sorted(KNOWN))}"
