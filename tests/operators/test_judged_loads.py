"""An audit judges the loads behind its own ``upserts``, up to the audit before, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task, task_group

from airflow_sf_dedup import (
    SalesforceDuplicateAuditOperator,
    SalesforcePartitionOperator,
    SalesforceUpsertOperator,
    salesforce_upsert,
)
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.operators.judged import judgement_of
from airflow_sf_dedup.testing import run_dag
from tests.operators.conftest import xcom

KEY = "External_Id__c"
ACCOUNT: dict[str, Any] = {"sobject": "Account", "external_id_field": KEY}
CONTACT: dict[str, Any] = {"sobject": "Contact", "external_id_field": KEY}
LEAD: dict[str, Any] = {"sobject": "Lead", "external_id_field": KEY}
ACCOUNTS = [{KEY: "ACC-1", "Name": "Acme"}, {KEY: "ACC-2", "Name": "Best"}]
BAD_ACCOUNTS = [*ACCOUNTS, {KEY: "ACC-3", "Name": None}]
CONTACTS = [{KEY: "P-1", "LastName": "Kuhl", "Account.External_Id__c": "ACC-1"}]
BAD_CONTACTS = [*CONTACTS, {KEY: "P-2", "LastName": None}]
LEADS = [{KEY: "L-1", "LastName": "Doe", "Company": "Acme"}]


class MyPartition(SalesforcePartitionOperator):
    """As users make them."""


class MyUpsert(SalesforceUpsertOperator):
    """As users make them."""


class MyAudit(SalesforceDuplicateAuditOperator):
    """As users make them."""


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def by_hand(name: str, source: Any, target: dict[str, Any], classes: Any = None, **settings: Any) -> tuple[Any, Any]:
    """The first and the last task of a load without ``salesforce_upsert()``."""
    partition_class, upsert_class, audit_class = classes or (
        SalesforcePartitionOperator,
        SalesforceUpsertOperator,
        SalesforceDuplicateAuditOperator,
    )
    partition = partition_class(task_id=f"{name}_partition", source=source, partitions=2, **target)
    upsert = upsert_class.partial(task_id=f"{name}_upsert").expand(partition=partition.output)
    audit = audit_class(task_id=f"{name}_audit", upserts=upsert.output, **settings)
    partition >> audit
    return partition, audit


def test_a_good_load_stays_green_after_one_with_a_failed_row(salesforce_org: EmulatedOrg) -> None:
    with DAG("chain", schedule=None) as dag:
        accounts = salesforce_upsert(source=BAD_ACCOUNTS, group_id="accounts", max_failed=1, retries=0, **ACCOUNT)
        contacts = salesforce_upsert(source=CONTACTS, group_id="contacts", retries=0, **CONTACT)
        leads = salesforce_upsert(source=LEADS, group_id="leads", retries=0, **LEAD)
        accounts >> contacts >> leads

    run = run_dag(dag)

    assert run.state == "success"
    for group, sobject, rows in (("accounts", "Account", 3), ("contacts", "Contact", 1), ("leads", "Lead", 1)):
        document = xcom(run, f"{group}.audit")
        assert (document["sobject"], document["rows"]) == (sobject, rows)
        assert document["load_id"]
    assert xcom(run, "accounts.audit")["actions"] == {"created": 2, "failed": 1}


def test_each_of_two_loads_is_red_for_its_own_rows_only(salesforce_org: EmulatedOrg) -> None:
    with DAG("each", schedule=None) as dag:
        accounts = salesforce_upsert(source=BAD_ACCOUNTS, group_id="accounts", retries=0, **ACCOUNT)
        contacts = salesforce_upsert(source=CONTACTS, group_id="contacts", trigger_rule="all_done", **CONTACT)
        accounts >> contacts

    run = run_dag(dag)

    assert states(run)["accounts.audit"] == "failed"
    assert states(run)["contacts.audit"] == "success"
    assert xcom(run, "contacts.audit")["actions"] == {"created": 1}


@pytest.mark.parametrize("classes", [None, (MyPartition, MyUpsert, MyAudit)], ids=["ours", "subclasses"])
def test_loads_by_hand_are_judged_each_by_its_audit(salesforce_org: EmulatedOrg, classes: Any) -> None:
    with DAG("by_hand", schedule=None) as dag:
        _, first_end = by_hand("accounts", BAD_ACCOUNTS, ACCOUNT, classes, max_failed=1)
        second, _ = by_hand("contacts", BAD_CONTACTS, CONTACT, classes)
        first_end >> second

    run = run_dag(dag)

    assert (states(run)["accounts_audit"], states(run)["contacts_audit"]) == ("success", "failed")
    assert xcom(run, "accounts_audit")["rows"] == 3
    assert xcom(run, "contacts_audit")["actions"] == {"created": 1, "failed": 1}


def test_a_red_partition_of_an_earlier_load_is_not_the_later_ones(
    salesforce_org: EmulatedOrg, capsys: pytest.CaptureFixture[str]
) -> None:
    with DAG("earlier_red", schedule=None) as dag:
        accounts = salesforce_upsert(source="/no/such/file.csv", group_id="accounts", retries=0, **ACCOUNT)
        contacts = salesforce_upsert(source=LEADS, group_id="leads", retries=0, trigger_rule="all_done", **LEAD)
        accounts >> contacts

    run = run_dag(dag)

    assert states(run)["accounts.audit"] == "failed"
    assert states(run)["leads.audit"] == "success"


def test_a_load_that_never_ran_is_red_by_its_own_tasks(
    salesforce_org: EmulatedOrg, capsys: pytest.CaptureFixture[str]
) -> None:
    with DAG("never_ran", schedule=None) as dag:
        accounts = salesforce_upsert(source=BAD_ACCOUNTS, group_id="accounts", retries=0, **ACCOUNT)
        contacts = salesforce_upsert(source=CONTACTS, group_id="contacts", retries=0, **CONTACT)
        accounts >> contacts

    run = run_dag(dag)

    assert states(run)["contacts.partition"] == "upstream_failed"
    assert states(run)["contacts.audit"] == "failed"
    said = capsys.readouterr().out
    assert "nothing was loaded: task contacts.partition is upstream_failed; task contacts.upsert is upstream" in said


def test_a_red_partition_after_a_good_load_is_red(salesforce_org: EmulatedOrg) -> None:
    with DAG("later_red", schedule=None) as dag:
        accounts = salesforce_upsert(source=ACCOUNTS, group_id="accounts", retries=0, **ACCOUNT)
        contacts = salesforce_upsert(source="/no/such/file.csv", group_id="contacts", retries=0, **CONTACT)
        accounts >> contacts

    run = run_dag(dag)

    assert states(run)["accounts.audit"] == "success"
    assert states(run)["contacts.audit"] == "failed"


def test_two_loads_side_by_side_before_one_audit_are_judged_together(salesforce_org: EmulatedOrg) -> None:
    with DAG("side_by_side", schedule=None) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=ACCOUNTS, partitions=2, **ACCOUNT)
        many = SalesforceUpsertOperator.partial(task_id="many").expand(partition=partition.output)
        few = SalesforceUpsertOperator(task_id="few", records=LEADS, **LEAD)
        SalesforceDuplicateAuditOperator(task_id="audit", upserts=[many.output, few.output])

    run = run_dag(dag)

    assert dag.get_task("audit").upstream_task_ids == {"many", "few"}
    assert states(run)["audit"] == "success"
    document = xcom(run, "audit")
    assert document["rows"] == 3
    assert document["audit"]["run"]["task_ids"] == ["few", "partition"]


def test_records_loaded_one_after_the_other_are_judged_each_by_the_audit_that_is_given_them(
    salesforce_org: EmulatedOrg,
) -> None:
    """The second load does not even wait for the verdict on the first."""
    with DAG("records", schedule=None) as dag:
        accounts = SalesforceUpsertOperator(task_id="accounts", records=BAD_ACCOUNTS, max_failed=5, **ACCOUNT)
        contacts = SalesforceUpsertOperator(task_id="contacts", records=CONTACTS, **CONTACT)
        accounts >> contacts
        SalesforceDuplicateAuditOperator(task_id="audit_accounts", upserts=accounts.output)
        SalesforceDuplicateAuditOperator(task_id="audit_contacts", upserts=contacts.output)

    run = run_dag(dag)

    assert (states(run)["audit_accounts"], states(run)["audit_contacts"]) == ("failed", "success")
    assert xcom(run, "audit_contacts")["sobject"] == "Contact"


def test_without_upserts_the_loads_right_before_are_judged_and_what_no_other_audit_judges(
    salesforce_org: EmulatedOrg,
) -> None:
    with DAG("no_upserts", schedule=None) as dag:
        leads = SalesforceUpsertOperator(task_id="leads", records=LEADS, **LEAD)
        accounts = SalesforceUpsertOperator(task_id="accounts", records=ACCOUNTS, **ACCOUNT)
        contacts = SalesforceUpsertOperator(task_id="contacts", records=CONTACTS, **CONTACT)
        judged_already = SalesforceDuplicateAuditOperator(task_id="first", upserts=leads.output)
        judged_already >> accounts >> contacts >> SalesforceDuplicateAuditOperator(task_id="last")

    run = run_dag(dag)

    assert run.state == "success"
    assert xcom(run, "last")["audit"]["run"]["task_ids"] == ["accounts", "contacts"]


def test_a_load_made_of_another_ones_verdict_is_judged_alone(salesforce_org: EmulatedOrg) -> None:
    @task
    def leads_about(audit: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**LEADS[0], "Company": f"{audit['rows']} accounts"}]

    with DAG("verdict_as_source", schedule=None) as dag:
        accounts = salesforce_upsert(source=ACCOUNTS, group_id="accounts", retries=0, **ACCOUNT)
        salesforce_upsert(source=leads_about(accounts), group_id="leads", retries=0, **LEAD)

    run = run_dag(dag)

    assert run.state == "success"
    assert [lead["Company"] for lead in salesforce_org.records("Lead")] == ["2 accounts"]
    assert (xcom(run, "leads.audit")["sobject"], xcom(run, "leads.audit")["rows"]) == ("Lead", 1)


def test_of_a_mapped_task_group_each_audit_judges_its_own_instance(salesforce_org: EmulatedOrg) -> None:
    with DAG("mapped_group", schedule=None) as dag:

        @task_group
        def one(rows: Any) -> None:
            upsert = SalesforceUpsertOperator(task_id="upsert", records=rows, max_failed=5, **ACCOUNT)
            SalesforceDuplicateAuditOperator(task_id="audit", upserts=upsert.output)

        one.expand(rows=[ACCOUNTS[:1], [{KEY: "ACC-9", "Name": None}], ACCOUNTS[1:]])

    run = run_dag(dag)

    verdicts = {ti.map_index: str(ti.state) for ti in run.get_task_instances() if ti.task_id == "one.audit"}
    assert verdicts == {0: "success", 1: "failed", 2: "success"}
    assert [xcom(run, "one.audit", map_index=index)["rows"] for index in range(3)] == [1, 1, 1]


def a_chain(dag: DAG) -> None:
    _, first = by_hand("a", LEADS, LEAD)
    second, _ = by_hand("b", LEADS, LEAD)
    first >> second


def one_audit_for_two(dag: DAG) -> None:
    one = SalesforceUpsertOperator(task_id="a", records=LEADS, **LEAD)
    two = SalesforceUpsertOperator(task_id="b", records=LEADS, **LEAD)
    one >> two
    SalesforceDuplicateAuditOperator(task_id="b_audit", upserts=two.output)


def two_audits_for_one(dag: DAG) -> None:
    one = SalesforceUpsertOperator(task_id="b", records=LEADS, **LEAD)
    SalesforceDuplicateAuditOperator(task_id="strict", upserts=one.output)
    SalesforceDuplicateAuditOperator(task_id="b_audit", upserts=one.output, max_failed=None)


def a_task_in_between(dag: DAG) -> None:
    @task
    def sorted_out(refs: Any) -> Any:
        return refs

    @task
    def collected(results: Any) -> Any:
        return results

    partition = SalesforcePartitionOperator(task_id="b_partition", source=LEADS, **LEAD)
    upsert = MyUpsert.partial(task_id="b_upsert").expand(partition=sorted_out(partition.output))
    MyAudit(task_id="b_audit", upserts=collected(upsert.output))


def a_load_that_starts_early(dag: DAG) -> None:
    """The second load waits for the upsert of the first, not for its audit."""
    by_hand("a", LEADS, LEAD)
    second, _ = by_hand("b", LEADS, LEAD)
    dag.get_task("a_upsert") >> second


def by_template(dag: DAG) -> None:
    upsert = SalesforceUpsertOperator(task_id="b", records=LEADS, **LEAD)
    upsert >> SalesforceDuplicateAuditOperator(task_id="b_audit", upserts="{{ ti.xcom_pull('b') }}")


def an_audit_of_all(dag: DAG) -> None:
    _, first = by_hand("a", LEADS, LEAD)
    _, second = by_hand("c", LEADS, LEAD)
    [first, second] >> SalesforceDuplicateAuditOperator(task_id="b_audit")


def a_mapped_audit(dag: DAG) -> None:
    _, first = by_hand("a", LEADS, LEAD)
    upsert = SalesforceUpsertOperator.partial(task_id="b", **LEAD).expand(records=[LEADS])
    first >> upsert
    MyAudit.partial(task_id="b_audit", upserts=upsert.output).expand(max_failed=[0, 1])


def another_task_before(dag: DAG) -> None:
    by_hand("b", LEADS, LEAD)

    @task
    def check() -> None: ...

    check() >> dag.get_task("b_audit")


GRAPHS: list[tuple[Callable[[DAG], None], set[str], set[str]]] = [
    (a_chain, {"b_partition", "b_upsert"}, set()),
    (one_audit_for_two, {"a", "b"}, set()),
    (two_audits_for_one, {"b"}, set()),
    (a_task_in_between, {"b_partition", "b_upsert", "collected"}, set()),
    (a_load_that_starts_early, {"b_partition", "b_upsert"}, set()),
    (by_template, {"b"}, set()),
    (an_audit_of_all, set(), set()),
    (a_mapped_audit, {"b"}, set()),
    (another_task_before, {"b_partition", "b_upsert"}, {"check"}),
]


@pytest.mark.parametrize(
    ("graph", "judged", "awaited_too"), GRAPHS, ids=[build.__name__.replace("_", " ") for build, *_ in GRAPHS]
)
def test_what_an_audit_judges_and_what_it_waits_for(
    graph: Callable[[DAG], None], judged: set[str], awaited_too: set[str]
) -> None:
    with DAG("graph", schedule=None) as dag:
        graph(dag)

    found = judgement_of("b_audit", dag.task_dict, SalesforceDuplicateAuditOperator)

    assert found.tasks.keys() == judged
    assert found.awaited == judged | awaited_too
