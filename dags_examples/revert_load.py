"""Put back what a load changed in records that it matched: by the load's id, where nobody changed it since."""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforceRevertOperator


@dag(
    schedule=None,
    params={"load": Param("", type="string", description="the load_id, as `audit show` tells it")},
    doc_md=__doc__,
)
def revert_load() -> None:
    # [start revert]
    SalesforceRevertOperator(
        task_id="revert",
        load="{{ params.load }}",
        retries=2,
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # [end revert]


revert_load()
