"""Where staged rows live, as Airflow's configuration has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sf_dedup.hooks import audit as configured

if TYPE_CHECKING:
    from airflow_sf_dedup.staging.area import StagingArea


def staging_area(staging_path: str | None) -> StagingArea:
    """Where staged rows live.

    :raises SettingError: a local folder under an executor that spreads tasks over machines.
    """
    from airflow_sf_dedup.staging.area import StagingArea

    base = staging_path or configured.staging_path()
    if "://" not in base or base.startswith("file://"):
        configured.refuse_local_file_elsewhere("staging_path", "the staging folder")
    return StagingArea(base, configured.work_path())
