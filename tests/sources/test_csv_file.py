from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.testing.contracts.sources import SourceContract


def written(folder: Path, content: str | bytes, name: str = "leads.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def rows_of(folder: Path, content: str | bytes, **options: Any) -> list[SourceRow]:
    return list(source_of({"path": written(folder, content), **options}).rows())


def values_of(folder: Path, content: str | bytes, **options: Any) -> list[Mapping[str, Any]]:
    return [row.values for row in rows_of(folder, content, **options)]


class TestCsv(SourceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["Key__c", "Name"])
        writer.writeheader()
        writer.writerows(rows)
        return source_of(written(self.folder, text.getvalue()))


class TestGzippedCsv(TestCsv):
    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        plain = Path(super().source_of_rows(rows).name)
        return source_of(written(self.folder, gzip.compress(plain.read_bytes()), "leads.csv.gz"))


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert values_of(tmp_path, "\ufeffKey__c\nA-1\n") == [{"Key__c": "A-1"}]


@pytest.mark.parametrize(
    ("appended", "encoding"),
    [
        pytest.param("\ufeffA-2,Rau\n", "utf-8", id="no header"),
        pytest.param("\ufeffKey__c,Name\n", "utf-8", id="header"),
        pytest.param('\ufeff"Key__c","Name"\n', "utf-8", id="quoted header"),
        pytest.param('\ufeff"A-2\nsecret,x","Rau"\n', "utf-8", id="quoted cell of two lines"),
        pytest.param("\ufeffA-2,Rau,secret\n", "utf-8", id="ragged"),
        pytest.param("\ufeffA-2,Rau\n", "utf-16", id="UTF-16"),
        pytest.param("\u00ef\u00bb\u00bfA-2,Rau\n", "cp1252", id="UTF-8 behind a single-byte encoding"),
    ],
)
def test_where_a_file_with_a_byte_order_mark_was_appended_is_one_row_with_a_problem(
    tmp_path: Path, appended: str, encoding: str
) -> None:
    content = f"Key__c,Name\nA-1,Kuhl\n{appended}A-3,Nau\n".encode(encoding)
    first, bad, last = rows_of(tmp_path, content, encoding=encoding)
    assert (first.values, last.values) == ({"Key__c": "A-1", "Name": "Kuhl"}, {"Key__c": "A-3", "Name": "Nau"})
    assert (bad.row_number, bad.values) == (2, {})
    assert "begins with a byte order mark" in str(bad.problem)
    assert "secret" not in str(bad.problem)


@pytest.mark.parametrize("line", ["Key__c,Name", '"Key__c","Name"', " Key__c , Name"], ids=["same", "quoted", "blanks"])
def test_the_header_of_a_file_that_was_appended_is_one_row_with_a_problem(tmp_path: Path, line: str) -> None:
    first, bad, last = rows_of(tmp_path, f"Key__c,Name\nA-1,Name\n{line}\nA-3,Nau\n")
    assert (first.values, last.values) == ({"Key__c": "A-1", "Name": "Name"}, {"Key__c": "A-3", "Name": "Nau"})
    assert bad.problem == "ends in line 3 and is the header once more: another file was appended here"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "UTF8", "shift_jis"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    name = "Zoe" if encoding == "shift_jis" else "Zoë"
    content = f"Key__c,Name\r\nA-1,{name}\r\n".encode(encoding)
    assert values_of(tmp_path, content, encoding=encoding) == [{"Key__c": "A-1", "Name": name}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_any_line_end_ends_a_row(tmp_path: Path, end: str) -> None:
    assert values_of(tmp_path, f"a,b{end}1,2{end}{end}3,4") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_line_ends_inside_quotes_belong_to_the_cell(tmp_path: Path) -> None:
    assert values_of(tmp_path, 'a,b\r\n"1\r\n\r\n2",x\r\n') == [{"a": "1\r\n\r\n2", "b": "x"}]


def test_a_blank_cell_leaves_its_field_alone(tmp_path: Path) -> None:
    assert values_of(tmp_path, 'a,b,c,d\n1,,"",  \n') == [{"a": "1"}]


def test_a_blank_cell_clears_its_field_when_asked(tmp_path: Path) -> None:
    assert values_of(tmp_path, "a,b\n1,\n", blank_means="null") == [{"a": "1", "b": None}]


def test_the_bulk_apis_null_clears_its_field(tmp_path: Path) -> None:
    assert values_of(tmp_path, "a,b\n1,#N/A\n") == [{"a": "1", "b": None}]


def test_another_delimiter_is_used_when_asked(tmp_path: Path) -> None:
    assert values_of(tmp_path, "a;b\n1,5;2\n", delimiter=";") == [{"a": "1,5", "b": "2"}]


def test_a_ragged_row_is_one_row_with_a_problem(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "a,b\n1,2\nsecret\n3,4,secret\n5,6\n")
    assert [row.row_number for row in rows] == [1, 2, 3, 4]
    assert rows[1].problem == "ends in line 3 with 1 cell where the header has 2"
    assert rows[2].problem == "ends in line 4 with 3 cells where the header has 2"
    assert rows[3].values == {"a": "5", "b": "6"}


def test_a_cell_of_4_mb_is_read_and_the_process_keeps_its_own_limit(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (row,) = rows_of(tmp_path, "a,b\n1," + "x" * 4_000_000 + "\n")
    assert len(row.values["b"]) == 4_000_000
    assert csv.field_size_limit() == before


def test_a_nul_is_kept_for_the_row_to_be_refused(tmp_path: Path) -> None:
    assert values_of(tmp_path, "a\nx\0y\n") == [{"a": "x\0y"}]


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\n\n\n"])
def test_a_header_alone_is_zero_rows(tmp_path: Path, content: str) -> None:
    assert rows_of(tmp_path, content) == []


def error_of(folder: Path, content: str | bytes, **options: Any) -> SourceError:
    path = options.pop("path", None) or written(folder, content)
    source = source_of({"path": path, **options})
    with pytest.raises(SourceError) as refused:
        source.columns()
        list(source.rows())
    assert "secret" not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "the file is empty", id="empty"),
        pytest.param("\n\n", "the file is empty", id="blank lines"),
        pytest.param("a,,b,\n", "no name for column 2, 4 of 4", id="blank names"),
        pytest.param("a,b,A \n", "line 1 names columns more than once", id="repeated name"),
        pytest.param("secret,b,Secret\n", "columns 1, 3 of 3", id="repeated name, by its place"),
        pytest.param("b,b," * 50 + "b\n", "columns 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 91 more of 101", id="many names"),
        pytest.param("," * 50 + "\n", "7, 8, 9, 10 and 41 more of 51", id="many blank names"),
        pytest.param('a,b\n1,"secret\n2,3\n', "ends inside quotes", id="quote not closed"),
        pytest.param('a,b\n1,"secret"x\n', "up to line 2: text follows a closing quote", id="text after quote"),
    ],
)
def test_a_file_that_cannot_be_read_as_rows_is_an_error(tmp_path: Path, content: str, words: str) -> None:
    message = str(error_of(tmp_path, content))
    assert words in message
    assert "leads.csv" in message


