"""Undo a load by its id: put back what it changed, and delete what it created, where nobody touched it since.

Updates by key are put back where the load was told ``keep_before=True``.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforceRevertOperator


@dag(
    schedule=None,
    params={"load": Param("", type="string", description="the load_id, as `audit show` tells it")},
    doc_md=__doc__,
)
def undo_load() -> None:
    # [start undo]
    SalesforceRevertOperator(
        task_id="undo",
        load="{{ params.load }}",
        delete_created=True,
        delete_undeleted=True,
        retries=2,
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # [end undo]


undo_load()
