from __future__ import annotations

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