def test_a_wrong_encoding_names_line_byte_and_setting(tmp_path: Path) -> None:
    good = "a,b\n" + "1,secret\n" * 20_000
    error = error_of(tmp_path, good.encode() + "2,Zoë\n".encode("cp1252"))
    assert f"line 20002, byte {len(good) + 5} of the file is not utf-8" in str(error)
    assert error.setting == "encoding"


def test_a_wrong_encoding_is_found_where_characters_cross_blocks(tmp_path: Path) -> None:
    good = "a\n" + "é" * 70_000 + "\n"
    assert f"line 3, byte {len(good.encode()) + 1} " in str(error_of(tmp_path, good.encode() + b"\xff\n"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_a_utf_16_file_is_told_its_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    content = "\ufeffKey__c,secret\r\n".encode(encoding)
    path = written(tmp_path, gzip.compress(content) if name.endswith(".gz") else content, name)
    error = error_of(tmp_path, "", path=path)
    assert 'set encoding="utf-16"' in str(error)
    assert error.setting == "encoding"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_file_that_is_not_utf_16_after_all_is_an_error(tmp_path: Path, encoding: str) -> None:
    error = error_of(tmp_path, "Key__c,secret\n", encoding=encoding)
    assert f"line 1, byte 1 of the file is not {encoding}" in str(error)


def test_a_utf_16_file_cut_in_the_middle_of_a_character_is_an_error(tmp_path: Path) -> None:
    error = error_of(tmp_path, "Key__c,secret\n".encode("utf-16")[:-1], encoding="utf-16")
    assert "is not utf-16" in str(error)


def test_an_unknown_encoding_is_refused_by_name(tmp_path: Path) -> None:
    for encoding in ("utf-88", "base64"):
        assert error_of(tmp_path, "a\n1\n", encoding=encoding).setting == "encoding"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no such file" in str(error_of(tmp_path, "", path=str(tmp_path / "none.csv")))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").mkdir()
    error = error_of(tmp_path, "", path=str(tmp_path / "leads.csv"))
    assert "it is a folder" in str(error)
    assert error.setting == "path"


@pytest.mark.parametrize("path", ["{here}", "{here}/", "file://{here}", "s3://bucket/leads/"])
def test_a_folder_whose_name_has_no_ending_is_called_a_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(SourceError, match="it is a folder") as refused:
        source_of(path.format(here=tmp_path))
    assert refused.value.setting == "path"


@pytest.mark.parametrize("cut", [0, 30], ids=["not gzipped", "incomplete"])
def test_damaged_gzip_is_an_error(tmp_path: Path, cut: int) -> None:
    content = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:cut] if cut else b"a,b\n1,2\n"
    assert "gzipped" in str(error_of(tmp_path, "", path=written(tmp_path, content, "x.csv.gz")))


