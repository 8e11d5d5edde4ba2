"""What is put before a load holds the whole load back, what is put after it waits for its verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, Label, TaskGroup, chain, cross_downstream, task

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag

KEY = "External_Id__c"
LEAD: dict[str, Any] = {"sobject": "Lead", "external_id_field": KEY, "retries": 0}
LEADS = [{KEY: "L-1", "LastName": "Doe", "Company": "Acme"}]
FIRST, LAST = "load.partition", "load.audit"

Node = Any


def load(source: Any = LEADS, name: str = "load", **settings: Any) -> Any:
    return salesforce_upsert(source=source, group_id=name, partitions=1, **{**LEAD, **settings})


def a_task(name: str) -> Node:
    @task(task_id=name)
    def nothing() -> None: ...

    return nothing()


WAYS: dict[str, Callable[[Node, Node, Node], object]] = {
    "before >> load >> after": lambda before, load, after: before >> load >> after,
    "after << load << before": lambda before, load, after: after << load << before,
    "chain": chain,
    "chain of lists": lambda before, load, after: chain([before], [load], [after]),
    "set_upstream": lambda before, load, after: (load.set_upstream(before), after.set_upstream(load)),
    "set_downstream": lambda before, load, after: (before.set_downstream(load), load.set_downstream(after)),
    "[before] >> load >> [after]": lambda before, load, after: [before] >> load >> [after],
    "[after] << load << [before]": lambda before, load, after: [after] << load << [before],
    "before >> [load] >> after": lambda before, load, after: before >> [load] >> after,
    "set_upstream of a list": lambda before, load, after: (load.set_upstream([before]), after.set_upstream([load])),
    "cross_downstream": lambda before, load, after: (
        cross_downstream([before], [load]),
        cross_downstream([load], [after]),
    ),
    "labels": lambda before, load, after: before >> Label("file") >> load >> Label("done") >> after,
    "labels backwards": lambda before, load, after: after << Label("done") << load << Label("file") << before,
    "operators": lambda before, load, after: before.operator >> load >> after.operator,
    "another xcom": lambda before, load, after: before >> load["duplicate_audit"] >> after,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_in_every_spelling_the_load_begins_after_what_is_before_and_ends_before_what_is_after(
    way: Callable[[Node, Node, Node], object],
) -> None:
    with DAG("order", schedule=None) as dag:
        way(a_task("before"), load(), a_task("after"))

    assert dag.get_task(FIRST).upstream_task_ids == {"before"}
    assert dag.get_task("after").upstream_task_ids == {LAST}
    assert dag.get_task(LAST).upstream_task_ids == {FIRST, "load.upsert"}
    dag.check_cycle()


MADE: dict[str, Callable[[Node], Node]] = {
    "map": lambda load: load.map(str),
    "map of a map": lambda load: load.map(str).map(len),
    "zip": lambda load: load.zip(load),
    "zip with a filling": lambda load: load.zip(load, fillvalue=0),
    "concat": lambda load: load.concat(load),
    "concat of a concat": lambda load: load.concat(load).concat(load),
    "map of a zip": lambda load: load.zip(load).map(str),
    "zip of maps": lambda load: load.map(str).zip(load.map(len)),
    "concat of a zip": lambda load: load.zip(load).concat(load),
}

#: What Airflow gives to a task's own output only.
NOT_OF_MADE = {"operators", "another xcom", "labels", "labels backwards"}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
@pytest.mark.parametrize("name", sorted(WAYS.keys() - NOT_OF_MADE))
def test_what_is_made_of_a_loads_output_has_its_place_in_the_order(name: str, made: Callable[[Node], Node]) -> None:
    with DAG("made", schedule=None) as dag:
        WAYS[name](a_task("before"), made(load()), a_task("after"))

    assert dag.get_task(FIRST).upstream_task_ids == {"before"}
    assert dag.get_task("after").upstream_task_ids == {LAST}
    assert dag.get_task(LAST).upstream_task_ids == {FIRST, "load.upsert"}


def test_every_load_and_task_whose_output_is_combined_is_held_back() -> None:
    with DAG("several", schedule=None) as dag:
        other = a_task("other")
        a_task("before") >> load(name="one").zip(other, other.zip(load(name="two")).map(str))

    for name in ("one.partition", "two.partition", "other"):
        assert dag.get_task(name).upstream_task_ids == {"before"}
    for name in ("one.audit", "two.audit"):
        assert "before" not in dag.get_task(name).upstream_task_ids


@pytest.mark.parametrize("name", sorted(WAYS.keys() - {"operators"}))
def test_groups_before_and_after_a_load_are_put_in_order_as_tasks_are(name: str) -> None:
    with DAG("groups", schedule=None) as dag:
        with TaskGroup("before") as before:
            a_task("one") >> a_task("two")
        with TaskGroup("after") as after:
            a_task("one") >> a_task("two")
        WAYS[name](before, load(), after)

    assert dag.get_task(FIRST).upstream_task_ids == {"before.two"}
    assert dag.get_task("after.one").upstream_task_ids == {LAST}
    dag.check_cycle()


def test_loads_in_groups_of_the_users_follow_each_other_as_the_groups_do() -> None:
    with DAG("nested", schedule=None) as dag:
        with TaskGroup("parents") as parents:
            load(name="accounts")
        with TaskGroup("children") as children:
            load(name="contacts")
            load(name="cases")
        parents >> children

    for name in ("contacts", "cases"):
        assert dag.get_task(f"children.{name}.partition").upstream_task_ids == {"parents.accounts.audit"}
        assert dag.get_task(f"children.{name}.audit").upstream_task_ids == {
            f"children.{name}.partition",
            f"children.{name}.upsert",
        }


def test_a_load_waits_for_the_task_that_makes_its_rows_and_for_what_is_put_before_it() -> None:
    @task
    def rows() -> list[dict[str, Any]]:
        return LEADS

    with DAG("source", schedule=None) as dag:
        a_task("before") >> load(rows())

    assert dag.get_task(FIRST).upstream_task_ids == {"before", "rows"}


def test_setup_and_teardown_stand_around_the_whole_load() -> None:
    with DAG("setup", schedule=None) as dag:
        begin, end = a_task("begin"), a_task("end")
        begin >> load() >> end.as_teardown(setups=begin)
    with DAG("with_setup", schedule=None) as in_context, a_task("begin").as_setup() >> a_task("end").as_teardown():
        load()

    for each in (dag, in_context):
        assert each.get_task(FIRST).upstream_task_ids == {"begin"}
        assert LAST in each.get_task("end").upstream_task_ids
        each.validate_setup_teardown()


def test_a_load_is_no_teardown() -> None:
    with DAG("teardown", schedule=None):
        loaded = load()
        with pytest.raises(TypeError, match="put the load before"):
            loaded.as_teardown(setups=a_task("begin"))


def test_its_value_is_the_audits_document_and_can_be_mapped_and_zipped(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"

    @task
    def read(audit: dict[str, Any], again: dict[str, Any], text: str) -> None:
        report.write_text(json.dumps([audit["rows"], again["rows"], text]))

    @task
    def names(each: str) -> str:
        return each

    with DAG("values", schedule=None) as dag:
        loaded = load()
        read(loaded, loaded["duplicate_audit"], f"{loaded}")
        names.expand(each=loaded.map(str))
        names.override(task_id="pairs").expand(each=loaded.zip(loaded))

    assert dag.get_task("read").upstream_task_ids == {LAST}
    assert dag.get_task("pairs").upstream_task_ids == dag.get_task("names").upstream_task_ids == {LAST}
    assert dag.get_task(FIRST).upstream_task_ids == set()
    run_dag(dag.partial_subset("read", include_upstream=True, include_downstream=False))
    assert json.loads(report.read_text())[:2] == [1, 1]


def test_a_dag_with_loads_in_order_is_serialised_the_same_way_twice() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    def written() -> Any:
        with DAG("written", schedule=None) as dag:
            a_task("before") >> load(name="one") >> Label("then") >> load(name="two") >> a_task("after")
            first = load(name="three")
            load(first.map(str).zip(first, fillvalue=0).concat(first), "four")
        return DagSerialization.to_dict(dag)

    assert written() == written()
    restored = DagSerialization.from_dict(written())
    assert restored.get_task("two.partition").upstream_task_ids == {"one.audit"}


def test_a_file_is_written_before_it_is_read(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(f"{KEY},LastName,Company\nOLD-1,Yesterday,Y\n")

    @task
    def export() -> None:
        file.write_text(f"{KEY},LastName,Company\nNEW-1,Today,T\n")

    @task
    def archive() -> int:
        return len(salesforce_org.records("Lead"))

    with DAG("export", schedule=None) as dag:
        export() >> load(str(file)) >> archive()

    run = run_dag(dag)

    assert run.state == "success"
    assert [lead["LastName"] for lead in salesforce_org.records("Lead")] == ["Today"]


def test_parents_are_in_the_org_before_their_children_are_sent(salesforce_org: EmulatedOrg) -> None:
    accounts = [{KEY: f"A-{number}", "Name": f"Account {number}"} for number in range(50)]
    contacts = [
        {KEY: f"C-{number}", "LastName": f"Doe {number}", "Account.External_Id__c": f"A-{number}"}
        for number in range(50)
    ]
    with DAG("parents", schedule=None) as dag:
        children = load(contacts, "contacts", sobject="Contact")
        load(accounts, "accounts", sobject="Account") >> children

    assert run_dag(dag).state == "success"
    assert all(contact["AccountId"] for contact in salesforce_org.records("Contact"))
