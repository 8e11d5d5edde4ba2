"""What is a load told of its source and its target?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_sf_dedup.audit.base import LoadKind
from airflow_sf_dedup.core.match_keys import match_fields
from airflow_sf_dedup.core.setting_values import check_text
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.write_settings import WriteSettings


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """As the operators have them, rendered.

    :raises SettingError: what names something is no text.
    """

    sobject: str
    #: The field, or ``match_on(…)`` with the fields whose values are the key.
    external_id_field: str
    partitions: int = 8
    on_repeat: str = "last"
    group_by: str | None = None
    newer_than: str | None = None
    twin_fields: Any = None
    staging_path: str | None = None
    allow_non_unique_key: bool = False
    salesforce_conn_id: str = "salesforce_default"
    audit_conn_id: str | None = None
    #: The task that stages the rows sends them too.
    one_task: bool = False
    #: Whether the rows are sent, or only looked at.
    kind: LoadKind = LoadKind.LOAD
    #: Of the load, what ``SalesforcePlanOperator`` returned, or the plan's id.
    plan: Any = None
    #: Only to be checked before anything is staged, and for a warning: the upsert tasks go by them.
    write: WriteSettings = field(default_factory=WriteSettings)

    def __post_init__(self) -> None:
        """A template may have become anything."""
        for name in ("sobject", "external_id_field", "salesforce_conn_id"):
            check_text(name, getattr(self, name))
        if self.kind is LoadKind.PLAN and match_fields(self.external_id_field):
            raise SettingError(
                f"external_id_field: a plan goes by an external ID, not by {self.external_id_field}",
                setting="external_id_field",
            )
        if self.staging_path not in (None, ""):
            check_text("staging_path", self.staging_path)
