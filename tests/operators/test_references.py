"""A partition reference is believed only as far as the audit and the staging folder say the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforcePartitionOperator, SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.staging.sealed import seal, unseal
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import leads, records, stats
from tests.operators.conftest import TaskOnce, execute

AuditRows = Callable[..., list[tuple[Any, ...]]]
Reference = dict[str, Any]
Forge = Callable[[Reference], Reference]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}


def staged(rows: int = 3, **settings: Any) -> list[Reference]:
    """References as an XCom carries them."""
    operator = SalesforcePartitionOperator(
        task_id="partition", source=leads(rows), **{**LEAD, "partitions": 1, **settings}
    )
    found: list[Reference] = json.loads(json.dumps(execute(operator)))
    return found


def upsert(ref: Any, task: TaskOnce | None = None, **settings: Any) -> Any:
    return execute(SalesforceUpsertOperator(task_id="upsert", partition=ref, **settings), task)


def setting(name: str, value: Any) -> Forge:
    return lambda ref: {**ref, name: value}


def lacking(name: str) -> Forge:
    return lambda ref: {member: value for member, value in ref.items() if member != name}


def led_to(path_from: Callable[[Path], object]) -> Forge:
    return lambda ref: {**ref, "path": str(path_from(Path(ref["path"])))}


def copied(path: Path, to: Path) -> Path:
    """A folder of their own, with rows and manifest."""
    shutil.copytree(path.parent, to)
    return to / path.name


FORGERIES = [
    pytest.param(setting("org_id", "00D000000000009EAA"), "org_id", id="another org"),
    pytest.param(setting("sobject", "Contact"), "sobject", id="another sobject"),
    pytest.param(setting("external_id_field", "Email"), "external_id_field", id="another field"),
    pytest.param(setting("salesforce_conn_id", "salesforce_other"), "salesforce_conn_id", id="another connection"),
    pytest.param(setting("load_id", "e2a1d121-d77f-455c-89e4-196abc9e3dcc"), "does not know", id="no such load"),
    pytest.param(setting("load_id", "../../etc"), "does not know", id="a path for a load"),
    pytest.param(setting("partition", 1), "partition", id="another partition"),
    pytest.param(setting("rows", 1), "its rows", id="fewer rows"),
    pytest.param(setting("rows", 0), "its rows", id="no rows"),
    pytest.param(setting("partitions", 2), "its partitions", id="more partitions"),
    pytest.param(setting("checksum", "0" * 32), "its checksum", id="another checksum"),
    pytest.param(led_to(lambda p: copied(p, p.parents[2] / "mine")), "its path", id="a manifest of their own"),
    pytest.param(led_to(lambda p: copied(p, Path(f"{p.parent}-x"))), "its path", id="a sibling folder"),
    pytest.param(led_to(lambda p: f"{p.parent}/../{p.parent.name}/{p.name}"), "its path", id="dots"),
    pytest.param(led_to(lambda p: f"file://{p}"), "its path", id="another scheme"),
    pytest.param(led_to(lambda p: f"s3://bucket{p}"), "its path", id="a bucket"),
    pytest.param(led_to(lambda p: p.with_name("part-00001.ndjson")), "its path", id="another file"),
    *(
        pytest.param(lacking(name), name, id=f"no {name}")
        for name in ("partition", "rows", "path", "checksum", "org_id", "sobject", "audit_conn_id", "version")
    ),
    pytest.param(lacking("load_id"), "expected a reference", id="no load_id"),
    *(
        pytest.param(setting(name, value), f"'{name}'", id=f"{name} {value!r:.12}")
        for name, value in [
            ("rows", None),
            ("rows", "3"),
            ("rows", 3.0),
            ("rows", -1),
            ("rows", 10**30),
            ("partition", True),
            ("partition", 10**30),
            ("partition", 8),
            ("path", ["/x"]),
            ("path", ""),
            ("path", "/x" * 4000),
            ("checksum", {"a": 1}),
            ("org_id", None),
            ("salesforce_conn_id", 7),
            ("audit_conn_id", 7),
            ("policy", "skip"),
        ]
    ),
]


@pytest.mark.parametrize(("forge", "named"), FORGERIES)
def test_a_forged_reference_is_refused_by_its_member_and_nothing_is_sent(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, forge: Forge, named: str
) -> None:
    [ref] = staged()

    with pytest.raises(AirflowFailException, match=f"partition: .*{named}"):
        upsert(forge(ref))

    assert records(salesforce_shared_org.url, "Lead") == []
    assert audit_rows("SELECT count(*) FROM sf_dedup_entry") == [(0,)]


@pytest.mark.parametrize("staging_path", [None, "relative/staging", "file"], ids=["setting", "relative", "url"])
def test_the_reference_as_it_was_made_is_believed(
    salesforce_shared_org: EmulatedOrg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, staging_path: str | None
) -> None:
    """Whatever folder the upsert task works in."""
    monkeypatch.chdir(tmp_path)
    path = f"file://{tmp_path}/by/url" if staging_path == "file" else staging_path
    [ref] = staged(staging_path=path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert upsert(ref)["actions"] == {"created": 3}


@pytest.mark.parametrize("other", [{"dag_id": "another_dag"}, {"run_id": "another_run"}], ids=["dag", "run"])
def test_a_reference_is_its_own_runs(salesforce_shared_org: EmulatedOrg, other: dict[str, str]) -> None:
    """Passed on it could be loaded at any later time, and its audit task would not know."""
    [ref] = staged()

    with pytest.raises(AirflowFailException, match="belongs to run 'manual' of Dag 'by_hand', not to this run"):
        upsert(ref, TaskOnce(**other))
    assert records(salesforce_shared_org.url, "Lead") == []


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Forge:
    """Leads to a second audit that knows the very load."""
    other = tmp_path / "theirs.db"
    monkeypatch.setenv("AIRFLOW_CONN_THEIRS", json.dumps({"conn_type": "sqlite", "host": str(other)}))

    def forge(ref: Reference) -> Reference:
        shutil.copy(tmp_path / "audit.db", other)
        upgrade(engine_for(f"sqlite:///{other}"))
        return {**ref, "audit_conn_id": "theirs"}

    return forge


def test_an_audit_of_their_own_is_not_the_loads(salesforce_shared_org: EmulatedOrg, theirs: Forge) -> None:
    [ref] = staged()

    with pytest.raises(AirflowFailException, match="audit_conn_id"):
        upsert(theirs(ref))
    assert records(salesforce_shared_org.url, "Lead") == []


@pytest.mark.parametrize("mapped", [False, True], ids=["plain partition task", "mapped partition task"])
def test_the_partition_task_before_says_which_audit_it_is(
    salesforce_shared_org: EmulatedOrg, theirs: Forge, mapped: bool
) -> None:
    """Even one that says what the reference says."""
    [ref] = staged()
    with DAG("by_hand", schedule=None):
        kind = SalesforcePartitionOperator
        partition = (
            kind.partial(task_id="partition", **LEAD).expand(source=[leads(1)])
            if mapped
            else kind(task_id="partition", source=leads(1), **LEAD)
        )
        operator = SalesforceUpsertOperator(task_id="upsert", partition=theirs(ref))
        partition >> operator

    with pytest.raises(AirflowFailException, match="audit_conn_id is 'theirs', the partition task's is None"):
        execute(operator)


def test_the_groups_upsert_task_knows_its_audit() -> None:
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=leads(1), audit_conn_id="audit_db", **LEAD)

    assert dag.get_task("salesforce_upsert.upsert").partial_kwargs["audit_conn_id"] == "audit_db"


def test_a_manifest_of_another_load_is_refused(salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    [ref] = staged()
    manifest = Path(ref["path"]).with_name("load.json")
    other = {**unseal(manifest.read_bytes()), "load_id": "e2a1d121-d77f-455c-89e4-196abc9e3dcc"}
    manifest.write_bytes(seal(other))

    with pytest.raises(AirflowFailException, match=r"the manifest .* is not what was staged: its load_id"):
        upsert(ref)
    assert audit_rows() == [(row, "not_sent", "TASK_ENDED", "not_begun") for row in (1, 2, 3)]


@pytest.mark.parametrize("content", ["", "[1]", '[{"load_id": "x"}]', "{"], ids=["empty", "number", "odd", "cut"])
def test_references_beside_the_rows_that_cannot_be_read_are_an_error(
    salesforce_shared_org: EmulatedOrg, content: str
) -> None:
    [ref] = staged()
    Path(ref["path"]).with_name("partitions.json").write_text(content)

    with pytest.raises(
        AirflowFailException,
        match=r"the list of partitions of load .* is not what was staged\. Clear the partition task",
    ):
        upsert(ref)


def test_what_is_staged_no_more_is_an_error_while_rows_are_open_and_none_when_all_are_settled(
    salesforce_shared_org: EmulatedOrg,
) -> None:
    first, second = staged(20, partitions=2)
    upsert(first)
    shutil.rmtree(Path(first["path"]).parent)

    assert upsert(first)["actions"] == {"created": first["rows"]}
    with pytest.raises(AirflowFailException, match="not staged any more"):
        upsert(second)


@pytest.mark.parametrize("settled", [False, True], ids=["rows are open", "all rows are settled"])
def test_a_cleared_task_whose_connection_leads_to_another_org_by_now_is_an_error(
    salesforce_shared_org: EmulatedOrg,
    other_org: EmulatedOrg,
    audit_rows: AuditRows,
    lead_to: Callable[[EmulatedOrg], None],
    settled: bool,
) -> None:
    """Green would say that the rows are in the org which the connection now leads to."""
    [ref] = staged()
    if settled:
        upsert(ref)
    lead_to(other_org)

    with pytest.raises(AirflowFailException, match=f"leads to org {other_org.org_id}, .* run the partition task again"):
        upsert(ref)
    assert records(other_org.url, "Lead") == []
    said = ("created", None) if settled else ("not_sent", "TASK_ENDED")
    assert audit_rows("SELECT DISTINCT action, error_code FROM sf_dedup_entry") == [said]


def test_a_settled_partition_needs_no_org_that_answers(
    salesforce_shared_org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ref] = staged()
    upsert(ref)
    gone = {"conn_type": "salesforce", "extra": {"access_token": "expired", "instance_url": salesforce_shared_org.url}}
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(gone))

    assert upsert(ref)["actions"] == {"created": 3}
    assert stats(salesforce_shared_org.url)["by_call"]["POST /composite"] == 1


def test_a_mapped_task_knows_the_partition_task_before_it(
    salesforce_org: EmulatedOrg, theirs: Forge, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a run, with a task between that rewrites what it is given."""

    @task
    def rewrite(refs: list[Reference]) -> list[Reference]:
        return [theirs(refs[0])]

    with DAG("load", schedule=None) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=leads(3), partitions=1, **LEAD)
        SalesforceUpsertOperator.partial(task_id="upsert").expand(partition=rewrite(partition.output))

    assert run_dag(dag).state == "failed"
    assert "audit_conn_id is 'theirs', the partition task's is None" in capsys.readouterr().out
    assert records(salesforce_org.url, "Lead") == []
