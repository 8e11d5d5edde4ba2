"""Up to five collections in one call, each row with its outcome."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.outcomes import Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import OutcomeUnknownError, PermissionRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.ports import RecordUpdate
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions

ID = "0038M0000016Wv8QAE"
UPSERT_URL = "/services/data/v60.0/composite/sobjects/Lead/Key__c"


def record(number: int) -> Record:
    return Record(number, f"A-{number}", {"Key__c": f"A-{number}", "Phone": None}, "0")


@pytest.fixture
def session(canned_org: Any) -> SalesforceSession:
    access = {"access_token": "t", "instance_url": canned_org.url, "version": "60.0"}
    return SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)


@pytest.fixture
def api(session: SalesforceSession) -> CollectionsApi:
    return CollectionsApi(
        session, sobject="Lead", external_id_field="Key__c", options=WriteOptions(assignment_rules=True)
    )


def answered(*sizes: int) -> dict[str, Any]:
    rows = [{"id": ID, "success": True, "errors": [], "created": True}]
    return {
        "compositeResponse": [
            {"referenceId": f"chunk{n}", "httpStatusCode": 200, "body": rows * size} for n, size in enumerate(sizes)
        ]
    }


def test_chunks_of_rows_go_in_one_call(canned_org: Any, reply: Any, api: CollectionsApi) -> None:
    canned_org.answers(reply(body=answered(2, 1)))
    assert api.upsert([[record(1), record(2)], [record(3)]]) == [[Saved(ID, True)] * 2, [Saved(ID, True)]]
    [seen] = canned_org.requests
    assert (seen.method, seen.path) == ("POST", "/services/data/v60.0/composite")
    parts = seen.json["compositeRequest"]
    assert [(part["method"], part["url"]) for part in parts] == [("PATCH", UPSERT_URL)] * 2
    assert parts[1]["body"]["records"] == [{"attributes": {"type": "Lead"}, "Key__c": "A-3", "Phone": None}]


@pytest.mark.parametrize("allow_save", [False, True])
def test_an_upsert_says_whether_alerts_are_overridden_and_which_assignment_runs(
    canned_org: Any, reply: Any, api: CollectionsApi, allow_save: bool
) -> None:
    canned_org.answers(reply(body=answered(1)))
    api.upsert([[record(1)]], allow_save=allow_save)
    headers = canned_org.requests[0].json["compositeRequest"][0]["httpHeaders"]
    assert headers["Sforce-Duplicate-Rule-Header"].startswith(f"allowSave={str(allow_save).lower()};")
    assert headers["Sforce-Auto-Assign"] == "TRUE"


def test_an_update_goes_by_id_and_never_assigns_nor_overrides(canned_org: Any, reply: Any, api: CollectionsApi) -> None:
    canned_org.answers(reply(body=answered(1)))
    assert api.update([[RecordUpdate(ID, {"Key__c": "A"})]]) == [[Saved(ID, True)]]
    [part] = canned_org.requests[0].json["compositeRequest"]
    assert (part["method"], part["url"]) == ("PATCH", "/services/data/v60.0/composite/sobjects")
    assert part["httpHeaders"]["Sforce-Auto-Assign"] == "FALSE"
    assert part["httpHeaders"]["Sforce-Duplicate-Rule-Header"].startswith("allowSave=false;")
    assert part["body"]["records"][0]["id"] == ID


def test_a_call_that_is_refused_raises(canned_org: Any, reply: Any, api: CollectionsApi) -> None:
    canned_org.answers(reply(403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]))
    with pytest.raises(PermissionRefusedError):
        api.upsert([[record(1)]])


@pytest.mark.parametrize("name", ["upsert", "update"])
def test_a_call_without_an_answer_in_time_is_not_repeated_because_its_caller_sends_less(
    canned_org: Any, reply: Any, name: str
) -> None:
    canned_org.answers(reply(delay=0.4))
    access = {"access_token": "t", "instance_url": canned_org.url, "read_timeout": 0.2}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)
    api = CollectionsApi(session, sobject="Lead", external_id_field="Key__c")
    rows: Any = {"upsert": record(1), "update": RecordUpdate(ID, {"Phone": "1"})}
    with pytest.raises(OutcomeUnknownError) as raised:
        getattr(api, name)([[rows[name]]])
    assert raised.value.code == "READ_TIMEOUT"
    assert len(canned_org.requests) == 1


def test_after_a_lost_answer_an_update_may_have_been_a_create(canned_org: Any, reply: Any, api: CollectionsApi) -> None:
    answer = answered(2)
    answer["compositeResponse"][0]["body"][1] = {"id": ID, "success": True, "errors": [], "created": False}
    canned_org.answers(reply(reset=True), reply(body=answer))
    assert api.upsert([[record(1), record(2)]]) == [[Saved(ID, True), Saved(ID, None)]]


def test_an_answer_that_names_no_chunk_leaves_each_row_unanswered(
    canned_org: Any, reply: Any, api: CollectionsApi
) -> None:
    canned_org.answers(reply(body={"compositeResponse": "none"}))
    [rows] = api.upsert([[record(1), record(2)]])
    assert isinstance(rows, list)
    assert [type(row) for row in rows] == [Unanswered, Unanswered]


@pytest.mark.parametrize(
    ("gone", "late"),
    [({"status": 502, "body": ""}, 1), ({"reset": True}, 1), ({"status": 503, "body": ""}, 0)],
    ids=["a gateway gave it up", "reset", "busy"],
)
@pytest.mark.parametrize("write", ["upsert", "update"])
def test_whoever_has_the_rows_hears_of_a_sending_that_may_still_be_carried_out(
    canned_org: Any, reply: Any, api: CollectionsApi, write: str, gone: dict[str, Any], late: int
) -> None:
    """The repeat is answered, and the first sending could overwrite what comes after it."""
    canned_org.answers(reply(**gone), reply(body=answered(1)))
    heard: list[None] = []
    if write == "upsert":
        api.upsert([[record(1)]], on_late=lambda: heard.append(None))
    else:
        api.update([[RecordUpdate(ID, {"Phone": "1"})]], on_late=lambda: heard.append(None))
    assert len(canned_org.requests) == 2
    assert len(heard) == late


OTHERS = "0015c00002Lz9mUAAR"


def test_a_success_that_names_a_record_of_another_sobject_is_no_answer(
    canned_org: Any, reply: Any, session: SalesforceSession
) -> None:
    document = answered(2)
    document["compositeResponse"][0]["body"] = [
        {"id": identity, "success": True, "errors": [], "created": True} for identity in (ID, OTHERS)
    ]
    canned_org.answers(reply(body=document))
    api = CollectionsApi(session, sobject="Lead", external_id_field="Key__c", key_prefix=ID[:3])
    assert api.upsert([[record(1), record(2)]]) == [
        [Saved(ID, True), Unanswered("success with the id of another record")]
    ]


def test_an_update_that_names_another_record_than_it_was_sent_to_is_no_answer(
    canned_org: Any, reply: Any, api: CollectionsApi
) -> None:
    canned_org.answers(reply(body=answered(2)))
    [[first, second]] = api.update([[RecordUpdate(ID, {"Phone": "1"}), RecordUpdate(OTHERS, {"Phone": "2"})]])
    assert isinstance(first, Saved)
    assert isinstance(second, Unanswered)
