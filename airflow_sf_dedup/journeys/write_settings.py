"""How is a load to be written? Settings that can be read without a call; light, for they are read at every parse."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_sf_dedup.core.entries import AuditValues
from airflow_sf_dedup.core.field_rules import FieldRule
from airflow_sf_dedup.core.match_keys import read_match_on
from airflow_sf_dedup.core.numeric_settings import MAX_IN_FLIGHT, MAX_LOOKUP_CALLS
from airflow_sf_dedup.core.record_ids import is_record_id
from airflow_sf_dedup.core.setting_values import check_choice, check_flag, check_names
from airflow_sf_dedup.core.volume import VolumeLimits
from airflow_sf_dedup.core.write_modes import WriteMode
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.field_rules import check_field_rules
from airflow_sf_dedup.journeys.limits import CallLimits
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS, WRITE_PATHS, LookupPath

#: The settings that decide which rows are sent, what of them, and whether that can be taken back.
DECIDES = ("mode", "field_rules", "keep_before")


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How rows are written and what happens to duplicates."""

    on_duplicate: Any = "ask_reviewer"
    api: str = "collections"
    lookup: str = "soap_upsert"
    #: Whether the load may create records, and update those that there are.
    mode: str = "upsert"
    #: Field name, ``*`` for all others, to when it is written to a record that holds a row's key.
    field_rules: Mapping[str, str] | None = None
    #: Keep what records that hold a row's key have, before it is overwritten.
    keep_before: bool = False
    #: The fields whose values are a row's key; ``None``: an external ID is.
    match_on: Collection[str] | None = None
    #: Calls of one task that ask what blocks rows; the rows beyond have no match.
    max_lookup_calls: int = 5_000
    assignment_rules: bool | str = False
    run_as_current_user: bool = False
    audit_values: str = "duplicates"
    masked_fields: Collection[str] = ()
    #: Ask which of the saved rows a duplicate rule reports.
    audit_reports: bool = False
    #: Child relationships of matches, to be counted for rows that go to a person.
    count_children: Collection[str] = ()
    #: Calls of one task at a time; one where rows are grouped, so that a parent is in one call at a time.
    max_in_flight: int = 2
    #: What is not in the load's plan is left; the org is asked first who holds the keys.
    strict: bool = False
    #: How much the load may do before it stops.
    max_created: int | None = None
    max_changed_pct: float | None = None
    max_blocked_pct: float | None = None
    max_vs_history: float | None = None
    limits: CallLimits = field(default_factory=CallLimits)

    def check(self) -> None:
        """Read every setting that can be read without a call.

        :raises SettingError: names the parameter and what it may be.
        """
        read_policy(self.on_duplicate)
        check_choice("api", self.api, tuple(WRITE_PATHS))
        check_choice("lookup", self.lookup, tuple(LOOKUP_PATHS))
        check_choice("mode", self.mode, tuple(WriteMode))
        check_field_rules({} if self.field_rules is None else self.field_rules)
        check_flag("keep_before", self.keep_before)
        read_match_on(self.match_on)
        if not isinstance(self.assignment_rules, bool) and not is_record_id(str(self.assignment_rules)):
            raise SettingError(
                f"assignment_rules={self.assignment_rules!r} is neither True, False nor the id of a rule",
                setting="assignment_rules",
            )
        check_flag("run_as_current_user", self.run_as_current_user)
        check_choice("audit_values", self.audit_values, tuple(AuditValues))
        check_names("masked_fields", self.masked_fields)
        check_flag("audit_reports", self.audit_reports)
        check_names("count_children", self.count_children)
        check_flag("strict", self.strict)
        MAX_IN_FLIGHT.read(self.max_in_flight)
        MAX_LOOKUP_CALLS.read(self.max_lookup_calls)
        _ = self.volume_limits

    @property
    def volume_limits(self) -> VolumeLimits:
        """How much the load may do before it stops.

        :raises SettingError: one is no number that it may be.
        """
        return VolumeLimits(self.max_created, self.max_changed_pct, self.max_blocked_pct, self.max_vs_history)

    @property
    def decides(self) -> dict[str, Any]:
        """What decides which rows are sent and what of them, where the load says anything of it."""
        said: dict[str, Any] = {"mode": self.mode} if self.mode != WriteMode.UPSERT else {}
        said |= {"field_rules": dict(self.field_rules)} if self.field_rules else {}
        return said | ({"keep_before": True} if self.keep_before else {})

    @property
    def lookup_path(self) -> LookupPath:
        """The look-up that is asked. One that saves what nothing blocks knows no mode, no rule for a field, and no key
        but an external ID.
        """
        path = LOOKUP_PATHS[self.lookup]
        return LOOKUP_PATHS[path.without_writing] if self.asks_first and path.without_writing else path

    @property
    def asks_first(self) -> bool:
        """Whether the org is asked who holds the keys before rows are sent."""
        return (
            self.strict
            or self.mode != WriteMode.UPSERT
            or self.keep_before
            or bool(self.match_on)
            or any(rule != FieldRule.ALWAYS for rule in (self.field_rules or {}).values())
        )
