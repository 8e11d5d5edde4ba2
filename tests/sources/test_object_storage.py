"""Reading through a real S3 interface, with the connection named in the URL."""

from __future__ import annotations

import gzip
import traceback
from collections.abc import Iterator

import pytest

from airflow_sf_dedup.errors import FileUnreachableError, SourceError
from airflow_sf_dedup.sources import source_of
from tests.object_store import name_a_store_that_is_away, store


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with store("my_s3", {"in/leads.csv.gz": gzip.compress("a,b\n1,Zoë\n".encode())}) as url:
        yield url


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


def test_a_store_that_is_away_is_told_as_what_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    name_a_store_that_is_away(monkeypatch)
    signed = source_of("s3://away@leads/a.csv?sig=SECRET")
    with pytest.raises(FileUnreachableError, match=r"^s3://away@leads/.*: cannot be read ") as raised:
        signed.columns()
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))
