"""Bulk API 2.0 jobs that write."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from . import bulk
from .bulk import create, failures, info, load, rows, set_state, upload, wait
from .client import Client


def refusal(answer: Any, status: int = 400) -> tuple[str, str]:
    assert answer.status_code == status, answer.text
    (error,) = answer.json()
    return error["errorCode"], error["message"]


def test_a_job_tells_what_it_is(client: Client, org: EmulatedOrg) -> None:
    answer = client.send(
        "POST",
        "/jobs/ingest/",
        json={
            "object": "account",
            "operation": "upsert",
            "externalIdFieldName": "external_id__c",
            "lineEnding": "CRLF",
        },
    )
    made = answer.json()
    job_id = made["id"]
    assert job_id[:3] == "750"
    assert list(made) == [
        "id",
        "operation",
        "object",
        "createdById",
        "createdDate",
        "systemModstamp",
        "state",
        "externalIdFieldName",
        "concurrencyMode",
        "contentType",
        "apiVersion",
        "contentUrl",
        "lineEnding",
        "columnDelimiter",
    ]
    assert made["object"] == "Account"
    assert made["externalIdFieldName"] == "External_Id__c"
    assert made["createdById"] == org.state.default_user.user_id
    assert made["apiVersion"] == 60.0
    assert made["contentUrl"] == f"services/data/v60.0/jobs/ingest/{job_id}/batches"
    found = info(client, job_id)
    assert found["jobType"] == "V2Ingest"
    assert found["contentUrl"] == made["contentUrl"]
    counters = ("numberRecordsProcessed", "numberRecordsFailed", "retries", "totalProcessingTime")
    assert {found[name] for name in (*counters, "apiActiveProcessingTime", "apexProcessingTime")} == {0}
    assert info(client, job_id[:15])["id"] == job_id


def test_the_first_answer_is_never_the_last(client: Client) -> None:
    job_id = create(client)
    assert info(client, job_id)["state"] == "Open"
    upload(client, job_id, "Name\nAcme\n")
    closed = set_state(client, job_id, "UploadComplete")
    assert closed.json()["state"] == "UploadComplete"
    assert refusal(client.send("GET", f"/jobs/ingest/{job_id}/successfulResults"))[0] == "INVALIDJOBSTATE"
    assert info(client, job_id)["state"] in ("UploadComplete", "InProgress")
    done = wait(client, job_id)
    assert done["state"] == "JobComplete"
    assert done["numberRecordsProcessed"] == 1
    assert "contentUrl" not in done
    assert "errorMessage" not in done


def test_rows_end_in_exactly_one_file(client: Client) -> None:
    job_id = load(client, 'Name,External_Id__c\nAcme,a\n,b\n"Be\nta",c\n')
    succeeded = rows(client, job_id, "successfulResults")
    assert sorted((row["Name"], row["External_Id__c"], row["sf__Created"]) for row in succeeded) == [
        ("Acme", "a", "true"),
        ("Be\nta", "c", "true"),
    ]
    assert all(len(row["sf__Id"]) == 18 for row in succeeded)
    answer = client.send("GET", f"/jobs/ingest/{job_id}/failedResults/")
    assert answer.text == (
        '"sf__Id","sf__Error",External_Id__c,Name\n'
        '"","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --","b",""\n'
    )
    assert answer.headers["Content-Type"] == "text/csv"
    assert rows(client, job_id, "unprocessedrecords") == []
    assert client.send("GET", f"/jobs/ingest/{job_id}/unprocessedRecords/").text == '"External_Id__c","Name"\n'
    found = info(client, job_id)
    assert (found["numberRecordsProcessed"], found["numberRecordsFailed"]) == (3, 1)


def test_results_can_be_as_they_were_uploaded(started: Any) -> None:
    quirks = {
        "bulk_result_columns": "upload",
        "bulk_result_header_quotes": "all",
        "bulk_results_shuffled": False,
        "bulk_results_name_charset": True,
    }
    _, client = started({"quirks": quirks, "sobjects": {"Note__c": {"key_prefix": "a00", "fields": NOTE}}})
    content = "Name,Body__c\n" + "".join(f"n{number},Ü\n" for number in range(50))
    job_id = load(client, content, "Note__c")
    answer = client.send("GET", f"/jobs/ingest/{job_id}/successfulResults")
    assert answer.text.splitlines()[0] == '"sf__Id","sf__Created","Name","Body__c"'
    assert [row["Name"] for row in rows(client, job_id, "successfulResults")] == [f"n{number}" for number in range(50)]
    assert answer.headers["Content-Type"] == "text/csv; charset=UTF-8"


NOTE = {"Name": "text(80) required name", "Body__c": "text(80)"}


def test_the_order_of_results_is_another_one_and_stays_it(client: Client) -> None:
    names = [f"n{number}" for number in range(50)]
    job_id = load(client, "Name\n" + "".join(f"{name}\n" for name in names))
    found = [row["Name"] for row in rows(client, job_id, "successfulResults")]
    assert found != names
    assert sorted(found) == sorted(names)
    assert found == [row["Name"] for row in rows(client, job_id, "successfulResults")]


@pytest.mark.parametrize(
    ("name", "sign"),
    [("BACKQUOTE", "`"), ("CARET", "^"), ("COMMA", ","), ("PIPE", "|"), ("SEMICOLON", ";"), ("TAB", "\t")],
)
@pytest.mark.parametrize(("ending", "end"), [("LF", "\n"), ("CRLF", "\r\n")])
def test_delimiters_and_line_endings(name: str, sign: str, ending: str, end: str, client: Client) -> None:
    content = f"Name{sign}BillingCity{end}Acme{sign}Bonn{end}"
    job_id = load(client, content, columnDelimiter=name, lineEnding=ending)
    (row,) = rows(client, job_id, "successfulResults", sign)
    assert (row["Name"], row["BillingCity"]) == ("Acme", "Bonn")
    assert client.send("GET", f"/jobs/ingest/{job_id}/successfulResults").content.endswith(end.encode())


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ({"operation": "dance"}, "INVALIDJOB", "operation: dance"),
        ({"operation": "query"}, "INVALIDJOB", "operation: query"),
        ({"object": "Foo"}, "INVALIDJOB", "Unable to find object: Foo"),
        ({"object": None}, "INVALIDJOB", "Unable to find object: None"),
        ({"contentType": "JSON"}, "INVALIDJOB", "The only content type supported is CSV"),
        ({"columnDelimiter": ","}, "JSON_PARSER_ERROR", "columnDelimiter"),
        ({"lineEnding": "CR"}, "JSON_PARSER_ERROR", "lineEnding"),
        ({"colour": "red"}, "JSON_PARSER_ERROR", 'Unrecognized field "colour"'),
        ({"object": 5}, "JSON_PARSER_ERROR", "Cannot deserialize"),
        (
            {"operation": "upsert"},
            "INVALIDJOB",
            "External ID was blank for Account. An External ID must be specified for upsert.",
        ),
        (
            {"operation": "upsert", "externalIdFieldName": "Phone"},
            "INVALIDJOB",
            "Field name provided, Phone does not match an External ID, Salesforce Id, or indexed field for Account",
        ),
        ({"assignmentRuleId": "01Q000000000000AAA"}, "INVALIDJOB", "Invalid assignment rule"),
    ],
)
def test_jobs_that_cannot_be_created(asked: Any, code: str, message: str, client: Client) -> None:
    answer = client.send("POST", "/jobs/ingest", json={"object": "Account", "operation": "insert", **asked})
    found = refusal(answer)
    assert found[0] == code
    assert message in found[1]
    assert client.send("GET", "/jobs/ingest").json()["records"] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Name,Foo\nAcme,1\n", "InvalidBatch : Field name not found : Foo"),
        ("\ufeffName\nAcme\n", "InvalidBatch : Field name not found : \ufeffName"),
        ("Name,name\nAcme,1\n", "InvalidBatch : Duplicate field name : name"),
        ("Name,Foo.External_Id__c\nAcme,1\n", "InvalidBatch : Field name not found : Foo.External_Id__c"),
        ("Name,Parent.Phone\nAcme,1\n", "InvalidBatch : Field name not found : Parent.Phone"),
        (
            "Name,Account:Parent.External_Id__c\nAcme,1\n",
            "InvalidBatch : type is not needed for non polymorphic foreign key : Account:Parent.External_Id__c",
        ),
        ("Name\r\nAcme\r\n", "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"),
        ('Name\n"A\r\nB"\n', "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"),
        ("Name,Phone\nAcme\n", "InvalidBatch : Failed to parse CSV. Row 2 has 1 columns, the header has 2"),
        (
            'Name\nA "b" c\n',
            "InvalidBatch : Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote",
        ),
        ('Name\n"Acme\n', "InvalidBatch : Failed to parse CSV. EOF reached before closing an opened quote"),
        (b"Name\n\xff\n", "InvalidBatch : Failed to parse CSV. The content is not valid UTF-8"),
    ],
)
def test_a_job_that_cannot_be_processed_fails_as_a_whole(
    content: str | bytes, message: str, client: Client, org: EmulatedOrg
) -> None:
    job_id = load(client, content)
    found = info(client, job_id)
    assert (found["state"], found["errorMessage"]) == ("Failed", message)
    assert found["numberRecordsProcessed"] == 0
    assert rows(client, job_id, "successfulResults") == rows(client, job_id, "failedResults") == []
    assert client.send("GET", f"/jobs/ingest/{job_id}/unprocessedrecords").content
    assert org.state.records("Account") == []


def test_a_line_ending_that_is_not_the_jobs_fails_it(client: Client) -> None:
    job_id = load(client, "Name\nAcme\n", lineEnding="CRLF")
    assert info(client, job_id)["errorMessage"] == (
        "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is CRLF"
    )


def test_data_is_uploaded_once_and_while_the_job_is_open(client: Client) -> None:
    job_id = create(client)
    assert refusal(client.send("PUT", f"/jobs/ingest/{job_id}/batches", json={}), 415)[0] == "UNSUPPORTED_MEDIA_TYPE"
    first = upload(client, job_id, "Name\nAcme\n")
    assert (first.status_code, first.content) == (201, b"")
    code, message = refusal(upload(client, job_id, "Name\nBeta\n"))
    assert code == "INVALIDJOB"
    assert message.startswith(f"Found multiple contents for job: <{job_id[:15]}>, please 'Close' / 'Abort' / 'Delete'")
    set_state(client, job_id, "UploadComplete")
    assert refusal(upload(client, job_id, "Name\nBeta\n"))[0] == "INVALIDJOBSTATE"
    wait(client, job_id)
    assert [row["Name"] for row in rows(client, job_id, "successfulResults")] == ["Acme"]


def test_a_second_upload_may_only_be_noticed_when_the_job_is_closed(started: Any) -> None:
    _, client = started({"quirks": {"bulk_second_upload_refused_at": "close"}, "sobjects": ACCOUNT})
    job_id = create(client)
    assert upload(client, job_id, "Name\nAcme\n").status_code == 201
    assert upload(client, job_id, "Name\nBeta\n").status_code == 201
    assert refusal(set_state(client, job_id, "UploadComplete"))[0] == "INVALIDJOB"
    assert set_state(client, job_id, "Aborted").status_code == 200


ACCOUNT = {"Account": {"key_prefix": "001", "fields": {"Name": "text(255) required name"}}}


def test_too_large_an_upload_is_refused(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"bulk_upload_bytes": 10})
    job_id = create(client)
    assert upload(client, job_id, "Name\nAcme Incorporated\n").status_code == 413


# --- states -----------------------------------------------------------------------------------------------


def test_illegal_changes_of_the_state_are_refused(client: Client) -> None:
    job_id = load(client, "Name\nAcme\n")
    assert refusal(set_state(client, job_id, "Aborted")) == (
        "INVALIDJOBSTATE",
        "Aborting already Completed Job not allowed",
    )
    assert refusal(set_state(client, job_id, "UploadComplete")) == (
        "INVALIDJOBSTATE",
        "Closing already Completed Job not allowed",
    )
    aborted = create(client)
    assert set_state(client, aborted, "Aborted").json()["state"] == "Aborted"
    assert refusal(set_state(client, aborted, "UploadComplete")) == (
        "INVALIDJOBSTATE",
        "Closing already Aborted Job not allowed",
    )
    assert refusal(set_state(client, create(client), "JobComplete"))[0] == "INVALIDJOBSTATE"
    assert refusal(set_state(client, create(client), "Dancing"))[0] == "JSON_PARSER_ERROR"
    assert refusal(set_state(client, "750000000000000AAA", "Aborted"), 404)[0] == "NOT_FOUND"


def test_an_abort_leaves_what_was_processed(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"commit_window": 0.05})
    content = "Name\n" + "".join(f"n{number}\n" for number in range(2000))
    job_id = create(client)
    upload(client, job_id, content)
    set_state(client, job_id, "UploadComplete")
    while not info(client, job_id)["numberRecordsProcessed"]:
        pass
    assert set_state(client, job_id, "Aborted").json()["state"] == "Aborted"
    saved = [row["Name"] for row in rows(client, job_id, "successfulResults")]
    left = [row["Name"] for row in rows(client, job_id, "unprocessedrecords")]
    assert sorted(saved + left) == sorted(f"n{number}" for number in range(2000))
    assert saved
    assert left
    assert {record["Name"] for record in org.state.records("Account")} == set(saved)


def test_what_an_open_job_was_given_is_unprocessed_when_it_is_aborted(client: Client) -> None:
    job_id = create(client)
    upload(client, job_id, "Name\nAcme\n")
    set_state(client, job_id, "Aborted")
    assert rows(client, job_id, "unprocessedrecords") == [{"Name": "Acme"}]


def test_jobs_are_deleted_when_nothing_more_comes_of_them(client: Client) -> None:
    job_id = create(client)
    assert refusal(client.send("DELETE", f"/jobs/ingest/{job_id}"))[0] == "INVALIDJOBSTATE"
    set_state(client, job_id, "Aborted")
    assert client.send("DELETE", f"/jobs/ingest/{job_id}").status_code == 204
    assert client.send("GET", f"/jobs/ingest/{job_id}").status_code == 404
    assert client.send("GET", "/jobs/ingest").json()["records"] == []


def test_jobs_are_listed_a_page_at_a_time(client: Client, org: EmulatedOrg) -> None:
    for _ in range(3):
        create(client)
    client.send("POST", "/jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"})
    found = client.send("GET", "/jobs/ingest").json()
    assert (found["done"], found["nextRecordsUrl"]) == (True, None)
    assert [job["jobType"] for job in found["records"]] == ["V2Ingest"] * 3
    assert found["records"][0]["contentUrl"].startswith("services/data/")
    assert client.send("GET", "/jobs/ingest?isPkChunkingEnabled=true").json()["records"] == []
    assert client.send("GET", "/jobs/ingest?jobType=Classic").json()["records"] == []
    for _ in range(998):
        create(client)
    first = client.send("GET", "/jobs/ingest").json()
    assert (len(first["records"]), first["done"]) == (1000, False)
    second = client.session.get(client.url + first["nextRecordsUrl"], timeout=10).json()
    assert (len(second["records"]), second["done"]) == (1, True)
    assert refusal(client.send("GET", "/jobs/ingest?queryLocator=x"))[0] == "INVALID_QUERY_LOCATOR"


def test_a_job_without_data_completes(client: Client) -> None:
    for content in (None, "", "Name\n"):
        job_id = create(client)
        if content is not None:
            upload(client, job_id, content)
        set_state(client, job_id, "UploadComplete")
        assert wait(client, job_id)["state"] == "JobComplete"
        assert rows(client, job_id, "successfulResults") == rows(client, job_id, "unprocessedrecords") == []


def test_creation_and_data_in_one_request(client: Client, org: EmulatedOrg) -> None:
    body = (
        '--BOUND\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="job"\r\n\r\n'
        '{"object":"Account","contentType":"CSV","operation":"insert"}\r\n--BOUND\r\nContent-Type: text/csv\r\n'
        'Content-Disposition: form-data; name="content"; filename="content"\r\n\r\nName\nAcme\nBeta\n\r\n--BOUND--\r\n'
    )
    headers = {"Content-Type": 'multipart/form-data; boundary="BOUND"'}
    answer = client.send("POST", "/jobs/ingest", data=body.encode(), headers=headers)
    assert (answer.status_code, answer.json()["state"]) == (200, "UploadComplete")
    wait(client, answer.json()["id"])
    assert {record["Name"] for record in org.state.records("Account")} == {"Acme", "Beta"}
    half = body.replace('name="content"', 'name="other"')
    assert client.send("POST", "/jobs/ingest", data=half.encode(), headers=headers).status_code == 400
    large = body.replace("Acme", "A" * 100_001)
    assert refusal(client.send("POST", "/jobs/ingest", data=large.encode(), headers=headers))[0] == "INVALIDJOB"


# --- rows -------------------------------------------------------------------------------------------------


def test_empty_leaves_a_field_and_na_clears_it(client: Client, org: EmulatedOrg) -> None:
    seeded = org.state.seed("Account", [{"Name": "A", "Phone": "1", "BillingCity": "Bonn"}] * 2)
    load(client, f"Id,Phone,BillingCity\n{seeded[0]},,#N/A\n{seeded[1]},#N/A,\n", operation="update")
    found = {record["Id"]: record for record in org.state.records("Account")}
    assert ("Phone" in found[seeded[0]], "BillingCity" in found[seeded[0]]) == (True, False)
    assert ("Phone" in found[seeded[1]], "BillingCity" in found[seeded[1]]) == (False, True)


def test_an_upsert_creates_and_updates(client: Client, org: EmulatedOrg) -> None:
    (known,) = org.state.seed("Account", [{"Name": "A", "External_Id__c": "a"}])
    content = "Id,Name,External_Id__c\n,A2,A\n,B,b\n,C,\n"
    job_id = load(client, content, operation="upsert", externalIdFieldName="External_Id__c")
    saved = {row["External_Id__c"]: row for row in rows(client, job_id, "successfulResults")}
    assert (saved["A"]["sf__Id"], saved["A"]["sf__Created"]) == (known, "false")
    assert saved["b"]["sf__Created"] == "true"
    assert failures(client, job_id) == ["MISSING_ARGUMENT:External_Id__c not specified:--"]


def test_a_parent_is_named_by_its_key(client: Client, org: EmulatedOrg) -> None:
    (parent,) = org.state.seed("Account", [{"Name": "A", "External_Id__c": "p1"}])
    content = "LastName,Account.External_Id__c\nDoe,p1\nRoe,p2\nPoe,\n"
    job_id = load(client, content, "Contact")
    found = {record["LastName"]: record.get("AccountId") for record in org.state.records("Contact")}
    assert found == {"Doe": parent, "Poe": None}
    (row,) = rows(client, job_id, "failedResults")
    assert row["Account.External_Id__c"] == "p2"
    assert row["sf__Error"] == (
        "INVALID_FIELD:Foreign key external ID: p2 not found for field External_Id__c in entity Account:--"
    )
    load(client, f"Id,Account.External_Id__c\n{next(iter(ids(org, 'Doe')))},#N/A\n", "Contact", "update")
    assert all("AccountId" not in record for record in org.state.records("Contact"))


def ids(org: EmulatedOrg, name: str) -> list[str]:
    return [record["Id"] for record in org.state.records("Contact") if record["LastName"] == name]


def test_a_malformed_value_refuses_its_row_alone(client: Client) -> None:
    job_id = load(client, "Name,NumberOfEmployees\nAcme,many\nBeta,12\n")
    assert failures(client, job_id) == [
        "INVALID_FIELD:Failed to deserialize field at col 1. Due to, 'many' is not a valid value for the type "
        "xsd:int:NumberOfEmployees --"
    ]
    assert len(rows(client, job_id, "successfulResults")) == 1


def test_a_repeated_key_fails_in_its_chunk_and_updates_in_another(client: Client, org: EmulatedOrg) -> None:
    keys = ["a", "a", *(f"k{number}" for number in range(398)), "k0"]
    content = "Name,External_Id__c\n" + "".join(f"n{place},{key}\n" for place, key in enumerate(keys))
    job_id = load(client, content, operation="upsert", externalIdFieldName="External_Id__c")
    assert failures(client, job_id) == [
        "DUPLICATE_VALUE:Duplicate external id specified: a:External_Id__c --",
        "DUPLICATE_VALUE:Duplicate external id specified: a:External_Id__c --",
    ]
    found = {record["External_Id__c"]: record["Name"] for record in org.state.records("Account")}
    assert found["k0"] == "n400"
    again = [row for row in rows(client, job_id, "successfulResults") if row["External_Id__c"] == "k0"]
    assert sorted(row["sf__Created"] for row in again) == ["false", "true"]


def test_duplicate_rules_run_and_no_header_passes_them(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Lead", [{"LastName": "Doe", "FirstName": "Jane", "Company": "Acme"}])
    asked = {"object": "Lead", "operation": "insert"}
    header = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    job_id = client.send("POST", "/jobs/ingest", json=asked, headers=header).json()["id"]
    upload(client, job_id, "FirstName,LastName,Company\nJane,Doe,Acme\n")
    set_state(client, job_id, "UploadComplete")
    wait(client, job_id)
    (error,) = failures(client, job_id)
    assert error.startswith("DUPLICATES_DETECTED:")
    assert error.endswith(":--")


def test_assignment_rules_run_only_where_the_job_names_one(client: Client, org: EmulatedOrg) -> None:
    rule = org.state.definition.assignment_rules["Lead"]
    load(client, "LastName,Company\nDoe,Acme\n", "Lead")
    load(client, "LastName,Company\nRoe,Beta\n", "Lead", assignmentRuleId=rule.record_id)
    owners = {record["LastName"]: record["OwnerId"] for record in org.state.records("Lead")}
    assert owners == {"Doe": org.state.default_user.user_id, "Roe": rule.owner_id}


def test_deletes_take_ids_and_nothing_else(client: Client, org: EmulatedOrg) -> None:
    first, second, third = org.state.seed("Account", [{"Name": name} for name in "ABC"])
    (contact,) = org.state.seed("Contact", [{"LastName": "Doe"}])
    wrong = load(client, f"Id,Name\n{first},A\n", operation="delete")
    assert info(client, wrong)["errorMessage"] == "InvalidBatch : The 'delete' batch must contain only ids"
    job_id = load(client, f"Id\n{first[:15]}\n{contact}\nnonsense\n{third[:3]}000000000009AAA\n", operation="delete")
    (row,) = rows(client, job_id, "successfulResults")
    assert (row["sf__Id"], row["sf__Created"]) == (first, "false")
    assert [error.partition(":")[0] for error in failures(client, job_id)] == [
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "MALFORMED_ID",
    ]
    load(client, f"Id\n{second}\n", operation="hardDelete")
    assert {record["Id"] for record in org.state.records("Account", deleted=True)} == {first, third}
    assert len(org.state.records("Contact")) == 1


def test_hard_deletes_may_be_forbidden(started: Any) -> None:
    _, client = started({"quirks": {"bulk_hard_delete_permitted": False}, "sobjects": ACCOUNT})
    answer = client.send("POST", "/jobs/ingest", json={"object": "Account", "operation": "hardDelete"})
    assert refusal(answer)[0] == "FEATURENOTENABLED"


def test_the_id_of_a_failed_row(client: Client, org: EmulatedOrg) -> None:
    (known,) = org.state.seed("Account", [{"Name": "A"}])
    content = f"Id,Name\n{known},#N/A\n"
    job_id = load(client, content, operation="update")
    assert rows(client, job_id, "failedResults")[0]["sf__Id"] == known
    client.version = "52.0"
    job_id = load(client, content, operation="update")
    assert rows(client, job_id, "failedResults")[0]["sf__Id"] == ""


# --- with everything else ---------------------------------------------------------------------------------


def test_every_change_names_the_call_that_closed_the_job(client: Client, org: EmulatedOrg) -> None:
    job_id = load(client, "Name\nAcme\n\n")
    calls = {call["number"]: call for call in org.state.accounting.calls()}
    (entry,) = org.state.ledger.entries()
    assert (calls[entry["call"]]["method"], job_id in calls[entry["call"]]["path"]) == ("PATCH", True)


def test_each_request_is_one_call(client: Client, org: EmulatedOrg) -> None:
    job_id = create(client)
    upload(client, job_id, "Name\nAcme\n")
    set_state(client, job_id, "UploadComplete")
    assert org.state.stats()["by_call"] == {
        "POST /jobs/ingest": 1,
        "PUT /jobs/ingest/{job}/batches": 1,
        "PATCH /jobs/ingest/{job}": 1,
    }
    assert org.state.stats()["api_calls"] == 3


def test_a_fault_refuses_rows_of_the_job_that_a_call_closes(client: Client, org: EmulatedOrg) -> None:
    org.state.faults.replace([{"kind": "refuse_rows", "on": "PATCH /jobs/ingest/{job}", "share": 1}])
    job_id = load(client, "Name\nAcme\n")
    assert failures(client, job_id)[0].startswith("UNABLE_TO_LOCK_ROW:")


def test_rows_whose_parent_is_held_too_long_are_refused(client: Client, org: EmulatedOrg) -> None:
    (parent,) = org.state.seed("Account", [{"Name": "A"}])
    org.state.change_physics({"commit_window": 0.01, "lock_wait": 0})
    with org.state.record_locks.holding({0: frozenset({parent})}, wait=0):
        job_id = load(client, f"LastName,AccountId\nDoe,{parent}\n", "Contact")
    assert failures(client, job_id) == [
        f"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: {parent}:--"
    ]


def test_a_reset_ends_every_job(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"commit_window": 0.1})
    job_id = create(client)
    upload(client, job_id, "Name\n" + "Acme\n" * 1000)
    set_state(client, job_id, "UploadComplete")
    jobs = org.state.jobs
    org.state.reset()
    assert jobs.idle(5)
    assert org.state.records("Account") == []
    assert org.state.ledger.entries() == []
    assert client.send("GET", f"/jobs/ingest/{job_id}").status_code == 404


def test_a_server_stops_amid_a_job(started: Any) -> None:
    emulator, client = started({"physics": {"commit_window": 0.1}, "sobjects": ACCOUNT})
    job_id = create(client)
    upload(client, job_id, "Name\n" + "Acme\n" * 20_000)
    set_state(client, job_id, "UploadComplete")
    emulator.stop()
    assert emulator.state.jobs.idle(5)
    assert len(emulator.state.records("Account")) < 20_000


def test_two_jobs_race_for_a_key(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"commit_window": 0.3})
    jobs = [create(client, operation="upsert", externalIdFieldName="External_Id__c") for _ in range(2)]
    for job_id in jobs:
        upload(client, job_id, "Name,External_Id__c\nAcme,a\n")
    for job_id in jobs:
        set_state(client, job_id, "UploadComplete")
    found = [wait(client, job_id)["numberRecordsFailed"] for job_id in jobs]
    assert sorted(found) == [0, 1]
    errors = [error for job_id in jobs for error in failures(client, job_id)]
    assert errors[0].startswith("DUPLICATE_VALUE:duplicate value found: External_Id__c duplicates value on record")


def test_jobs_are_no_part_of_a_composite(client: Client) -> None:
    url = "/services/data/v60.0/jobs/ingest"
    body = {"object": "Account", "operation": "insert"}
    (found,) = client.composite([{"method": "POST", "url": url, "referenceId": "a", "body": body}])
    assert found["httpStatusCode"] == 404


def test_a_client_that_asks_once_can_be_let_through(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"bulk_unseen": 0, "bulk_queue": 0})
    job_id = create(client)
    upload(client, job_id, "Name\nAcme\n")
    set_state(client, job_id, "UploadComplete")
    assert org.state.jobs.idle(5)
    assert bulk.info(client, job_id)["state"] == "JobComplete"
