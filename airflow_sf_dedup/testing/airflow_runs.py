"""Run a Dag that a test defines, through Airflow's own machinery and without a scheduler."""

from __future__ import annotations

import os
from typing import Any


def run_dag(dag: Any, **kwargs: Any) -> Any:
    """Run a Dag by ``dag.test()``; answers the DagRun.

    ``dag.test()`` refuses a Dag that the metadata database does not know, as one defined in a test is;
    this makes it known first. An empty database is created where ``AIRFLOW_HOME`` points.

    ``dag.test()`` waits a task's ``retry_delay`` out, and leaves a process that SIGTERM no longer ends.

    :param kwargs: handed to ``dag.test()``: ``run_conf``, ``logical_date`` …
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    ensure_metadata_database()
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = DagBag(os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return dag.test(**kwargs)


def ensure_metadata_database() -> None:
    """Create Airflow's tables if its database has none."""
    from airflow.settings import engine
    from sqlalchemy import inspect

    if engine is None or not inspect(engine).has_table("dag_run"):
        from airflow.utils.db import initdb

        initdb()
