"""A real S3 interface, reached through an Airflow connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def store(connection: str, objects: Mapping[str, bytes] | None = None) -> Iterator[str]:
    """The URL of a bucket that holds these objects, by their names.

    :param connection: its id, which the URL names; another one for each store, because Airflow keeps what it leads to.
    """
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"AIRFLOW_CONN_{connection.upper()}", _connection(url, password="secret"))
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
        )
        client.create_bucket(Bucket="leads")
        for name, content in (objects or {}).items():
            client.put_object(Bucket="leads", Key=name, Body=content)
        yield f"s3://{connection}@leads"
    server.stop()


def name_a_store_that_is_away(patch: pytest.MonkeyPatch) -> None:
    """The connection ``away`` leads to where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    connection = _connection(nobody, password="SECRET", config_kwargs={"retries": {"max_attempts": 0}})
    patch.setenv("AIRFLOW_CONN_AWAY", connection)


def _connection(url: str, *, password: str, **extra: Any) -> str:
    extra = {"region_name": "us-east-1", "endpoint_url": url, **extra}
    return json.dumps({"conn_type": "aws", "login": "key", "password": password, "extra": extra})
