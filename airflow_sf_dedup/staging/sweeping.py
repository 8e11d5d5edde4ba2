"""What did tasks leave in a staging area when they were killed, and which are at work there?"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_sf_dedup.staging import workspace
from airflow_sf_dedup.staging.area import StagingArea

#: A load that began to be staged so long ago and is not complete was left behind, maybe by another machine.
LONGEST_STAGING = timedelta(seconds=workspace.MOST_SILENCE)


def sweep(area: StagingArea, *, now: datetime) -> list[str]:
    """Remove what killed tasks left behind of loads that they did not stage to the end; answers the loads' ids."""
    left = set(workspace.sweep(area.work_folder)) | {
        load_id for load_id, begun_at in _begun(area).items() if begun_at < now - LONGEST_STAGING
    }
    for load_id in left - workspace.at_work(area.work_folder):
        if not area.is_complete(load_id):
            area.remove(load_id)
    return sorted(left)


def at_work(area: StagingArea) -> set[str]:
    """The ids of the loads that are being read or staged, as far as this machine can tell."""
    return workspace.at_work(area.work_folder) | _begun(area).keys()


def _begun(area: StagingArea) -> dict[str, datetime]:
    """Since when loads are being staged that are not complete."""
    incomplete = (load_id for load_id in area.load_ids() if not area.is_complete(load_id))
    return {load_id: begun_at for load_id in incomplete if (begun_at := area.begun_at(load_id)) is not None}
