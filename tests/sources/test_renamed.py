"""Columns get the names that the org knows; a message says what the source itself calls them."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.sources import RenamedColumns, source_of
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.sources.renamed import innermost, own_names
from airflow_sf_dedup.sources.rows import RowsSource
from airflow_sf_dedup.testing.contracts.sources import SourceContract

#: The contract's columns, as a sender of files calls them.
RENAME = {"Kunden-Nr.": "Key__c", "Vor- und Nachname": "Name"}
OWN = {new: own for own, new in RENAME.items()}


def as_sent(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{OWN[name]: value for name, value in row.items()} for row in rows]


class TestRenamedRows(SourceContract):
    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        return RenamedColumns(source_of(as_sent(rows)), RENAME)


class TestRenamedGeneratedRows(SourceContract):
    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        return RenamedColumns(RowsSource(row for row in as_sent(rows)), RENAME)


class TestRenamedTwice(SourceContract):
    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        once = RenamedColumns(source_of(as_sent(rows)), {"Kunden-Nr.": "No", "Vor- und Nachname": "N"})
        return RenamedColumns(once, {"No": "Key__c", "N": "Name"})


class TestRenamedCsv(SourceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(RENAME))
        writer.writeheader()
        writer.writerows(as_sent(rows))
        return csv_of(self.folder, text.getvalue(), RENAME)


class TestRenamedNdjson(SourceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        path = self.folder / "leads.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in as_sent(rows)), encoding="utf-8")
        return source_of({"path": path, "rename": RENAME})


def csv_of(folder: Path, content: str, rename: Any, **options: Any) -> Source:
    path = folder / "leads.csv"
    path.write_bytes(content.encode())
    return source_of({"path": path, "rename": rename, **options})


def rows_of(rows: Sequence[Any], rename: Any) -> list[Mapping[str, Any]]:
    return [row.values for row in RenamedColumns(source_of(rows), rename).rows()]


def refused_by(read: Callable[[], object]) -> SettingError:
    with pytest.raises(SettingError) as refused:
        read()
    assert refused.value.setting == "rename"
    assert str(refused.value).startswith("rename: ")
    return refused.value


def test_columns_that_are_not_named_stay_and_so_does_their_order(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "Nr;E-Mail;City\n1;a@b.example;Ulm\n", {"E-Mail": "Email"}, delimiter=";")
    assert source.columns() == ("Nr", "Email", "City")
    assert [list(row.values.items()) for row in source.rows()] == [
        [("Nr", "1"), ("Email", "a@b.example"), ("City", "Ulm")]
    ]
    assert source.name == str(tmp_path / "leads.csv")


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_to_rename_is_no_error(tmp_path: Path, nothing: Any) -> None:
    assert csv_of(tmp_path, "a\n1\n", nothing).columns() == ("a",)


@pytest.mark.parametrize(
    "header",
    [
        "Prénom",
        "PRÉNOM",
        " prénom ",
        "\u00a0Prénom",
        unicodedata.normalize("NFD", "Prénom"),
        unicodedata.normalize("NFD", " prÉnom\t"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("spelled", ["Prénom", "prénom ", unicodedata.normalize("NFD", "Prénom")], ids=ascii)
def test_a_column_is_found_however_its_name_is_written(tmp_path: Path, header: str, spelled: str) -> None:
    rename = {spelled: " FirstName "}
    assert csv_of(tmp_path, f"Nr,{header}\n1,Zoé\n", rename).columns() == ("Nr", "FirstName")
    assert rows_of([{header: "Zoé"}], rename) == [{"FirstName": "Zoé"}]


def test_two_columns_can_change_names() -> None:
    assert rows_of([{"a": 1, "b": 2}], {"a": "b", "b": "a"}) == [{"b": 1, "a": 2}]


def test_a_name_that_another_column_gives_up_is_free() -> None:
    rows = [{"Email": "private", "E-Mail": "work"}]
    assert rows_of(rows, {"Email": "Private__c", "E-Mail": "Email"}) == [{"Private__c": "private", "Email": "work"}]


def test_only_the_spelling_of_a_name_can_change() -> None:
    assert rows_of([{"email": 1}], {"email": "Email"}) == [{"Email": 1}]


def test_rows_bring_their_own_columns_one_by_one() -> None:
    rows = [{"Nr": 1}, {"Nr": 2, "Mail": None}, {"Mail": "x", "Email__c": "y"}, {"MAIL": 3}]
    assert rows_of(rows, {"Mail": "Email"}) == [
        {"Nr": 1},
        {"Nr": 2, "Email": None},
        {"Email": "x", "Email__c": "y"},
        {"Email": 3},
    ]


def test_a_row_with_a_problem_is_handed_on_as_it_is() -> None:
    good, bad = RenamedColumns(source_of([{"a": 1}, "secret"]), {"a": "b"}).rows()
    assert good.values == {"b": 1}
    assert bad == SourceRow(2, {}, "is a str, not a mapping of column to value")


def test_a_blank_cell_is_no_missing_column(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "Nr,E-Mail\n1,\n2,\n", {"E-Mail": "Email"})
    assert [row.values for row in source.rows()] == [{"Nr": "1"}, {"Nr": "2"}]


# What cannot be renamed


@pytest.mark.parametrize("ask", [lambda source: source.columns(), lambda source: list(source.rows())])
def test_a_column_that_a_file_does_not_have_is_named_with_the_nearest(tmp_path: Path, ask: Any) -> None:
    source = csv_of(tmp_path, "Nr,E-Mail,Fax\n1,a@b.example,2\n", {"E-Mial": "Email", "Fax": "Fax__c", "Ort": "City"})
    error = refused_by(lambda: ask(source))
    assert isinstance(error, SourceError)
    assert "leads.csv has no column 'E-Mial' (nearest: E-Mail), 'Ort'" in str(error)


def test_a_column_that_no_row_has_is_named_with_the_nearest_after_the_last_row() -> None:
    source = RenamedColumns(source_of([{"E-Mail": "x"}, {"Nr": 1}, "no row"]), {"E-Mial": "Email"})
    read: list[SourceRow] = []
    error = refused_by(lambda: read.extend(source.rows()))
    assert "none of the 2 rows of the list of rows has a column 'E-Mial' (nearest: E-Mail)" in str(error)


@pytest.mark.parametrize("rows", [[], ["no row"]], ids=["no rows", "no readable row"])
def test_where_there_is_no_row_no_column_is_missed(rows: list[Any]) -> None:
    assert rows_of(rows, {"E-Mail": "Email"}) == [{}] * len(rows)


def test_a_wrong_delimiter_is_hinted_at(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "Nr;E-Mail\n1;a@b.example\n", {"E-Mail": "Email"})
    assert "if that stands between the cells, set delimiter=';' in source" in str(refused_by(source.columns))


@pytest.mark.parametrize("first_row", ["A-1,Orth,mail@x.example", "7,Orth", "2024-01-15,Orth"])
def test_no_value_of_a_file_without_a_header_is_repeated(tmp_path: Path, first_row: str) -> None:
    error = refused_by(csv_of(tmp_path, f"{first_row}\n", {"Ort": "City"}).columns)
    assert "Is the first line a header?" in str(error)
    assert "Orth" not in str(error)


@pytest.mark.parametrize(
    ("header", "rename", "says"),
    [
        pytest.param("E-Mail,Email", {"E-Mail": "Email"}, "'E-Mail' and 'Email' of .* both be 'Email'", id="is there"),
        pytest.param("E-Mail,EMAIL", {"E-Mail": "Email"}, "'E-Mail' and 'EMAIL' of .* both be 'Email'", id="in case"),
        pytest.param("a,b,c", {"a": "b", "b": "c"}, "'b' and 'c' of .* both be 'c'", id="pushed on"),
        pytest.param("Prénom,Pre\u0301nom", {"Prénom": "P"}, "would both be 'P'", id="one accent in two ways"),
    ],
)
def test_two_columns_of_a_file_never_get_one_name(
    tmp_path: Path, header: str, rename: dict[str, str], says: str
) -> None:
    source = csv_of(tmp_path, f"{header}\n{','.join('1' for _ in header.split(','))}\n", rename)
    for ask in (source.columns, lambda: list(source.rows())):
        error = refused_by(ask)
        assert isinstance(error, SourceError)
        with pytest.raises(SourceError, match=says):
            raise error


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"Nr": 1}, {"E-Mail": "secret", "Email": "y"}], id="first seen together"),
        pytest.param([{"E-Mail": "x"}, {"E-Mail": "secret", "Email": "y"}], id="one after the other"),
        pytest.param([{"E-Mail": "x", "Nr": 1}, {"email": "secret", "e-mail": "y"}], id="in any case"),
        pytest.param([{"E-Mail": "x"}, {"Email": "y"}, {"Email": "secret", "E-Mail": "y"}], id="both seen before"),
    ],
)
def test_two_columns_of_a_row_never_get_one_name(rows: list[dict[str, Any]]) -> None:
    error = refused_by(lambda: rows_of(rows, {"E-Mail": "Email"}))
    assert f"of row {len(rows)} of the list of rows would both be 'Email'" in str(error)
    assert "secret" not in str(error)


def test_what_the_source_itself_spells_in_two_ways_is_not_laid_to_the_renaming() -> None:
    rows = [{"City": "Ulm", "city": "Bonn", "E-Mail": "x"}]
    assert rows_of(rows, {"E-Mail": "Email"}) == [{"City": "Ulm", "city": "Bonn", "Email": "x"}]


@pytest.mark.parametrize(
    ("rename", "says"),
    [
        pytest.param("E-Mail", "expected a mapping .*, got str", id="text"),
        pytest.param([("E-Mail", "Email")], "expected a mapping .*, got list", id="pairs"),
        pytest.param({"E-Mail": None}, "new name of 'E-Mail' is None, which names nothing", id="to None"),
        pytest.param({"E-Mail": ""}, "new name of 'E-Mail' is ''.* left out of the source", id="to nothing"),
        pytest.param({"E-Mail": " "}, "new name of 'E-Mail' is ' '", id="to a blank"),
        pytest.param({"E-Mail": ["Email"]}, r"new name of 'E-Mail' is \['Email'\]", id="to a list"),
        pytest.param({"": "Email"}, "'' is the name of no column", id="from nothing"),
        pytest.param({1: "Email"}, "1 is the name of no column", id="from a number"),
        pytest.param({"E-Mail": "Email", "Mail": "email "}, "'E-Mail' and 'Mail' would both be 'Email'", id="to one"),
        pytest.param({"E-Mail": "a", " e-mail": "b"}, "'E-Mail' and ' e-mail' are one column", id="one twice"),
        pytest.param({"x" * 999: "a", "X" * 999: "b"}, r"… \(999 characters\)' are one column", id="long names"),
    ],
)
def test_a_renaming_that_cannot_be_meant_is_refused_before_anything_is_read(rename: Any, says: str) -> None:
    nobody_reads: Iterator[Any] = (pytest.fail("read") for _ in [1])
    for make in (
        lambda: source_of({"path": "nowhere.csv", "rename": rename}),
        lambda: RenamedColumns(RowsSource(nobody_reads), rename),
    ):
        error = refused_by(make)
        assert len(str(error)) < 300
        with pytest.raises(SettingError, match=says):
            raise error


@pytest.mark.parametrize("value", [[{"a": 1}], "leads.csv", None, {"path": "leads.csv"}], ids=repr)
def test_only_the_columns_of_a_source_are_renamed(value: Any) -> None:
    with pytest.raises(SettingError, match=r"takes a source, not a \w+; source_of\(…\) makes one") as refused:
        RenamedColumns(value, {"a": "b"})
    assert refused.value.setting == "source"


# What others ask it


def test_a_column_is_known_by_the_name_that_the_source_itself_gave_it(tmp_path: Path) -> None:
    source = csv_of(tmp_path, "NR,e-mail,City\n", {"E-Mail": "Email", "Nr": "No__c"})
    assert source.columns() == ("No__c", "Email", "City")
    assert list(map(own_names(source), ["No__c", "Email", "City", "Fax"])) == ["NR", "e-mail", "City", "Fax"]
    again = RenamedColumns(source, {"Email": "Work_Email__c"})
    assert again.columns() == ("No__c", "Work_Email__c", "City")
    assert own_names(again)("Work_Email__c") == "e-mail"
    assert own_names(source_of([]))("Email") == "Email"


def test_the_source_below_is_found_however_often_it_was_renamed() -> None:
    rows = source_of([])
    assert innermost(RenamedColumns(RenamedColumns(rows, {"a": "b"}), {"b": "c"})) is rows
    assert innermost(rows) is rows


def test_it_shows_the_names_and_no_row() -> None:
    shown = repr(RenamedColumns(source_of([{"E-Mail": "secret"}]), {"E-Mail": "Email"}))
    assert shown == "RenamedColumns(source=<1 row>, rename={'E-Mail': 'Email'})"
