"""For tests of your own Dags, and of your own policies, sources, write APIs and audit backends.

``salesforce_org`` is a pytest fixture (installed with the package), :func:`run_dag` runs a Dag defined
in a test, ``airflow_sf_dedup.testing.contracts`` holds the promises that each answer to a port keeps, and
:class:`~airflow_sf_dedup.testing.fake_org.FakeOrg` is an org in memory.
"""

from __future__ import annotations

from airflow_sf_dedup.testing.airflow_runs import run_dag

__all__ = ["run_dag"]
