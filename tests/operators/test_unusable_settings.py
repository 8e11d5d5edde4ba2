"""A setting that names nothing usable fails its task at once, in a sentence that names it and holds no secret."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforcePartitionOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from tests.acceptance.morning import leads, records
from tests.operators.conftest import execute

LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}

OPERATORS: dict[str, Callable[..., object]] = {
    "partition": lambda **settings: SalesforcePartitionOperator(
        task_id="partition", partitions=1, **{"source": leads(2), **LEAD, **settings}
    ),
    "upsert": lambda **settings: SalesforceUpsertOperator(task_id="upsert", records=leads(2), **{**LEAD, **settings}),
}

UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "sobject no text": ({"sobject": 5}, "sobject: expected a text, got 5"),
    "sobject blank": ({"sobject": "  "}, "sobject: expected a text"),
    "external_id_field no text": ({"external_id_field": ["External_Id__c"]}, "external_id_field: expected a text"),
    "salesforce_conn_id unknown": ({"salesforce_conn_id": "nope"}, "salesforce_conn_id: The conn_id `nope` isn't"),
    "salesforce_conn_id empty": ({"salesforce_conn_id": ""}, "salesforce_conn_id: expected a text"),
    "audit_conn_id unknown": ({"audit_conn_id": "nope"}, "audit_conn_id: The conn_id `nope` isn't defined"),
    "audit_conn_id empty": ({"audit_conn_id": ""}, "audit_conn_id: The conn_id `` isn't defined"),
    "audit_conn_id a URL": (
        {"audit_conn_id": "postgres://me:SECRET@db/audit"},
        "audit_conn_id: The conn_id `postgres://me@db/audit` isn't defined",
    ),
    "staging_path no text": ({"staging_path": 5}, "staging_path: expected a text, got 5"),
    "staging_path where nothing can be made": ({"staging_path": "/proc/nope"}, "staging_path: /proc/nope/"),
    "staging_path without a bucket": ({"staging_path": "s3://"}, "staging_path: s3://: names no bucket"),
    "staging_path with a password": (
        {"staging_path": "s3://AKIA:SEC/SECRET@bucket/x"},
        "staging_path: s3://AKIA:…@bucket/x: before the @ stands the id of an Airflow connection",
    ),
}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
@pytest.mark.parametrize(("settings", "says"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_setting_that_names_nothing_is_told_and_nothing_is_sent(
    salesforce_shared_org: EmulatedOrg, settings: dict[str, Any], says: str, operator: Callable[..., object]
) -> None:
    with pytest.raises(AirflowFailException) as refused:
        execute(operator(**settings))
    assert str(refused.value).startswith(says)
    assert shows_no_secret(refused.value)
    assert records(salesforce_shared_org.url, "Lead") == []


def test_a_duplicate_rule_that_the_org_has_not_is_told_before_anything_is_sent(
    salesforce_shared_org: EmulatedOrg,
) -> None:
    policy = "save_anyway(rules=['lead_email', 'Lead_Emial']) | skip"
    upsert = SalesforceUpsertOperator(task_id="upsert", records=leads(2), on_duplicate=policy, **LEAD)
    with pytest.raises(AirflowFailException, match=r"Lead has no duplicate rule Lead_Emial \(nearest: Lead_Email\)"):
        execute(upsert)
    assert records(salesforce_shared_org.url, "Lead") == []


SOURCES: dict[str, tuple[Any, str]] = {
    "password": ("s3://AKIA:SECRET@bucket/x.csv?sig=SECRET", "s3://AKIA@bucket/x.csv: "),
    "password with a slash": ("s3://AKIA:SEC/SECRET@bucket/x.csv", "s3://AKIA:…@bucket/x.csv: "),
    "no URL": ("https://[bad/x.csv", "https://[bad/x.csv: is no URL"),
    "NUL": ("a\0b.csv", "a\ufffdb.csv: has a NUL"),
    "home of nobody": ("~nobody-of-this-name/x.csv", "~nobody-of-this-name/x.csv: begins with ~"),
    "encoding no text": ({"path": __file__, "format": "csv", "encoding": 5}, "encoding: 5 is no text encoding"),
    "encoding of no file": ({"path": __file__, "format": "csv", "encoding": "idna"}, "encoding: 'idna' is no text"),
}


@pytest.mark.parametrize(("source", "says"), SOURCES.values(), ids=SOURCES.keys())
def test_a_source_that_leads_nowhere_is_told(salesforce_shared_org: EmulatedOrg, source: Any, says: str) -> None:
    with pytest.raises(AirflowFailException) as refused:
        execute(OPERATORS["partition"](source=source))
    assert str(refused.value).startswith(says)
    assert shows_no_secret(refused.value)


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
@pytest.mark.parametrize("path", ["s3://", "s3://AKIA:SECRET@bucket/staging"], ids=["no bucket", "password"])
def test_a_configured_staging_path_is_told_like_one_of_the_task(
    salesforce_shared_org: EmulatedOrg, operator: Callable[..., object], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__STAGING_PATH", path)
    with pytest.raises(AirflowFailException, match=r"^staging_path: s3://") as refused:
        execute(operator())
    assert shows_no_secret(refused.value)


def shows_no_secret(error: BaseException) -> bool:
    return "SECRET" not in "".join(traceback.format_exception(error))
