from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.sources.csv_file import CsvFile
from airflow_sf_dedup.sources.ndjson_file import NdjsonFile
from airflow_sf_dedup.sources.rows import RowsSource


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param([{"a": 1}], RowsSource, id="list"),
        pytest.param(iter([]), RowsSource, id="iterator"),
        pytest.param("leads.csv", CsvFile, id="csv"),
        pytest.param("LEADS.CSV.GZ", CsvFile, id="upper case, gzipped"),
        pytest.param(Path("leads.jsonl"), NdjsonFile, id="path"),
        pytest.param("s3://conn@bucket/leads.ndjson.gz", NdjsonFile, id="URL"),
        pytest.param("https://host/leads.csv?sig=x.pdf", CsvFile, id="URL with a query"),
        pytest.param({"path": "leads.txt", "format": "csv", "delimiter": ";"}, CsvFile, id="options"),
    ],
)
def test_a_value_stands_for_the_source_a_user_means(value: Any, kind: type) -> None:
    assert isinstance(source_of(value), kind)


def test_a_source_is_itself() -> None:
    source = RowsSource([])
    assert source_of(source) is source


@pytest.mark.parametrize("value", [None, 7, b"x", {"a": 1}, {"path": "x.csv", "encodng": "x"}], ids=repr)
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(SettingError) as refused:
        source_of(value)
    assert refused.value.setting == "source"


def test_a_misspelled_option_is_offered_its_name() -> None:
    with pytest.raises(SettingError, match="nearest: encoding"):
        source_of({"path": "x.csv", "encodng": "utf-8"})


@pytest.mark.parametrize(
    ("path", "says"),
    [
        pytest.param("", "path: it is blank", id="empty"),
        pytest.param("   ", "path: it is blank", id="blank"),
        pytest.param(None, "path: expected a path or URL, got NoneType", id="none"),
        pytest.param(5, "path: expected a path or URL, got int", id="number"),
        pytest.param(["a.csv"], "path: expected a path or URL, got list", id="list"),
        pytest.param("https://[bad/x.csv", "is no URL", id="unclosed bracket"),
        pytest.param("~nobody-of-this-name/x.csv", "that user has no home folder", id="home of nobody"),
        pytest.param("a\0b.csv", "has a NUL", id="NUL"),
        pytest.param("file:///a%00b.csv", "has a NUL", id="NUL in a URL"),
        pytest.param("a\ud800.csv", "half a character", id="lone surrogate"),
        pytest.param("x" * 5000 + ".csv", "File name too long", id="name too long"),
        pytest.param("/dev/null/x.csv", "there is no such file", id="below a file"),
        pytest.param("s3:///.csv?sig=hidden", "cannot be read", id="no bucket"),
        pytest.param("s3://AKIA:hidden@bucket/x.csv?sig=hidden", "id of an Airflow connection", id="password"),
        pytest.param("s3://AKIA:hid/den@bucket/x.csv", "id of an Airflow connection", id="password with a slash"),
        pytest.param("https://user:hidden@host/x.csv", "id of an Airflow connection", id="password of another store"),
        pytest.param(
            "nosuch://bucket/x.csv?sig=hidden", "URLs of the kind 'nosuch' cannot be opened", id="no such kind"
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_told_in_our_words_without_a_secret(path: Any, says: str) -> None:
    with pytest.raises(SourceError, match=says) as refused:
        source_of({"path": path, "format": "csv"}).columns()
    assert refused.value.setting == "path"
    assert len(str(refused.value)) < 500
    told = "".join(traceback.format_exception(refused.value))
    assert "hid" not in told


@pytest.mark.parametrize(
    "encoding",
    [5, None, b"utf-8", "", "utf-9", "a\0b", "rot13", "base64", "undefined", "idna", "IDNA", "punycode"],
    ids=repr,
)
@pytest.mark.parametrize("name", ["x.csv", "x.ndjson", "x.csv.gz"])
def test_what_no_file_is_written_in_is_no_encoding(tmp_path: Path, name: str, encoding: Any) -> None:
    (tmp_path / name).write_text("Id\n1\n")
    with pytest.raises(SourceError, match="is no text encoding that Python knows") as refused:
        list(source_of({"path": tmp_path / name, "encoding": encoding}).rows())
    assert refused.value.setting == "encoding"


@pytest.mark.parametrize(
    "encoding", ["utf8", "UTF-8", "latin-1", "cp1252", "utf-16", "utf_32_be", "shift_jis", "utf-7"]
)
def test_an_encoding_of_files_is_read_by_any_of_its_names(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "x.csv").write_text("Id,Name\n1,Kuhl\n", encoding=encoding)
    rows = source_of({"path": tmp_path / "x.csv", "encoding": encoding}).rows()
    assert [row.values for row in rows] == [{"Id": "1", "Name": "Kuhl"}]


def test_a_data_frame_is_told_how_to_become_rows() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(SettingError, match="to_dict"):
        source_of(pandas.DataFrame({"a": [1]}))


@pytest.mark.parametrize("path", ["leads.parquet", "leads", "leads.json", "leads.gz", "dir.csv/leads"])
def test_an_unsupported_file_is_told_what_is_supported(path: str) -> None:
    with pytest.raises(SourceError, match=r"\.csv, \.ndjson, \.jsonl") as refused:
        source_of(path)
    assert refused.value.setting == "format"


@pytest.mark.parametrize(
    ("option", "value"), [("delimiter", ";;"), ("delimiter", '"'), ("blank_means", "nothing"), ("format", "xml")]
)
def test_an_unusable_option_is_refused_by_name(option: str, value: str) -> None:
    with pytest.raises(SettingError) as refused:
        source_of({"path": "x.csv", option: value})
    assert refused.value.setting == option
