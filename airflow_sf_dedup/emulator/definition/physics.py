"""How long do things take in the org, and how much does it bear? Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from airflow_sf_dedup.emulator.errors import SettingError
from airflow_sf_dedup.emulator.setting_values import Reader, Seconds, flag, number, optional, seconds, shown, whole
from airflow_sf_dedup.emulator.suggesting import no_such


@dataclass(frozen=True, slots=True)
class Physics:
    #: Seconds between the plan and the commit of a save, in which other calls run.
    commit_window: float = 0.0
    #: Seconds that a save waits for a record which another save holds in its window ("about 10 s": Salesforce's
    #: data-load guidelines speak of a few seconds).
    lock_wait: float = 10.0
    #: A save holds the parents of its records too.
    lock_parents: bool = True
    #: Rows of one save above which Apex runs out of CPU time; None: never.
    max_rows_per_transaction: int | None = None
    #: Seconds that every call takes at least, or the ends between which they are drawn.
    latency: Seconds = (0.0, 0.0)
    #: API calls that are answered; None: those of ``organization`` are counted but more are answered.
    daily_api_requests: int | None = None
    #: Calls that may be in progress at once; None: any number.
    concurrent_requests: int | None = None
    #: Seconds that a deployment or retrieval takes.
    deploy: float = 0.2
    #: Seconds from the deployment of an active matching rule until it is.
    activate_matching_rule: float = 1.0
    #: Seconds after a change by the Metadata API in which saves still run the duplicate rules as they were.
    stale_rules: float = 0.5
    #: The share of calls that do.
    stale_rules_share: float = 1.0
    #: Seconds that a bulk job or batch waits before it is processed.
    bulk_queue: float = 0.02
    #: Seconds for which a bulk job or batch that is done still says ``InProgress``, unless somebody has asked before:
    #: a client that asks only once must not take the first answer for the end.
    bulk_unseen: float = 10.0
    #: Most bytes that an upload to a Bulk 2.0 job may have (150 MB once they are base64).
    bulk_upload_bytes: int = 100_000_000
    #: Rows of a page of a Bulk 2.0 query's results, unless the caller wants fewer.
    bulk_query_rows: int = 50_000

    def changed(self, settings: Any) -> Physics:
        """With the named settings changed; one that is null goes back to its default.

        :raises SettingError: naming the setting and what it should be.
        """
        if not isinstance(settings, Mapping):
            raise SettingError("physics", "should be a mapping")
        return replace(self, **{name: _read(name, value) for name, value in settings.items()})

    def shown(self) -> dict[str, Any]:
        return {name: shown(value) for name, value in asdict(self).items()}


_READERS: Mapping[str, Reader] = {
    "commit_window": number(0),
    "lock_wait": number(0),
    "lock_parents": flag,
    "max_rows_per_transaction": optional(whole(1)),
    "latency": seconds,
    "daily_api_requests": optional(whole(0)),
    "concurrent_requests": optional(whole(1)),
    "deploy": number(0),
    "activate_matching_rule": number(0),
    "stale_rules": number(0),
    "stale_rules_share": number(0, 1),
    "bulk_queue": number(0),
    "bulk_unseen": number(0),
    "bulk_upload_bytes": whole(1),
    "bulk_query_rows": whole(1),
}
_DEFAULTS = {each.name: each.default for each in fields(Physics)}


def _read(name: str, value: Any) -> Any:
    reader = _READERS.get(name)
    if reader is None:
        raise SettingError(f"physics.{name}", no_such("setting", name, _READERS))
    try:
        return _DEFAULTS[name] if value is None else reader(value)
    except ValueError as wanted:
        raise SettingError(f"physics.{name}", f"{value!r} should be {wanted}") from None
