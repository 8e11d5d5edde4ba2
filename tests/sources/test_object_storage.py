"""Reading and staging through a real S3 interface, with the connection named in the URL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from airflow_sf_dedup.errors import SourceError, StagingError
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.sources.erasing import StagedErasure
from airflow_sf_dedup.sources.staging import StagingArea, read_manifest, read_partition
from airflow_sf_dedup.sources.sweeping import sweep

from .test_staging import LOAD, NOW, RECORDS, staged
from .test_workspace import kill, worker


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
