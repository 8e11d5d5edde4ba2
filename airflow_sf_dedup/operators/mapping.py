"""Over how many items does Airflow map a task?"""

from __future__ import annotations

from airflow_sf_dedup.core.numeric_settings import MOST_PARTITIONS


def most_partitions() -> int:
    """``[core] max_map_length``. A longer list of references fails the task that returns it, when all is staged."""
    from airflow.sdk import conf

    return int(conf.getint("core", "max_map_length", fallback=MOST_PARTITIONS))
