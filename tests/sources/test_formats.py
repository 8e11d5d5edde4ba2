"""All that is known of a format stands in one line of a table."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.sources.formats import FORMATS, FileFormat
from airflow_sf_dedup.sources.read import source_of
from airflow_sf_dedup.sources.text import TextFile
from airflow_sf_dedup.testing.contracts.sources import SourceContract


@dataclass(frozen=True)
class PairsFile:
    """``Key__c=A-1<tab>Name=Ada``: a row a line; ``\\n`` and the like are written as in JSON."""

    text: TextFile
    between: str

    @property
    def name(self) -> str:
        return self.text.path

    def columns(self) -> None:
        return None

    def rows(self) -> Iterator[SourceRow]:
        with self.text.open() as lines:
            for number, line in enumerate(lines, start=1):
                pairs = (pair.partition("=") for pair in line.rstrip("\n").split(self.between))
                yield SourceRow(number, {name: json.loads(value) for name, _, value in pairs})


def pairs_source(path: str, *, between: str = "\t") -> PairsFile:
    return PairsFile(TextFile(path), between)


WITH_PAIRS = {**FORMATS, "pairs": FileFormat((".pairs", ".pair"), ("between",), pairs_source)}


class TestPairs(SourceContract):
    """A format of one's own keeps the promises of all sources."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        lines = ("\t".join(f"{name}={json.dumps(value)}" for name, value in row.items()) + "\n" for row in rows)
        path = self.folder / "leads.pairs"
        path.write_text("".join(lines))
        return source_of(str(path), formats=WITH_PAIRS)


@pytest.mark.parametrize("name", ["a.pairs", "a.PAIR", "a.pairs.gz", "s3://conn@bucket/a.pair"])
def test_a_line_of_the_table_is_all_that_a_new_format_needs_to_be_chosen(name: str) -> None:
    assert isinstance(source_of(name, formats=WITH_PAIRS), PairsFile)
    assert isinstance(source_of({"path": "a.txt", "format": "pairs"}, formats=WITH_PAIRS), PairsFile)


def test_a_file_of_a_new_format_is_read_with_its_own_options(tmp_path: Path) -> None:
    (tmp_path / "a.pairs").write_text('a="1"|b="2"\n')
    (row,) = source_of({"path": tmp_path / "a.pairs", "between": "|"}, formats=WITH_PAIRS).rows()
    assert row.values == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("options", "setting", "says"),
    [
        pytest.param({"path": "a.txt"}, "format", r"\.csv, \.ndjson, \.jsonl, \.pairs, \.pair, ", id="endings"),
        pytest.param({"path": "a.txt"}, "format", "set format to csv or ndjson or pairs", id="names"),
        pytest.param(
            {"path": "a.txt", "format": "pair"}, "format", r"format 'pair' .* \(nearest: pairs\)", id="format"
        ),
        pytest.param({"path": "a.pairs", "betwen": "|"}, "source", r"betwen \(nearest: between\)", id="option"),
        pytest.param({"path": "a.pairs", "x": 1}, "source", "known are .*, delimiter, blank_means, between$", id="all"),
        pytest.param(
            {"path": "a.csv", "between": "|"},
            "between",
            "an option of pairs, and a.csv is read as csv, which takes encoding, delimiter, blank_means",
            id="option of the new one",
        ),
        pytest.param(
            {"path": "a.pair", "encoding": "cp1252"},
            "encoding",
            "an option of csv or ndjson, and a.pair is read as pairs, which takes between;",
            id="option of others",
        ),
    ],
)
def test_messages_know_every_line_of_the_table(options: dict[str, Any], setting: str, says: str) -> None:
    with pytest.raises(SettingError, match=says) as refused:
        source_of(options, formats=WITH_PAIRS)
    assert refused.value.setting == setting


@pytest.mark.parametrize("name", FORMATS)
def test_the_table_names_just_the_options_that_its_reader_takes(name: str) -> None:
    parameters = inspect.signature(FORMATS[name].source).parameters.values()
    assert FORMATS[name].options == tuple(each.name for each in parameters if each.kind == each.KEYWORD_ONLY)


@pytest.mark.parametrize("name", FORMATS)
def test_the_documentation_has_every_line_of_the_table(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    endings, options = (
        ", ".join(f"`{each}`" for each in some) for some in (FORMATS[name].endings, FORMATS[name].options)
    )
    assert f"| `{name}` | {endings} | {options} |" in page


def test_no_two_formats_claim_one_ending() -> None:
    endings = [ending for each in FORMATS.values() for ending in each.endings]
    assert sorted(set(endings)) == sorted(endings)


@pytest.mark.parametrize(
    ("option", "value"), [("delimiter", ";"), ("blank_means", "null"), ("delimiter", None)], ids=repr
)
def test_an_option_that_would_do_nothing_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(
        SettingError, match=f"^{option}: it is an option of csv, and .*ndjson.* takes encoding"
    ) as refused:
        source_of({"path": "leads.ndjson", option: value})
    assert refused.value.setting == option


@pytest.mark.parametrize("format", ["xml", "CSV", " csv", 5, ["csv"], {}, b"csv", ""], ids=repr)
def test_what_is_no_format_is_told_the_formats(format: Any) -> None:  # noqa: A002
    with pytest.raises(SourceError, match=r"is not supported.*set format to csv or ndjson") as refused:
        source_of({"path": "leads.csv", "format": format})
    assert refused.value.setting == "format"
