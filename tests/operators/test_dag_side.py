"""What a Dag file pays for the package, and what Airflow keeps of it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from math import inf, nan
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import (
    SalesforceDuplicateAuditOperator,
    SalesforcePartitionOperator,
    SalesforceUpsertOperator,
    UpdateExisting,
    salesforce_upsert,
)
from airflow_sf_dedup.core.numeric_settings import OF_OPERATORS
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.operators.parameters import parameters
from airflow_sf_dedup.policies import AskReviewer

SECRET = "jane@example.com"
ROWS = [{"External_Id__c": "A-1", "Email": SECRET}]
LEAD: dict[str, Any] = {"sobject": "Lead", "external_id_field": "External_Id__c"}

HEAVY = ("requests", "simple_salesforce", "pandas", "zeep", "alembic", "psycopg", "fsspec", "starlette", "uvicorn")


def test_importing_everything_a_dag_uses_imports_nothing_heavy() -> None:
    script = (
        "import sys, airflow.sdk; from airflow.sdk import BaseOperator, TaskGroup, TriggerRule, BaseHook;"
        "before = set(sys.modules);"
        "import airflow_sf_dedup as package; [getattr(package, name) for name in package.__all__];"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert not set(done.stdout.split()) & set(HEAVY)


def serialised(dag: DAG) -> str:
    from airflow.serialization.serialized_objects import DagSerialization

    return json.dumps(DagSerialization.to_dict(dag), sort_keys=True, default=str)


def dag_with(on_duplicate: object) -> DAG:
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=ROWS, sobject="Lead", external_id_field="External_Id__c", on_duplicate=on_duplicate)
        SalesforceUpsertOperator(task_id="few", records=ROWS, sobject="Lead", external_id_field="External_Id__c")
    return dag


def test_rows_in_a_dag_file_never_reach_the_metadata_database() -> None:
    document = serialised(dag_with("ask_reviewer"))

    assert SECRET not in document
    assert "<1 row>" in document


def test_a_policy_object_makes_no_new_dag_version_at_every_parse() -> None:
    first, second = (serialised(dag_with(UpdateExisting(min_confidence=90) | AskReviewer())) for _ in range(2))

    assert first == second
    assert "0x" not in first


def test_what_must_reach_mapped_tasks_travels_in_partial() -> None:
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(
            source=ROWS,
            sobject="Lead",
            external_id_field="External_Id__c",
            retries=5,
            pool="salesforce",
            max_active_tis_per_dagrun=3,
        )

    upsert = dag.get_task("salesforce_upsert.upsert")
    assert (upsert.retries, upsert.pool, upsert.max_active_tis_per_dagrun) == (5, "salesforce", 3)


def test_a_misspelt_setting_is_refused_when_the_dag_is_parsed() -> None:
    with DAG("load", schedule=None), pytest.raises(TypeError, match="on_dupliacte"):
        salesforce_upsert(source=ROWS, sobject="Lead", external_id_field="X", on_dupliacte="skip")


WRONG = [
    pytest.param({"api": "bulk9"}, "api", id="api"),
    pytest.param({"lookup": "guess"}, "lookup", id="lookup"),
    pytest.param({"audit_values": "some"}, "audit_values", id="audit values"),
    pytest.param({"audit_values": None}, "audit_values", id="no audit values"),
    pytest.param({"masked_fields": "Email"}, "masked_fields", id="one masked field alone"),
    pytest.param({"masked_fields": ["Email", None]}, "masked_fields", id="masked None"),
    pytest.param({"masked_fields": {"Email": True}}, "masked_fields", id="masked mapping"),
    pytest.param({"masked_fields": None}, "masked_fields", id="masked fields None"),
    pytest.param({"assignment_rules": "zzz"}, "assignment_rules", id="rule"),
    pytest.param({"run_as_current_user": "False"}, "run_as_current_user", id="text for a flag"),
    pytest.param({"max_in_flight": 0}, "max_in_flight", id="none in flight"),
    pytest.param({"max_in_flight": 11}, "max_in_flight", id="eleven in flight"),
    pytest.param({"api_budget": 0}, "api_budget", id="no budget"),
    pytest.param({"api_floor_pct": 101}, "api_floor_pct", id="floor"),
    pytest.param({"claim_timeout": "soon"}, "claim_timeout", id="claim timeout"),
    pytest.param({"on_duplicate": "updte_existing"}, "on_duplicate", id="policy"),
    pytest.param({"on_duplicate": ["skip", "ask"]}, "on_duplicate", id="policy in a list"),
    pytest.param({"on_duplicate": {"skip": 3}}, "on_duplicate", id="policy in a mapping"),
    pytest.param({"on_duplicate": 5}, "on_duplicate", id="a number for a policy"),
]
WRONG_SOURCE = [
    pytest.param({"on_repeat": "newest"}, "on_repeat", id="on_repeat"),
    pytest.param({"newer_than": " "}, "newer_than", id="blank column"),
    pytest.param({"newer_than": 5}, "newer_than", id="a number for a column"),
    pytest.param({"allow_non_unique_key": "no"}, "allow_non_unique_key", id="text for a flag"),
]
WRONG_PARTITIONING = [
    pytest.param({"partitions": 0}, "partitions", id="no partitions"),
    pytest.param({"partitions": 1025}, "partitions", id="more than Airflow maps"),
    pytest.param({"group_by": ["AccountId"]}, "group_by", id="several groups"),
]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}


@pytest.mark.parametrize(("settings", "named"), [*WRONG, *WRONG_SOURCE, pytest.param({"max_failed": -1}, "max_failed")])
def test_a_wrong_setting_of_the_upsert_task_is_refused_when_the_dag_is_parsed(
    settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingError, match=named) as refused:
        SalesforceUpsertOperator(task_id="upsert", records=ROWS, **LEAD, **settings)
    assert refused.value.setting == named


@pytest.mark.parametrize(("settings", "named"), WRONG)
def test_a_wrong_setting_of_a_mapped_task_is_refused_when_the_dag_is_parsed(
    settings: dict[str, Any], named: str
) -> None:
    with DAG("load", schedule=None), pytest.raises(SettingError, match=named):
        SalesforceUpsertOperator.partial(task_id="upsert", **settings)


@pytest.mark.parametrize(("settings", "named"), [*WRONG_SOURCE, *WRONG_PARTITIONING])
def test_a_wrong_setting_of_the_partition_task_is_refused_when_the_dag_is_parsed(
    settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingError, match=named):
        SalesforcePartitionOperator(task_id="partition", source=ROWS, **LEAD, **settings)


@pytest.mark.parametrize(("settings", "named"), [*WRONG, *WRONG_SOURCE, *WRONG_PARTITIONING])
def test_a_wrong_setting_of_the_group_is_refused_when_the_dag_is_parsed(settings: dict[str, Any], named: str) -> None:
    with DAG("load", schedule=None), pytest.raises(SettingError, match=named):
        salesforce_upsert(source=ROWS, **LEAD, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"on_duplicate": "{{ params.policy }}"},
        {"on_duplicate": {"update_existing": {"fields": "{{ params.fields }}"}}},
        {"newer_than": "{{ params.column }}"},
    ],
    ids=["policy", "part of a policy", "column"],
)
def test_a_template_has_to_wait_for_its_run(settings: dict[str, Any]) -> None:
    with DAG("load", schedule=None):
        salesforce_upsert(source=ROWS, **LEAD, **settings)


def test_no_more_partitions_than_airflow_is_set_to_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "4")
    SalesforcePartitionOperator(task_id="four", source=ROWS, partitions=4, **LEAD)
    with pytest.raises(SettingError, match=r"1 to 4 .*max_map_length"):
        SalesforcePartitionOperator(task_id="five", source=ROWS, partitions=5, **LEAD)
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2000")
    SalesforcePartitionOperator(task_id="many", source=ROWS, partitions=2000, **LEAD)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        pytest.param({"partition": {"load_id": "x"}}, "partition", id="partition and records"),
        pytest.param({}, "sobject", id="no sobject"),
        pytest.param({"records": "/data/leads.csv", **LEAD}, "records: .*SalesforcePartitionOperator", id="a file"),
        pytest.param({"records": {"External_Id__c": "A-1"}, **LEAD}, "records: .*[row]", id="one row alone"),
    ],
)
def test_what_cannot_be_loaded_is_named_before_any_call_and_not_retried(settings: dict[str, Any], named: str) -> None:
    operator = SalesforceUpsertOperator(**{"task_id": "upsert", "records": ROWS, **settings})

    with pytest.raises(AirflowFailException, match=named):
        operator.execute({})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spelling", ["updte_existing", ["skip", "ask"], {"skip": 3}], ids=["string", "list", "mapping"]
)
def test_a_misspelt_policy_is_refused_when_the_dag_is_parsed(spelling: object) -> None:
    with DAG("load", schedule=None), pytest.raises(SettingError, match="on_duplicate"):
        salesforce_upsert(source=ROWS, sobject="Lead", external_id_field="X", on_duplicate=spelling)


NO_NUMBERS = {
    "partitions": [0, 1025, 2.5, nan, "8", True, None],
    "max_failed": [-1, 0.5, nan, inf, "0", "{{ params.most }}", True],
    "max_failed_pct": [-1, 100.5, nan, "1", False],
    "max_awaiting_review": [-1, 1.5, nan, inf, "many"],
    "max_awaiting_review_pct": [-1, 100.5, nan, "5", True],
    "max_created": [-1, 1.5, nan, inf, "many", True],
    "max_changed_pct": [-1, 100.5, nan, "5", True],
    "max_blocked_pct": [-1, 100.5, nan, "5", True],
    "max_vs_history": [0, 0.9, 1000.5, -1, nan, inf, "3", True],
    "max_in_flight": [0, 11, 1.5, nan, "2", True, None],
    "max_lookup_calls": [-1, 2.5, nan, inf, "200", True, None],
    "api_budget": [0, 2.5, nan, inf, "200", True],
    "api_floor_pct": [-1, 101, nan, inf, "20", True],
    "claim_timeout": [-1, nan, inf, 1e300, "soon", True, None],
}
OPERATORS = [SalesforcePartitionOperator, SalesforceUpsertOperator, SalesforceDuplicateAuditOperator]
USES = [(name, each) for each in OPERATORS for name in NO_NUMBERS if name in parameters(each)]


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_number_that_a_setting_may_be_is_refused_when_the_dag_is_parsed(name: str) -> None:
    for value in NO_NUMBERS[name]:
        with DAG("load", schedule=None), pytest.raises(SettingError, match=f"^{name}=.*: expected ") as refused:
            salesforce_upsert(source=ROWS, sobject="Lead", external_id_field="X", **{name: value})
        assert refused.value.setting == name


@pytest.mark.parametrize(("name", "operator"), USES)
def test_also_of_an_operator_of_its_own_and_in_partial(name: str, operator: Any) -> None:
    needed: dict[str, Any] = {"source": ROWS, **LEAD} if operator is SalesforcePartitionOperator else {}
    for value in NO_NUMBERS[name]:
        with pytest.raises(SettingError, match=name):
            operator(task_id="one", **needed, **{name: value})
        with pytest.raises(SettingError, match=name):
            operator.partial(task_id="many", **{name: value})


def test_every_numeric_setting_of_the_operators_is_tried_here() -> None:
    numeric = {
        name
        for operator in OPERATORS
        for name, parameter in inspect.signature(operator.__init__).parameters.items()
        if "int" in str(parameter.annotation) or "float" in str(parameter.annotation)
    }
    assert numeric == NO_NUMBERS.keys() == OF_OPERATORS.keys()


def test_the_operators_are_built_from_plain_yaml_values() -> None:
    task = SalesforcePartitionOperator(
        task_id="partition",
        source={"path": "/data/leads.csv", "encoding": "cp1252"},
        sobject="Lead",
        external_id_field="External_Id__c",
    )

    assert task.source == {"path": "/data/leads.csv", "encoding": "cp1252"}
