"""What others say, fit to be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.api_names import api_name, is_api_name
from airflow_sf_dedup.core.printable import HIDDEN, code_and_message, printable, said
from airflow_sf_dedup.errors import SettingError

ODD = {
    "a colour": ("a\x1b[31mb", f"a{HIDDEN}[31mb"),
    "a title": ("a\x1b]0;x\x07b", f"a{HIDDEN}]0;x{HIDDEN}b"),
    "one byte of the same": ("a\x9b31mb", f"a{HIDDEN}31mb"),
    "lines": ("a\nb\r\nc\td", "a b  c d"),
    "a line of Unicode": ("a\u2028b\u2029c", "a b c"),
    "a bell and a backspace": ("a\x07\x08b", f"a{HIDDEN}{HIDDEN}b"),
    "nothing": ("a\x00b", f"a{HIDDEN}b"),
    "the other direction": ("a\u202eb\u2066c", f"a{HIDDEN}b{HIDDEN}c"),
    "half a pair": ("a\ud800b", f"a{HIDDEN}b"),
    "invisible": ("a\u200b\ufeffb", f"a{HIDDEN}{HIDDEN}b"),
    "a blank that does not break": ("a\u00a0b", "a b"),
    "letters": ("Straße, 東京, 🙂", "Straße, 東京, 🙂"),
}


@pytest.mark.parametrize(("text", "shown"), ODD.values(), ids=ODD.keys())
def test_what_a_terminal_would_obey_is_not_shown(text, shown):
    assert printable(text) == shown


@given(st.text(), st.integers(1, 50))
def test_whatever_it_is_it_stays_on_one_line_and_within_its_length(text, length):
    shown = printable(text, length)
    assert shown.isprintable()
    assert len(shown) <= length
    assert len(text) > length or len(shown) == len(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"), (400, "400"), (1.5, "1.5"), (None, ""), (True, ""), ([["x"]], ""), ({"a": 1}, ""),
        (10**400, ""), (10**5000, ""), (float("nan"), "nan"), (-5, "-5"),
    ],
    ids=lambda value: str(type(value)),
)  # fmt: skip
def test_what_is_neither_text_nor_a_number_says_nothing(value, text):
    assert said(value) == text


@pytest.mark.parametrize("name", ["Lead", "Source_Key__c", "ns__Thing__c", "a", "Account__pc"])
def test_an_api_name_is_one(name):
    assert is_api_name(name)
    assert api_name(name, "sobject") == name


@pytest.mark.parametrize(
    "name", ["", " Lead", "Lead\n", "Le ad", "Lead;", "_Lead", "1", "Ｌead", "x" * 121, None, 5, ["Lead"]]
)
def test_what_is_no_api_name_is_refused(name):
    assert not is_api_name(name)
    with pytest.raises(SettingError) as raised:
        api_name(name, "sobject")
    assert raised.value.setting == "sobject"


@pytest.mark.parametrize(
    ("code", "message", "read"),
    [
        ("INVALID_FIELD", "no such field", ("INVALID_FIELD", "no such field")),
        ("sf:INVALID_TYPE", "", ("sf:INVALID_TYPE", "")),
        (None, "only words", ("", "only words")),
        (404, None, ("404", "")),
        ("Bad request for ada@example.com", "", ("", "Bad request for ada@example.com")),
        ("ada@example.com", "is taken", ("", "ada@example.com: is taken")),
        ("Service Unavailable", "later", ("", "Service Unavailable: later")),
        ("X" * 121, "", ("", "X" * 121)),
    ],
)
def test_what_is_no_single_word_is_no_code(code, message, read):
    assert code_and_message(code, message) == read
