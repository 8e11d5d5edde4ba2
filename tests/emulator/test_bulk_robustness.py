"""Whatever a bulk job is given: no error of the emulator's own, no lost row, none saved that is said to be refused."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import Org
from airflow_sf_dedup.emulator.http import Request, Response, read_url
from airflow_sf_dedup.emulator.server import front
from airflow_sf_dedup.emulator.server.front import door_of

ORG = Org.read()
TOKEN = {"authorization": f"Bearer {ORG.access_token}"}
ROOT = "/services/data/v60.0"
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.lists(st.text(max_size=3), max_size=2)
)
CELLS = st.one_of(
    st.text(max_size=12).filter(lambda text: "\r" not in text),
    st.sampled_from(
        ["", "#N/A", "x", "X", "12", "2026-01-01", "true", "a@b.c", "00Q5g0000000001EAA", 'q"', " ", "a\nb"]
    ),
)
COLUMNS = ["LastName", "Company", "External_Id__c", "Id", "Email", "NumberOfEmployees", "Owner.Username", "CreatedDate"]


def send(method: str, url: str, body: Any = b"", kind: str = "application/json") -> Response:
    path, query = read_url(url)
    request = Request(method, path, query, {**TOKEN, "content-type": kind}, body)
    door_of(request).identify(request)
    response = front.answer(ORG, request, "http://localhost")
    response.encoded()
    assert response.status < 500
    return response


def settle() -> None:
    assert ORG.jobs.idle(20)


def reset() -> None:
    ORG.reset()
    ORG.change_physics({"bulk_queue": 0, "bulk_unseen": 0})


def written(header: list[str], rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return text.getvalue().encode("utf-8", errors="replace")


def read(response: Response) -> list[dict[str, str]]:
    assert response.status == 200
    return list(csv.DictReader(io.StringIO(response.encoded().decode(), newline="")))


JOBS = st.dictionaries(
    st.sampled_from(
        ["object", "operation", "contentType", "columnDelimiter", "lineEnding", "externalIdFieldName", "state", "query"]
    )
    | st.text(max_size=6),
    st.sampled_from(["Lead", "insert", "upsert", "delete", "CSV", "PIPE", "LF", "Id", "External_Id__c", "query"])
    | SCALARS,
)
DOORS = st.sampled_from([f"{ROOT}/jobs/ingest", f"{ROOT}/jobs/query", "/services/async/60.0/job"])


@settings(max_examples=150, deadline=None)
@given(DOORS, JOBS | SCALARS)
def test_any_job_is_answered(url: str, body: Any) -> None:
    reset()
    send("POST", url, json.dumps(body).encode())
    settle()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "DANCE"]),
    DOORS,
    st.lists(st.sampled_from(["x", "750000000000000AAA", "batch", "batches", "result", "results", "é"]), max_size=5),
    st.binary(max_size=30),
    st.sampled_from(["application/json", "application/xml", "text/csv", "multipart/form-data; boundary=x", "x", ""]),
)
def test_any_request_is_answered(method: str, url: str, rest: list[str], body: bytes, kind: str) -> None:
    send(method, "/".join((url, *rest)), body, kind)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5, unique=True),
    st.integers(0, 5),
    st.sampled_from(["insert", "update", "upsert", "delete", "hardDelete"]),
    st.data(),
)
def test_every_row_is_in_exactly_one_file(header: list[str], count: int, operation: str, data: Any) -> None:
    reset()
    (known,) = ORG.seed("Lead", [{"LastName": "x", "Company": "x", "External_Id__c": "x"}])
    cell = CELLS | st.just(known)
    rows = [[data.draw(cell) for _ in header] for _ in range(count)]
    asked = {"object": "Lead", "operation": operation, "externalIdFieldName": "External_Id__c"}
    job = f"{ROOT}/jobs/ingest/{send('POST', f'{ROOT}/jobs/ingest', asked).body['id']}"
    assert send("PUT", f"{job}/batches", written(header, rows), "text/csv").status == 201
    send("PATCH", job, {"state": "UploadComplete"})
    settle()
    found = send("GET", job).body
    assert found["state"] in ("JobComplete", "Failed")
    assert "InternalServerError" not in found.get("errorMessage", "")
    good, bad, left = (
        read(send("GET", f"{job}/{name}")) for name in ("successfulResults", "failedResults", "unprocessedrecords")
    )
    told = sorted([row[name] for name in header] for row in (*good, *bad, *left))
    sent = list(csv.reader(io.StringIO(written(header, rows).decode(), newline="")))
    assert told == sorted(sent[1:])
    entries = ORG.ledger.entries()
    refused = [entry for entry in entries if entry["verb"] == "refused"]
    binned = [entry for entry in entries if entry["verb"] == "deleted" and operation == "hardDelete"]
    changed = [entry for entry in entries if entry not in refused and entry not in binned]
    assert sorted(entry["record_id"] or "" for entry in changed if operation != "hardDelete") == sorted(
        row["sf__Id"] for row in good if operation != "hardDelete"
    )
    assert len(changed) == len(good)
    assert len(refused) == len(bad)


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet='LastName,Company\n\r"\x00 é;|#/A', max_size=60).map(str.encode) | st.binary(max_size=40),
    st.sampled_from(["COMMA", "PIPE", "SEMICOLON", "TAB"]),
    st.sampled_from(["LF", "CRLF"]),
)
def test_any_upload_ends_its_job(content: bytes, delimiter: str, line_ending: str) -> None:
    reset()
    asked = {"object": "Lead", "operation": "insert", "columnDelimiter": delimiter, "lineEnding": line_ending}
    job = f"{ROOT}/jobs/ingest/{send('POST', f'{ROOT}/jobs/ingest', asked).body['id']}"
    send("PUT", f"{job}/batches", content, "text/csv")
    send("PATCH", job, {"state": "UploadComplete"})
    settle()
    found = send("GET", job).body
    assert found["state"] in ("JobComplete", "Failed")
    assert "InternalServerError" not in found.get("errorMessage", "")
    for name in ("successfulResults", "failedResults", "unprocessedrecords"):
        assert send("GET", f"{job}/{name}").status == 200


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["insert", "update", "upsert", "delete", "query"]),
    st.sampled_from([("CSV", "text/csv"), ("JSON", "application/json"), ("XML", "application/xml")]),
    st.binary(max_size=40)
    | st.lists(st.dictionaries(st.sampled_from([*COLUMNS, "Owner", "attributes"]), SCALARS), max_size=3).map(
        lambda rows: json.dumps(rows).encode()
    )
    | st.text(alphabet="<>/sObjectLastName =\"'&;", max_size=40).map(
        lambda text: f"<sObjects>{text}</sObjects>".encode()
    ),
)
def test_any_batch_ends(operation: str, kind: tuple[str, str], content: bytes) -> None:
    reset()
    asked = {"object": "Lead", "operation": operation, "contentType": kind[0], "externalIdFieldName": "External_Id__c"}
    made = send("POST", "/services/async/60.0/job", json.dumps(asked).encode())
    job = f"/services/async/60.0/job/{made.body['id']}"
    if send("POST", f"{job}/batch", content, kind[1]).status != 201:
        return
    settle()
    (batch,) = send("GET", f"{job}/batch").body["batchInfo"]
    assert batch["state"] in ("Completed", "Failed")
    assert "InternalServerError" not in batch.get("stateMessage", "")
    assert send("GET", f"{job}/batch/{batch['id']}/result").status == (200 if batch["state"] == "Completed" else 400)
