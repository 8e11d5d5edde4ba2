"""Rows told apart by the values of several fields: lost answers, killed tasks, several loads at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.match_keys import MatchRule
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, KeysInFlightError, PreflightError, SettingError
from airflow_sf_dedup.journeys.load_settings import LoadSettings
from airflow_sf_dedup.journeys.preflight import check_sobject
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.write_rules import write_rules_of
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.salesforce.ports import Origin
from airflow_sf_dedup.testing.fake_org import LEAD, FakeOrg, lead_id, stored
from airflow_sf_dedup.testing.workshops import workshop

EMAIL, COMPANY = Field("Email", "Email", "email", length=80), Field("Company", "Company", "string", length=255)
PEOPLE = replace(LEAD, fields=(*LEAD.fields, EMAIL, COMPANY))
RULE = MatchRule.of([EMAIL, COMPANY])


def person(number: int, **fields: Any) -> Record:
    values = {"LastName": f"Name {number}", "Email": f"P{number}@acme.example", "Company": "Acme", **fields}
    return Record(number, RULE.read_row(values.get), values, row_hash(values))


class Loads:
    def __init__(self, engine: Engine, new_load: Callable[..., Load]) -> None:
        self.engine, self.audit = engine, SqlAudit(engine)
        self.load, self.another = new_load(), new_load
        self.org_id = uuid4().hex[:18]
        self.org = FakeOrg(writes=False, repeatable=False, key_rule=RULE)

    def upsert(self, *, claims: SqlKeyClaims | None = None, try_number: int = 1, mode: str = "upsert") -> Upsert:
        made = workshop(
            self.engine,
            self.load,
            self.org,
            key_rule=RULE,
            org_id=self.org_id,
            key_claims=claims,
            try_number=try_number,
            write_rules=write_rules_of(WriteSettings(mode=mode, match_on=["Email", "Company"]), PEOPLE, RULE),
        )
        return made.upsert()

    def said(self) -> list[tuple[str, str | None, str | None]]:
        return [(str(e.action), e.reason, e.record_id) for e in self.audit.entries(self.load.load_id)]

    def own(self, record_id: str) -> None:
        """The org says that this user created the record a moment ago."""
        now = datetime.now(UTC) + timedelta(seconds=1)
        self.org.created[record_id] = Origin(now, "005", now, "005")


@pytest.fixture
def loads(sql_engine: Engine, new_load: Callable[..., Load]) -> Loads:
    return Loads(sql_engine, new_load)


def test_who_holds_the_key_is_updated_by_id_and_keeps_what_the_key_is_made_of(loads: Loads) -> None:
    loads.org.held[person(1).key] = (lead_id(100),)
    loads.org.records[lead_id(100)] = stored(lead_id(100), Email="p1@acme.example", Company="ACME", LastName="Old")
    loads.upsert().run([person(1), person(2)])
    assert loads.said() == [("updated", None, lead_id(100)), ("created", None, lead_id(2))]
    assert loads.org.records[lead_id(100)].values["Company"] == "ACME"
    assert loads.org.records[lead_id(100)].values["LastName"] == "Name 1"
    assert [row.known is not None for row in loads.org.rows] == [True, True], "nothing is upserted by a key"


@pytest.mark.parametrize("saved", [True, False], ids=["it was saved", "it was not"])
def test_an_insert_without_an_answer_is_unknown_and_a_retry_finds_or_sends_it_once(loads: Loads, saved: bool) -> None:
    loads.org.lost = {2}
    if not saved:
        loads.org.lost, loads.org.errors = set(), {2: CallError("no answer", code="CONNECTION_BROKEN")}
    with pytest.raises(CallError):
        loads.upsert().run([person(1)])
    [(action, _, _)] = loads.said()
    assert action == ("unknown" if saved else "not_sent")
    loads.own(lead_id(1))
    loads.org.lost, loads.org.errors = set(), {}

    loads.upsert(try_number=2).run([person(1)])

    [(action, _, record_id)] = loads.said()
    assert (action, record_id) == ("created", lead_id(1))
    assert [row.known and row.known.record_id for row in loads.org.rows] == [None], "one insert"
    assert list(loads.org.records) == [lead_id(1)]


def test_a_task_that_was_killed_amid_its_call_leaves_rows_that_the_next_try_reads_first(loads: Loads) -> None:
    class Killed(BaseException):
        pass

    upsert = loads.org.upsert

    def killed(*args: Any, **how: Any) -> Any:
        upsert(*args, **how)
        raise Killed

    loads.org.upsert = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        loads.upsert(claims=SqlKeyClaims(loads.engine, timedelta(0))).run([person(1)])
    loads.org.upsert = upsert  # type: ignore[method-assign]
    loads.own(lead_id(1))

    loads.upsert(claims=SqlKeyClaims(loads.engine), try_number=2).run([person(1)])

    assert [(action, record_id) for action, _, record_id in loads.said()] == [("created", lead_id(1))]
    assert list(loads.org.records) == [lead_id(1)]


def test_a_key_that_another_load_has_in_flight_is_not_sent(loads: Loads) -> None:
    """In whatever order and spelling its fields are named there."""
    claims = SqlKeyClaims(loads.engine)
    scope = KeyScope(loads.org_id, "lead", "MATCH_ON(company, email)")
    claims.claim(scope, Claimant("other", "another load", "dag.task"), [RULE.partition_fold(person(1).key)])
    with pytest.raises(KeysInFlightError):
        loads.upsert(claims=claims).run([person(1, Email="p1@ACME.example"), person(2)])
    assert [action for action, _, _ in loads.said()] == ["not_sent", "created"]


def test_a_plan_goes_by_an_external_id() -> None:
    with pytest.raises(SettingError, match="a plan goes by an external ID"):
        LoadSettings("Lead", "match_on(Company, Email)", kind=LoadKind.PLAN)


def checked(*columns: str) -> None:
    check_sobject(PEOPLE, external_id_field=RULE.field.name, columns=["LastName", *columns])


def test_a_source_without_a_column_of_the_key_is_refused() -> None:
    checked("Email", "Company")
    with pytest.raises(PreflightError, match="source: no column Company, which match_on names"):
        checked("Email")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"filterable": False}, "Company cannot be asked for by a query"),
        ({"createable": False}, "Company cannot be written by this user"),
        ({"type": "textarea"}, "Company is of type textarea"),
        ({"type": "datetime"}, "Company is of type datetime"),
    ],
)
def test_a_field_that_cannot_tell_records_apart_is_refused(change: Mapping[str, Any], says: str) -> None:
    people = replace(LEAD, fields=(*LEAD.fields, EMAIL, replace(COMPANY, **change)))
    with pytest.raises(PreflightError, match=f"match_on: Lead.{says}"):
        check_sobject(people, external_id_field="match_on(Company, Email)", columns=None)


def test_a_parent_is_named_by_its_id() -> None:
    """A key of the parent is compared with no id."""
    account = Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",))
    number = Field("Number__c", "Number", "string", external_id=True, unique=True)
    people = replace(LEAD, fields=(*LEAD.fields, EMAIL, account))
    columns = ["Email", "Account.Number__c", "LastName"]
    with pytest.raises(PreflightError, match="names AccountId by a key of the parent"):
        check_sobject(
            people,
            external_id_field="match_on(AccountId, Email)",
            columns=columns,
            parents=lambda name: SObject(name, (number,)),
        )


def test_an_older_row_of_the_same_values_is_stale(loads: Loads) -> None:
    newer, older = replace(person(1), order="n:2"), replace(person(1, LastName="Old"), order="n:1")
    loads.upsert().run([newer])
    loads.load = loads.another()
    loads.upsert().run([older])
    assert loads.said() == [("skipped", "stale", None)]
    assert loads.org.records[lead_id(1)].values["LastName"] == "Name 1"
