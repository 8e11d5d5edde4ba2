from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.twins import likened, read_twin_fields
from airflow_sf_dedup.errors import SettingError


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param("string", "Ahlberg", " AHLBERG ", id="case and blanks around it"),
        pytest.param("string", "Ann  Marie", "ann marie", id="blanks within"),
        pytest.param("string", "Weiß", "WEISS", id="sharp s"),
        pytest.param("string", "Müller", "Mueller", id="umlaut in two letters"),
        pytest.param("string", "Zaja̧c", "Zajac", id="accent that follows its letter"),
        pytest.param("string", "Łukasz Sørensen", "lukasz sorensen", id="letters with a stroke"),
        pytest.param("string", "Acme\u200b", "acme", id="what cannot be seen"),
        pytest.param("string", "Ａｃｍｅ", "Acme", id="wide letters"),
        pytest.param("textarea", "a\nb", "A B", id="line break"),
        pytest.param("email", " Ann@Ahlberg.Example", "ann@ahlberg.example", id="e-mail"),
        pytest.param("phone", "+49 (0)30 123-45", "0049 30 12345", id="international phone"),
        pytest.param("phone", "Tel. 030/123 45", "03012345", id="words before a phone"),
        pytest.param("phone", "030 12345 ext. 7", "030-12345 x7", id="extension"),
    ],
)
def test_these_are_one_value(kind: str, one: str, other: str) -> None:
    assert likened(one, kind) == likened(other, kind) != ""


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param("string", "Ahlberg", "Ahlborg", id="a letter"),
        pytest.param("email", "ann.b@x.example", "annb@x.example", id="a dot in an address"),
        pytest.param("email", "rené@x.example", "rene@x.example", id="an accent in an address"),
        pytest.param("phone", "030 12345", "030 123457", id="a digit"),
        pytest.param("phone", "030 12345 ext. 7", "030 123457", id="an extension is no digit of the number"),
        pytest.param("phone", "030 12345 ext. 7", "030 12345", id="one with and one without an extension"),
    ],
)
def test_these_are_two_values(kind: str, one: str, other: str) -> None:
    assert likened(one, kind) != likened(other, kind)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", None), ("string", ""), ("string", " \t\u200b"), ("phone", "n/a"), ("phone", "-"), ("email", " ")],
)
def test_a_blank_is_like_nothing(kind: str, value: str | None) -> None:
    assert likened(value, kind) == ""


@pytest.mark.parametrize(
    ("value", "criteria"),
    [
        (None, ()),
        (["Email"], (("Email",),)),
        (("LastName", "Company"), (("LastName", "Company"),)),
        ([["Email"], ["LastName", "Company"]], (("Email",), ("LastName", "Company"))),
        ([["City", "LastName~85"]], (("City", "LastName~85"),)),
    ],
)
def test_criteria_are_read(value: Any, criteria: Any) -> None:
    assert read_twin_fields(value) == criteria


@pytest.mark.parametrize(
    "value",
    ["Email", [], [[]], [["Email"], []], ["Email", ["Phone"]], [""], [["Email", None]], {"Email": 1}, 7, b"Email"],
    ids=repr,
)
def test_what_would_compare_nothing_is_refused(value: Any) -> None:
    with pytest.raises(SettingError, match=r"^twin_fields: ") as refused:
        read_twin_fields(value)
    assert refused.value.setting == "twin_fields"


@pytest.mark.parametrize(
    "asked",
    ["LastName~", "LastName~0.9", "LastName~49", "LastName~100", "LastName~-90", "LastName~9²", "~85", "a~85~9"],
)
def test_a_likeness_that_says_nothing_is_refused(asked: str) -> None:
    with pytest.raises(SettingError, match="likeness") as refused:
        read_twin_fields(["City", asked])
    assert refused.value.setting == "twin_fields"


@pytest.mark.parametrize("names", [["LastName~85"], ["LastName~85", "Company~90"], [["Email"], ["LastName~85"]]])
def test_a_criterion_that_compares_every_row_with_every_other_is_refused(names: Any) -> None:
    with pytest.raises(SettingError, match="only where they agree in another field"):
        read_twin_fields(names)
