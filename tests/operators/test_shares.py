"""What the Dag says of its tasks stands, what the call says goes to the tasks that it is for."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, BaseOperator, ExceptionRetryPolicy, TaskGroup

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforcePartitionOperator, salesforce_upsert
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.operators.shares import share_out

LEAD: dict[str, Any] = {"source": [{"External_Id__c": "A-1"}], "sobject": "Lead", "external_id_field": "External_Id__c"}
TASKS = ("partition", "upsert", "audit")


def notice(context: Any) -> None: ...


def tasks(default_args: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """The three tasks of a load by name."""
    with DAG("load", schedule=None, default_args=default_args or {}) as dag:
        salesforce_upsert(**LEAD, **settings)
    return {name: dag.get_task(f"salesforce_upsert.{name}") for name in TASKS}


def of(each: Any, name: str) -> Any:
    """A parameter of a plain or mapped task, as it will run."""
    return each.partial_kwargs.get(name) if each.is_mapped and not hasattr(each, name) else getattr(each, name)


POLICY = ExceptionRetryPolicy(rules=[])
#: An argument, and what the tasks have of it then.
FOR_ALL = {
    "retries": 5,
    "retry_delay": timedelta(minutes=7),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(hours=2),
    "retry_policy": POLICY,
    "queue": "salesforce",
    "pool": "salesforce",
    "pool_slots": 2,
    "owner": "crm",
    "priority_weight": 9,
    "execution_timeout": timedelta(hours=3),
    "depends_on_past": True,
    "wait_for_downstream": True,
    "run_as_user": "loader",
    "executor_config": {"cpu": 2},
    "doc_md": "Loads the leads.",
    "on_failure_callback": [notice],
    "on_success_callback": [notice],
    "on_retry_callback": [notice],
    "on_skipped_callback": [notice],
    "on_execute_callback": [notice],
}


@pytest.mark.parametrize("name", FOR_ALL)
def test_what_the_dag_says_stands_where_the_call_says_nothing(name: str) -> None:
    found = tasks({name: FOR_ALL[name]})
    assert {each: of(found[each], name) for each in TASKS} == dict.fromkeys(TASKS, FOR_ALL[name])


@pytest.mark.parametrize("name", FOR_ALL)
def test_what_the_call_says_is_said_to_all_three_tasks(name: str) -> None:
    other = {"retries": 1, "owner": "nobody", "pool": "small", "retry_policy": None}
    found = tasks({name: other[name]} if name in other else {}, **{name: FOR_ALL[name]})
    assert {each: of(found[each], name) for each in TASKS} == dict.fromkeys(TASKS, FOR_ALL[name])


def test_where_neither_says_anything_the_tasks_are_tried_three_times_as_their_error_says() -> None:
    for each in tasks().values():
        assert (each.retries, each.retry_policy) == (2, SALESFORCE_RETRY_POLICY)


def test_airflows_own_setting_of_retries_stands_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TASK_RETRIES", "4")
    assert {each.retries for each in tasks().values()} == {4}


@pytest.mark.parametrize("nothing", [0, None], ids=repr)
def test_no_retries_can_be_said_by_the_dag_and_by_the_call(nothing: int | None) -> None:
    assert not any(each.retries for each in tasks({"retries": nothing}).values())
    assert not any(each.retries for each in tasks({"retries": 3}, retries=nothing).values())


def test_no_retry_policy_can_be_said_by_the_dag() -> None:
    assert {each.retry_policy for each in tasks({"retry_policy": None}).values()} == {None}


def test_the_nearest_of_dag_group_and_call_decides() -> None:
    dag = DAG("load", schedule=None, default_args={"retries": 5, "queue": "dag", "owner": "dag"})
    with dag, TaskGroup("group", default_args={"retries": 6, "queue": "group"}):
        salesforce_upsert(**LEAD, default_args={"retries": 7})
        salesforce_upsert(**LEAD, group_id="second", retries=8, default_args={"retries": 7})

    first = [dag.get_task(f"group.salesforce_upsert.{name}") for name in TASKS]
    assert {(each.retries, each.queue, each.owner) for each in first} == {(7, "group", "dag")}
    assert {dag.get_task(f"group.second.{name}").retries for name in TASKS} == {8}


def test_the_packages_own_parameters_may_stand_in_default_args() -> None:
    said = {"salesforce_conn_id": "crm", "audit_conn_id": "audit", "partitions": 3, "max_failed": 4, "api_budget": 50}
    found = tasks(said)

    assert (found["partition"].salesforce_conn_id, found["partition"].partitions) == ("crm", 3)
    assert (found["audit"].max_failed, found["audit"].audit_conn_id) == (4, "audit")
    upsert = found["upsert"].unmap({"partition": {}})
    assert (upsert.salesforce_conn_id, upsert.api_budget) == ("crm", 50)
    assert upsert.max_failed is None, "the audit task judges the load"


def test_the_call_decides_over_default_args_for_mapped_tasks_too() -> None:
    said = {"sobject": "Contact", "salesforce_conn_id": "crm", "on_duplicate": "skip", "claim_timeout": 5}
    upsert = tasks(said, salesforce_conn_id="erp", on_duplicate="ask_reviewer")["upsert"].unmap({"partition": {}})
    assert (upsert.sobject, upsert.salesforce_conn_id) == ("Lead", "erp")
    assert (upsert.on_duplicate, upsert.claim_timeout) == ("ask_reviewer", 5)


@pytest.mark.parametrize("name", ["claim_timeout", "max_failed", "partitions"])
def test_a_number_in_default_args_is_read_when_the_dag_is_parsed(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        tasks({name: float("nan")})


ASSET = Asset("leads")
FOR_ONE = [
    ("partition", "trigger_rule", "all_done", "all_success"),
    ("partition", "inlets", [ASSET], []),
    ("upsert", "map_index_template", "{{ task.partition }}", None),
    ("upsert", "max_active_tis_per_dag", 4, None),
    ("upsert", "max_active_tis_per_dagrun", 4, None),
    ("audit", "outlets", [ASSET], []),
    ("audit", "multiple_outputs", True, False),
    ("audit", "do_xcom_push", False, True),
]


@pytest.mark.parametrize(("task", "name", "value", "otherwise"), FOR_ONE, ids=[name for _, name, *_ in FOR_ONE])
def test_what_is_about_one_task_goes_to_that_task(task: str, name: str, value: Any, otherwise: Any) -> None:
    found = {each: of(one, name) for each, one in tasks(**{name: value}).items()}
    if name == "trigger_rule":
        otherwise, found["audit"] = "all_success", "all_success" if found["audit"] == "all_done" else "lost"
    assert found == {**dict.fromkeys(TASKS, otherwise), task: value}


@pytest.mark.parametrize("where", ["dag", "call"])
def test_no_trigger_rule_keeps_the_audit_from_giving_its_verdict(where: str) -> None:
    rule = {"trigger_rule": "none_failed"}
    found = tasks(rule) if where == "dag" else tasks(**rule)
    assert {name: found[name].trigger_rule for name in TASKS} == {
        "partition": "none_failed",
        "upsert": "all_success",
        "audit": "all_done",
    }


def test_what_the_tasks_in_between_live_by_cannot_be_switched_off_for_the_whole_dag() -> None:
    found = tasks({"do_xcom_push": False, "outlets": [ASSET]})
    assert {name: of(found[name], "do_xcom_push") for name in TASKS} == {
        "partition": True,
        "upsert": True,
        "audit": False,
    }
    assert {name: found[name].outlets for name in TASKS} == {"partition": [], "upsert": [], "audit": [ASSET]}


def test_a_load_finds_its_dag_and_its_place_by_arguments_as_a_task_does() -> None:
    dag = DAG("elsewhere", schedule=None, start_date=datetime(2026, 1, 1), default_args={"retries": 5})
    outer = TaskGroup("outer", dag=dag)
    salesforce_upsert(**LEAD, dag=dag)
    salesforce_upsert(**LEAD, dag=dag, task_group=outer, task_display_name="Leads")

    assert set(dag.task_ids) == {f"{place}salesforce_upsert.{name}" for place in ("", "outer.") for name in TASKS}
    assert {each.retries for each in dag.tasks} == {5}
    assert outer.children["outer.salesforce_upsert"].label == "Leads"


def test_every_argument_of_a_task_is_taken_but_its_name() -> None:
    arguments = {
        name
        for name, each in inspect.signature(BaseOperator.__init__).parameters.items()
        if each.kind == each.KEYWORD_ONLY
    }
    assert len(arguments) > 50
    for name in arguments - {"task_id"}:
        shares = share_out({name: "value"})
        assert "value" in [
            value for share in (shares.group, shares.partition, shares.upsert, shares.audit) for value in share.values()
        ]


def test_every_parameter_of_the_operators_is_taken_but_what_the_group_wires() -> None:
    of_partition = inspect.signature(SalesforcePartitionOperator.__init__).parameters
    for name in of_partition.keys() - {"self", "kwargs"}:
        assert share_out({name: "value"}).partition[name] == "value"
    for name in ("task_id", "partition", "records", "upserts"):
        with pytest.raises(TypeError, match=f"knows no '{name}'"):
            share_out({name: "value"})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("on_dupliacte", "on_duplicate"),
        ("max_fialed", "max_failed"),
        ("partition", "partitions"),
        ("retry", "retries"),
        ("Pool", "pool"),
        ("triggerrule", "trigger_rule"),
        ("audit_connection_id", "audit_conn_id"),
    ],
)
def test_a_misspelt_parameter_is_refused_with_the_nearest(misspelt: str, meant: str) -> None:
    with pytest.raises(TypeError, match=rf"^salesforce_upsert\(\) knows no '{misspelt}' \(did you mean .*'{meant}'"):
        tasks(**{misspelt: 1})


@pytest.mark.parametrize("partial", [False, True], ids=["operator", "partial"])
def test_a_misspelt_parameter_of_an_operator_is_refused_with_the_nearest(partial: bool) -> None:
    make = SalesforcePartitionOperator.partial if partial else SalesforcePartitionOperator
    with pytest.raises(TypeError, match=r"knows no 'partitoins' \(did you mean 'partitions'\?\)$"):
        make(task_id="partition", partitoins=3, **LEAD)
