"""Whatever is saved, deleted and merged through whichever API: answers, ledger, records and queries agree."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import EmulatedOrg

from . import bulk
from .client import Client, names, results, soap_record, soap_upsert, text

KEYS = ("k1", "K1", "k2", "k3")
EMAILS = ("a@x.example", "A@X.example", "b@x.example", "no address", None)
NOBODY = "00Q5g000000000zEAA"
NAMES = ("Nowak", "Roe", "x" * 81, None)


@dataclass(frozen=True)
class Row:
    """What a caller was told of one row."""

    success: bool
    record_id: str | None


Told = list[Row]
Fields = dict[str, Any]
ROWS = st.fixed_dictionaries(
    {"External_Id__c": st.sampled_from(KEYS)},
    optional={
        "Email": st.sampled_from(EMAILS),
        "LastName": st.sampled_from(NAMES),
        "Company": st.sampled_from(("Acme", None)),
    },
)


# --- doors: each saves or deletes some rows and says what its caller heard --------------------------------------


def upsert_one_by_one(client: Client, rows: list[Fields]) -> Told:
    told = []
    for row in rows:
        body = {name: value for name, value in row.items() if name != "External_Id__c"}
        answer = client.send("PATCH", f"/sobjects/Lead/External_Id__c/{row['External_Id__c']}", json=body)
        assert answer.status_code in (200, 201, 400), answer.text
        good = answer.status_code != 400
        told.append(Row(good, answer.json()["id"] if good else None))
    return told


def upsert_collection(client: Client, rows: list[Fields]) -> Told:
    return [_told(each) for each in client.upsert("Lead", "External_Id__c", rows)]


def upsert_all_or_none(client: Client, rows: list[Fields]) -> Told:
    told = [_told(each) for each in client.upsert("Lead", "External_Id__c", rows, all_or_none=True)]
    assert len({each.success for each in told}) == 1
    return told


def insert_collection(client: Client, rows: list[Fields]) -> Told:
    body = {"records": [{"attributes": {"type": "Lead"}, **each} for each in rows]}
    return [_told(each) for each in client.send("POST", "/composite/sobjects", json=body).json()]


def insert_composite(client: Client, rows: list[Fields]) -> Told:
    url = f"/services/data/v{client.version}/sobjects/Lead"
    asked = [
        {"method": "POST", "url": url, "referenceId": f"r{number}", "body": each} for number, each in enumerate(rows)
    ]
    answers = client.composite(asked, allOrNone=False)
    return [Row(each["httpStatusCode"] == 201, _id_in(each["body"])) for each in answers]


def upsert_soap(client: Client, rows: list[Fields]) -> Told:
    records = [soap_record("Lead", **{name: each[name] for name in each if each[name]}) for each in rows]
    return _soap(client, soap_upsert("Lead", "External_Id__c", *records))


def upsert_bulk(client: Client, rows: list[Fields]) -> Told:
    header = ["External_Id__c", "Email", "LastName", "Company"]
    written = io.StringIO()
    writer = csv.DictWriter(written, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: each.get(name) or "" for name in header} for each in rows)
    job = bulk.load(client, written.getvalue(), "Lead", "upsert", externalIdFieldName="External_Id__c")
    good = [Row(True, each["sf__Id"]) for each in bulk.rows(client, job, "successfulResults")]
    bad = [Row(False, None) for _ in bulk.rows(client, job, "failedResults")]
    assert bulk.rows(client, job, "unprocessedrecords") == []
    return good + bad


SAVES: list[Callable[[Client, list[Fields]], Told]] = [
    upsert_one_by_one,
    upsert_collection,
    upsert_all_or_none,
    insert_collection,
    insert_composite,
    upsert_soap,
    upsert_bulk,
]


def delete_one_by_one(client: Client, ids: list[str]) -> Told:
    """A 404 refuses the request, which has no rows then."""
    answers = [(each, client.send("DELETE", f"/sobjects/Lead/{each}").status_code) for each in ids]
    assert {status for _, status in answers} <= {204, 404}
    return [Row(True, each) for each, status in answers if status == 204]


def delete_collection(client: Client, ids: list[str]) -> Told:
    answer = client.send("DELETE", "/composite/sobjects", params={"ids": ",".join(ids)})
    return [_told(each) for each in answer.json()]


def delete_soap(client: Client, ids: list[str]) -> Told:
    return _soap(client, f"<urn:delete>{_ids(ids)}</urn:delete>")


def undelete(client: Client, ids: list[str]) -> Told:
    return _soap(client, f"<urn:undelete>{_ids(ids)}</urn:undelete>")


def purge(client: Client, ids: list[str]) -> Told:
    return _soap(client, f"<urn:emptyRecycleBin>{_ids(ids)}</urn:emptyRecycleBin>")


def merge(client: Client, ids: list[str]) -> Told:
    """The others into the first one; its results name one record."""
    master, *victims = ids
    to_merge = "".join(f"<urn:recordToMergeIds>{each}</urn:recordToMergeIds>" for each in victims)
    record = f"<urn:masterRecord><urn1:type>Lead</urn1:type><urn1:Id>{master}</urn1:Id></urn:masterRecord>"
    return _soap(client, f"<urn:merge><urn:request>{record}{to_merge}</urn:request></urn:merge>")


BY_ID: list[Callable[[Client, list[str]], Told]] = [
    delete_one_by_one,
    delete_collection,
    delete_soap,
    undelete,
    purge,
    merge,
]


def _ids(ids: list[str]) -> str:
    return "".join(f"<urn:ids>{each}</urn:ids>" for each in ids)


def _soap(client: Client, body: str) -> Told:
    return [
        Row(text(each, "success") == "true", text(each, "id") if "id" in names(each) else None)
        for each in results(client.soap(body))
    ]


def _told(row: dict[str, Any]) -> Row:
    assert row["success"] is (row["errors"] == [])
    return Row(row["success"], row.get("id"))


def _id_in(body: Any) -> str | None:
    return body["id"] if isinstance(body, dict) else None


# --- what has to hold -------------------------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.sampled_from(SAVES), st.lists(ROWS, min_size=1, max_size=4)),
    st.tuples(st.sampled_from(BY_ID), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
)
CHANGED = ("created", "updated", "deleted", "undeleted", "purged")


@pytest.fixture(scope="module")
def shared() -> Iterator[EmulatedOrg]:
    with EmulatedOrg.start() as org:
        yield org


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=1, max_size=7))
def test_every_door_tells_the_same_story(shared: EmulatedOrg, steps: list[tuple[Any, list[Any]]]) -> None:
    shared.reset()
    shared.state.change_physics({"bulk_queue": 0, "bulk_unseen": 0})
    client = Client(shared.url, shared.access_token)
    known: list[str] = []
    for door, asked in steps:
        if door in BY_ID:
            asked = [known[number % len(known)] for number in asked] if known else [NOBODY]
        before = len(shared.ledger())
        told = door(client, asked)
        entries = shared.ledger()[before:]
        _the_ledger_has_what_was_told(told, entries, one_each=door not in (merge, undelete))
        known += [each["record_id"] for each in entries if each["verb"] == "created"]
    _the_ledger_makes_the_records(shared)
    _queries_find_the_records(client, shared)


def _the_ledger_has_what_was_told(told: Told, entries: list[dict[str, Any]], *, one_each: bool) -> None:
    changed = {each["record_id"] for each in entries if each["verb"] in CHANGED}
    refused = [each for each in entries if each["verb"] == "refused"]
    assert {each.record_id for each in told if each.success} <= changed
    assert len(refused) == sum(not each.success for each in told)
    if one_each:
        assert changed == {each.record_id for each in told if each.success}


def _the_ledger_makes_the_records(org: EmulatedOrg) -> None:
    made: dict[str, dict[str, Any]] = {}
    for entry in org.ledger():
        if entry["sobject"] != "Lead" or entry["verb"] == "refused":
            continue
        if entry["verb"] == "purged":
            del made[entry["record_id"]]
        else:
            made[entry["record_id"]] = {**made.get(entry["record_id"], {"IsDeleted": False}), **entry["values"]}
    kept = {each["Id"]: each for each in org.records("Lead", deleted=True)}
    assert kept.keys() == made.keys()
    for record_id, fields in made.items():
        assert {name: kept[record_id].get(name) for name in fields} == fields


def _queries_find_the_records(client: Client, org: EmulatedOrg) -> None:
    live = {each["Id"]: each for each in org.records("Lead")}
    found = client.query("SELECT Id, External_Id__c, Email FROM Lead")
    assert {each["Id"]: each["External_Id__c"] for each in found} == {
        record_id: each.get("External_Id__c") for record_id, each in live.items()
    }
    everything = client.query("SELECT Id FROM Lead", path="/queryAll")
    assert {each["Id"] for each in everything} == {each["Id"] for each in org.records("Lead", deleted=True)}
    held = [each["External_Id__c"].lower() for each in found if each["External_Id__c"]]
    assert len(set(held)) == len(held)
    for each in found:
        if each["External_Id__c"]:
            [same] = client.query(f"SELECT Id FROM Lead WHERE External_Id__c = '{each['External_Id__c'].upper()}'")
            assert same["Id"] == each["Id"]
