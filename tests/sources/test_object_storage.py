"""Reading and staging through a real S3 interface, with the connection named in the URL."""

from __future__ import annotations

import gzip
import json
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from airflow_sf_dedup.errors import FileUnreachableError, SourceError, StagingError
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.staging.area import StagingArea, read_manifest, read_partition
from airflow_sf_dedup.staging.erasing import StagedErasure
from airflow_sf_dedup.staging.sweeping import sweep
from tests.staging.test_area import LOAD, NOW, RECORDS, staged
from tests.staging.test_workspace import kill, worker


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        connection = {
            "conn_type": "aws",
            "login": "key",
            "password": "secret",
            "extra": {"region_name": "us-east-1", "endpoint_url": url},
        }
        patch.setenv("AIRFLOW_CONN_MY_S3", json.dumps(connection))
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
        )
        client.create_bucket(Bucket="leads")
        client.put_object(Bucket="leads", Key="in/leads.csv.gz", Body=gzip.compress("a,b\n1,Zoë\n".encode()))
        yield "s3://my_s3@leads"
    server.stop()


def test_a_file_is_read_through_its_connection(bucket: str) -> None:
    source = source_of(f"{bucket}/in/leads.csv.gz")
    assert source.columns() == ("a", "b")
    assert [row.values for row in source.rows()] == [{"a": "1", "b": "Zoë"}]


def test_a_missing_object_is_named(bucket: str) -> None:
    with pytest.raises(SourceError, match=r"in/none\.csv: there is no such file"):
        source_of(f"{bucket}/in/none.csv").columns()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("s3://my_s3@no such bucket/a.csv", "the store takes no such address", id="no name of a bucket"),
        pytest.param("s3://AKIA:12/SECRET@leads/a.csv", "the store takes no such address", id="password of digits"),
        pytest.param("s3://my_s3@nobodys-bucket/a.csv", "there is no such file", id="no such bucket"),
        pytest.param("s3://my_s3@leads/none.csv?sig=SECRET", "there is no such file", id="signature"),
        pytest.param(
            "gs://nope@leads/a.csv?sig=SECRET", "no connection of the id|cannot be opened", id="no connection"
        ),
    ],
)
def test_what_a_store_says_of_an_address_is_said_in_our_words(bucket: str, url: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as refused:
        source_of({"path": url, "format": "csv"}).columns()
    assert refused.value.setting == "path"
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))


def test_a_store_that_is_away_is_told_as_what_may_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    extra = {"region_name": "us-east-1", "endpoint_url": nobody, "config_kwargs": {"retries": {"max_attempts": 0}}}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps(connection))
    area = StagingArea("s3://away@leads/staging", str(tmp_path))
    signed = source_of("s3://away@leads/a.csv?sig=SECRET")
    attempts = (
        signed.columns,
        area.load_ids,
        lambda: area.write_manifest(LOAD),
        lambda: area.read_refs("load-1"),
    )
    for attempt in attempts:
        with pytest.raises(FileUnreachableError, match=r"^s3://away@leads/.*: cannot be (read|written) ") as raised:
            attempt()
        assert "SECRET" not in "".join(traceback.format_exception(raised.value))


def test_partitions_are_staged_read_and_removed(bucket: str) -> None:
    area = StagingArea(f"{bucket}/staging")
    ref = staged(area)
    assert list(read_partition(ref)) == RECORDS
    assert read_manifest(ref) == LOAD
    assert area.remove_older_than(7, now=NOW) == []
    assert area.remove_older_than(-1, now=NOW) == ["load-1"]
    with pytest.raises(StagingError):
        list(read_partition(ref))
    area.remove("load-1")


def test_a_persons_row_is_erased_and_the_others_stay(bucket: str, tmp_path: Path) -> None:
    area = StagingArea(f"{bucket}/erased", str(tmp_path))
    ref = staged(area)
    area.write_refs("load-1", [ref])
    erasure = StagedErasure(area, lambda record: record.key == "A-1")
    erasure.carry_out(now=datetime.now(UTC))
    assert [row.row_number for row in erasure.rows] == [1]
    assert list(read_partition(ref)) == RECORDS[1:]


def test_what_a_killed_task_left_goes_with_what_it_staged(bucket: str, tmp_path: Path) -> None:
    area = StagingArea(f"{bucket}/left", str(tmp_path))
    staged(area)
    with worker(area.work_folder) as (process, folder):
        kill(process)
        assert sweep(area, now=datetime.now(UTC)) == ["load-1"]
        assert not folder.exists()
    assert area.load_ids() == []


def test_a_load_that_a_lost_machine_began_goes_a_day_later(bucket: str, tmp_path: Path) -> None:
    area = StagingArea(f"{bucket}/lost", str(tmp_path))
    staged(area)
    assert sweep(area, now=datetime.now(UTC)) == []
    assert sweep(area, now=datetime.now(UTC) + timedelta(days=2)) == ["load-1"]
