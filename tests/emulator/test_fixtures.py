"""The pytest fixtures, as a team uses them: in a suite of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from airflow_sf_dedup.emulator import EmulatedOrg

ROOT = Path(__file__).parents[2]
#: Plugins that take longer to load than the suite takes to run.
OTHERS = ("cacheprovider", "faker", "hypothesispytest")

SUITE = """
import json, os, pytest

def test_the_ini_names_the_org_file(salesforce_org):
    assert [each["Name"] for each in salesforce_org.records("Thing__c")] == ["From the file"]
    assert json.loads(os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"])["extra"]["instance_url"] == salesforce_org.url
    assert "AIRFLOW__SF_DEDUP__AUDIT_PATH" in os.environ

@pytest.fixture
def mine(salesforce_shared_org, salesforce_session_org):
    assert salesforce_shared_org is salesforce_session_org
    return salesforce_shared_org

@pytest.mark.parametrize("number", [1, 2])
def test_the_shared_org_is_put_back(mine, number):
    assert len(mine.records("Thing__c")) == 1
    mine.seed("Thing__c", [{"Name": "More"}])
    mine.add_faults({"kind": "unavailable"})

def test_it_is_the_same_org(mine):
    assert not mine.state.faults
    assert json.loads(os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"])["extra"]["instance_url"] == mine.url

class TestOwn:
    @pytest.fixture
    def salesforce_org_file(self):
        return {"extends": "default", "records": {"Account": [{"Name": "Ours"}]}}

    def test_a_fixture_of_ones_own_wins(self, salesforce_org):
        assert [each["Name"] for each in salesforce_org.records("Account")] == ["Ours"]
"""


def test_a_suite_with_an_org_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "test_it.py").write_text(SUITE, encoding="utf-8")
    (tmp_path / "org.yaml").write_text(
        "sobjects: {Thing__c: {fields: {Name: text(80)}}}\nrecords: {Thing__c: [{Name: From the file}]}\n",
        encoding="utf-8",
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nsalesforce_org_file = org.yaml\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *_without(*OTHERS), *_plugin(), str(tmp_path / "suite")],
        capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout


def _without(*plugins: str) -> list[str]:
    return [part for each in plugins for part in ("-p", f"no:{each}")]


def _plugin() -> list[str]:
    """The plugin is found by its entry point where the package is installed."""
    from importlib.metadata import entry_points

    return [] if entry_points(group="pytest11", name="sf_dedup") else ["-p", "airflow_sf_dedup.testing.fixtures"]


def test_both_forms_of_the_connection_say_the_same(org: EmulatedOrg) -> None:
    extra = json.loads(org.airflow_connection)["extra"]
    uri = urlsplit(org.airflow_connection_uri)
    assert uri.scheme == json.loads(org.airflow_connection)["conn_type"]
    assert {name: value for name, [value] in parse_qs(uri.query).items()} == extra
