"""Of the loads of one run, which count?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from airflow_sf_dedup.audit.latest import counts_instead, latest_loads
from airflow_sf_dedup.testing.contracts.audit import BEGIN, a_load

OLD = a_load(load_id="old", settings={"map_index": 0})
NEW = replace(OLD, load_id="new", started_at=BEGIN + timedelta(hours=1))
OTHER = replace(OLD, load_id="other", settings={"map_index": 1})


def test_of_the_loads_of_one_task_instance_the_newest_counts() -> None:
    assert {load.load_id for load in latest_loads([NEW, OLD, OTHER])} == {"new", "other"}


def test_an_older_load_knows_which_one_counts_instead() -> None:
    assert [counts_instead(load, [NEW, OLD, OTHER]) for load in (OLD, NEW, OTHER)] == [NEW, None, None]
