"""Rows of other loads, read where these are staged."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_partition


def staged_rows(area: StagingArea, load: Load, rows: Collection[int]) -> dict[int, Record]:
    """Of these rows of any load, those that are staged still.

    :param area: where the load is staged, unless it names another place.
    """
    area, wanted = StagingArea(load.settings.get("staging_path") or area.base_path), set(rows)
    try:
        records = chain.from_iterable(map(read_partition, area.read_refs(load.load_id)))
        return {record.row_number: record for record in records if record.row_number in wanted}
    except StagingError:
        return {}
