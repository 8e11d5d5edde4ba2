"""A first line that is no header, or was cut in the wrong places, is told as such."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.sources.headers import doubt_of_header, may_be_values, other_delimiter


@pytest.mark.parametrize(
    ("names", "delimiter"),
    [
        (["Nr;Name;E-Mail"], ";"),
        (["Nr\tName"], "\t"),
        (["Nr|Name"], "|"),
        (["Nr,Name"], ","),
        (["Nr;Name, first name"], ";"),
        (["Nr"], None),
        (["Nr;Name", "E-Mail"], None),
    ],
)
def test_a_header_that_is_one_column_may_have_another_delimiter(names: list[str], delimiter: str | None) -> None:
    hint = other_delimiter(names)
    assert (f"set delimiter={delimiter!r} in source" in hint) if delimiter else not hint
    assert "Name" not in hint


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Kunden-Nr.", "E-Mail", "Straße 2", "名前"], False),
        (["Key__c"], False),
        (["Nowak", "nowak@optik.example"], True),
        (["4711", "Nowak"], True),
        (["Nowak", "2024-01-15"], True),
        (["Nowak", "+49 731 / 12"], True),
    ],
)
def test_what_no_column_is_called_makes_a_first_line_doubtful(names: list[str], expected: bool) -> None:
    assert may_be_values(names) is expected
    assert bool(doubt_of_header(names)) is expected
