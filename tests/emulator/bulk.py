"""How the tests talk with the Bulk APIs."""

from __future__ import annotations

import csv
import io
from typing import Any

import requests

from .client import Client

ENDED = ("JobComplete", "Failed", "Aborted")
CSV = {"Content-Type": "text/csv"}


def create(client: Client, sobject: str = "Account", operation: str = "insert", **asked: Any) -> str:
    answer = client.send("POST", "/jobs/ingest", json={"object": sobject, "operation": operation, **asked})
    assert answer.status_code == 200, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def upload(client: Client, job_id: str, content: str | bytes) -> requests.Response:
    data = content.encode() if isinstance(content, str) else content
    return client.send("PUT", f"/jobs/ingest/{job_id}/batches", data=data, headers=CSV)


def set_state(client: Client, job_id: str, state: str, kind: str = "ingest") -> requests.Response:
    return client.send("PATCH", f"/jobs/{kind}/{job_id}", json={"state": state})


def info(client: Client, job_id: str, kind: str = "ingest") -> dict[str, Any]:
    found: dict[str, Any] = client.send("GET", f"/jobs/{kind}/{job_id}").json()
    return found


def wait(client: Client, job_id: str, kind: str = "ingest") -> dict[str, Any]:
    """Asks until the job has ended."""
    while True:
        found = info(client, job_id, kind)
        if found["state"] in ENDED:
            return found


def rows(client: Client, job_id: str, name: str, delimiter: str = ",") -> list[dict[str, str]]:
    answer = client.send("GET", f"/jobs/ingest/{job_id}/{name}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), delimiter=delimiter))


def load(
    client: Client, content: str | bytes, sobject: str = "Account", operation: str = "insert", **asked: Any
) -> str:
    """A job from its creation to its end."""
    job_id = create(client, sobject, operation, **asked)
    assert upload(client, job_id, content).status_code == 201
    assert set_state(client, job_id, "UploadComplete").status_code == 200
    wait(client, job_id)
    return job_id


def failures(client: Client, job_id: str) -> list[str]:
    return sorted(row["sf__Error"] for row in rows(client, job_id, "failedResults"))