def test_a_file_url_is_a_local_file(tmp_path: Path) -> None:
    path = Path(written(tmp_path, "a\n1\n", "my leads.csv"))
    assert [row.values for row in source_of(path.as_uri()).rows()] == [{"a": "1"}]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_comes_back(rows: list[list[str]], end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b", "c"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        found = values_of(Path(folder), text.getvalue())
    assert found == [
        {
            name: None if cell == "#N/A" else cell
            for name, cell in zip("abc", row, strict=True)
            if cell and not cell.isspace()
        }
        for row in rows
    ]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("sep=;\n", id="plain"),
        pytest.param('"sep=;"\r\n', id="quoted"),
        pytest.param("SEP=;\r\n", id="upper case"),
        pytest.param("\ufeffsep=;\n", id="byte order mark"),
        pytest.param("\ufeff\ufeffsep=;\n", id="two byte order marks"),
        pytest.param("sep=;\r", id="CR"),
        pytest.param("sep=;;\n", id="padded to two columns"),
        pytest.param("sep=;;;;;;\n", id="padded to many columns"),
        pytest.param('"sep=;";;\n', id="quoted and padded"),
        pytest.param("sep=;,\n", id="padded by a program that writes commas"),
        pytest.param("sep = ;\n", id="blanks"),
        pytest.param("  sep=;  \n", id="blanks around it"),
        pytest.param('sep=";"\n', id="delimiter in quotes"),
        pytest.param("sep=';'\n", id="delimiter in single quotes"),
        pytest.param("\nsep=;\n", id="below a blank line"),
        pytest.param("\r\n  \r\n\r\nsep=;\r\n", id="below blank lines"),
        pytest.param("sep=;\n\n", id="above a blank line"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_line_that_tells_excel_the_delimiter_is_understood(tmp_path: Path, line: str, delimiter: str) -> None:
    end = "\r" if line.endswith("\r") else "\n"
    assert values_of(tmp_path, f"{line}a;b{end}1;2,5{end}", delimiter=delimiter) == [{"a": "1", "b": "2,5"}]


@pytest.mark.parametrize(
    "line",
    ["sep=\t\n", "sep=\\t\n", "sep=\t\t\t\n", "sep = \t\n", "sep=\\t\t\n"],
    ids=["a tab", "a spelled tab", "padded", "blanks", "spelled and padded"],
)
def test_that_line_may_name_a_tab(tmp_path: Path, line: str) -> None:
    assert values_of(tmp_path, f"{line}a\tb\n1\t2\n") == [{"a": "1", "b": "2"}]


def test_that_line_counts_as_a_line_and_is_no_row(tmp_path: Path) -> None:
    bad, good = rows_of(tmp_path, "sep=;\na;b\nsecret\n1;2\n")
    assert (bad.row_number, bad.problem) == (1, "ends in line 3 with 1 cell where the header has 2")
    assert good.values == {"a": "1", "b": "2"}
    assert source_of(written(tmp_path, "sep=|\na|b\n")).columns() == ("a", "b")
    assert "line 2 has no name for column 2" in str(error_of(tmp_path, "sep=;\na;;c\n"))


def test_that_line_is_counted_with_the_blank_lines_above_it(tmp_path: Path) -> None:
    assert "line 4 has no name for column 2" in str(error_of(tmp_path, "\n\nsep=;\na;;c\n"))
    assert "up to line 3: text follows" in str(error_of(tmp_path, '\na\n"secret"x\n'))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("sep=;\na,b\n1,2\n", "line 1 says that ';'", id="commas"),
        pytest.param("\nsep=,\n\na\tb\n1\t2\n", r"line 2 says that ','.*in line 4 it is '\\t'", id="tabs"),
        pytest.param("sep=;,,\na,b,c\n", "in line 2 it is ','", id="padded by the other"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_that_line_contradicts_the_header_is_said_rather_than_what_cannot_help(
    tmp_path: Path, content: str, words: str, delimiter: str
) -> None:
    error = str(error_of(tmp_path, content, delimiter=delimiter))
    assert re.search(words, error)
    assert error.endswith("correct that line, or remove it and set delimiter")


def test_a_file_of_one_column_may_have_that_line(tmp_path: Path) -> None:
    assert values_of(tmp_path, "sep=;\na\n1,5\n") == [{"a": "1,5"}]


@pytest.mark.parametrize(
    "content",
    ["sep=,b\n1,2\n", "a,sep=;\n1,2\n", "sep=;;x\n", "sep=\n", "separator=;\n"],
    ids=["name", "later", "a name after it", "nothing", "longer word"],
)
def test_what_only_looks_like_that_line_is_a_header(tmp_path: Path, content: str) -> None:
    assert source_of(written(tmp_path, content)).columns()
