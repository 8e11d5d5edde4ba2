"""How is a load to be read and shared out? Settings that can be read without a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.numeric_settings import MOST_PARTITIONS
from airflow_sf_dedup.core.partitioning import check_partitions
from airflow_sf_dedup.core.repeats import check_on_repeat
from airflow_sf_dedup.core.setting_values import check_column
from airflow_sf_dedup.core.twins import read_twin_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSettings:
    """What is asked of a load before its rows are sent.

    :raises SettingError: ``partitions``, ``on_repeat``, ``group_by``, ``newer_than`` or ``twin_fields`` cannot be what
        it says.
    """

    external_id_field: str
    #: How many tasks may share the load, 1 to ``most_partitions``.
    partitions: int
    #: Items that Airflow maps a task over.
    most_partitions: int = MOST_PARTITIONS
    #: Which row of a key is sent: see :func:`~airflow_sf_dedup.core.repeats.settle_repeats`.
    on_repeat: str = "last"
    #: The column whose equal values meet in one partition, such as the parent of the rows.
    group_by: str | None = None
    #: The column that tells how new a row is: repeats of a key are settled in its order, and every record gets its
    #: ``order``.
    newer_than: str | None = None
    #: The fields in which rows are compared that may be twins: one list, or several that are enough each.
    twin_fields: Any = None
    allow_non_unique_key: bool = False
    #: The connections that the tasks use which send the rows.
    salesforce_conn_id: str
    audit_conn_id: str | None = None

    def __post_init__(self) -> None:
        check_partitions(self.partitions, most=self.most_partitions)
        check_on_repeat(self.on_repeat)
        check_column("newer_than", self.newer_than)
        check_column("group_by", self.group_by)
        read_twin_fields(self.twin_fields)
