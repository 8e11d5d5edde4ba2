"""Which rows share a partition beside those of one key? With ``group_by``, those of one parent."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_sf_dedup.core.field_names import field_named, nearest_fields
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.partitioning import partition_of
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import counted, nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.sources.columns import value_of
from airflow_sf_dedup.staging.spool import Compartment, Spool


@dataclass(frozen=True, slots=True)
class Grouping:
    """What rows are grouped by."""

    #: As ``group_by`` spells it.
    column: str
    field: Field

    def of(self, record: Record) -> str:
        """The group of a record, folded so that no spelling of it leads elsewhere; blank for none."""
        return unicodedata.normalize("NFKC", value_of(record.fields, self.field) or "").casefold()

    def is_carried(self, fit: Fit) -> bool:
        """Whether a column of the load goes to the field."""
        return self.field in (column.field for column in fit.columns.values())

    def check_read(self, fit: Fit, rows_read: int) -> None:
        """Refuse a group that no row of the source has.

        :raises PreflightError: there are rows, and none has the column.
        """
        if fit.columns and not self.is_carried(fit):
            raise _refused(f"none of the {counted(rows_read, 'rows')} has a column {shown(self.column)!r}")


def grouping_of(group_by: str | None, describe: SObject, fit: Fit) -> Grouping | None:
    """What a load's rows are grouped by; ``None``: by nothing but their keys.

    :raises PreflightError: it is no field of the sObject, or no column of a source that tells its columns.
    """
    if group_by is None:
        return None
    found = field_named(describe, group_by)
    if found is None:
        near = nearest_fields(describe, group_by)
        raise _refused(f"{shown(group_by)!r} is no field of {describe.name} that this user can see{near}")
    grouping = Grouping(group_by, found.field)
    if fit.columns and not grouping.is_carried(fit):
        raise _refused(f"the source has no column {shown(group_by)!r}{nearest(group_by, fit.columns)}")
    return grouping


def regrouped(
    compartments: Iterable[Compartment], grouping: Grouping, rule: KeyRule, spool: Spool, partitions: int
) -> Iterator[Compartment]:
    """The same records partitioned by group; those without one by key.

    All rows of a broadly folded key follow the first of them, so that a key never meets two tasks even where its rows
    name different parents.

    :param spool: empty; as many compartments as ``partitions``.
    """
    for _, records in compartments:
        homes: dict[str, int] = {}
        for record in sorted(records, key=lambda record: record.row_number):
            key = rule.partition_fold(record.key)
            if key not in homes:
                homes[key] = partition_of(grouping.of(record) or key, partitions)
            spool.add(homes[key], record)
    return spool.compartments()


def _refused(message: str) -> PreflightError:
    return PreflightError(f"group_by: {message}", setting="group_by")
