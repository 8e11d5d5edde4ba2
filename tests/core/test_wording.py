"""No message grows with what it is about."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.core.printable import HIDDEN
from airflow_sf_dedup.core.wording import any_of, counted, listed, nearest, shown, were


def test_some_are_named_and_the_others_counted() -> None:
    assert listed([]) == ""
    assert listed("abc") == "a, b, c"
    assert listed(range(5000), most=3) == "0, 1, 2 and 4,997 more"
    assert any_of(["Contact", "Lead"]) == "Contact or Lead"


def test_one_thing_is_named_in_the_singular() -> None:
    assert [counted(number, "rows") for number in (0, 1, 2, 4_997)] == ["0 rows", "1 row", "2 rows", "4,997 rows"]
    assert [were(number) for number in (0, 1, 2)] == ["were", "was", "were"]


def test_words_are_found_only_for_those_that_are_named() -> None:
    asked: list[int] = []

    def say(number: int) -> str:
        asked.append(number)
        return f"<{number}>"

    assert listed(range(100), most=2, between="; ", say=say) == "<0>; <1> and 98 more"
    assert asked == [0, 1]


def test_what_is_too_long_for_a_name_is_not_quoted() -> None:
    assert shown("LastName") == "LastName"
    assert shown("x" * 5000) == "x" * 20 + "… (5,000 characters)"


SHOWN = {
    "plain": ("LastName", "LastName"),
    "other letters": ("Straße 東京 🙂", "Straße 東京 🙂"),
    "a colour and a line end": ("\x1b[31mEvil\x1b[0m\n", f"{HIDDEN}[31mEvil{HIDDEN}[0m "),
    "the other direction": ("\u202eemaNtsaL", f"{HIDDEN}emaNtsaL"),
    "zero width before a name": ("\u200bLastName", f"{HIDDEN}LastName"),
    "long with a colour": ("\x1b[31m" + "x" * 95, f"{HIDDEN}[31m{'x' * 15}… (100 characters)"),
    "empty": ("", "''"),
    "blank": ("  ", "'  '"),
    "a blank that does not break": ("\u00a0", "' '"),
    "a line end": ("\n", "' '"),
    "zero width": ("\u200b", f"'{HIDDEN}'"),
    "a byte order mark": ("\ufeff", f"'{HIDDEN}'"),
    "a mark on nothing": ("\ufe0f", "'\ufe0f'"),
}


@pytest.mark.parametrize(("name", "text"), SHOWN.values(), ids=SHOWN)
def test_a_name_obeys_no_terminal_and_is_never_nothing(name: str, text: str) -> None:
    assert shown(name) == text


def test_names_that_are_alike_are_hinted_at_in_their_own_spelling() -> None:
    assert nearest("lastnam", ["LastName", "Phone"]) == " (nearest: LastName)"
    assert nearest("Zzz", ["LastName"]) == ""
    assert nearest("LastName", ["\x1b[0mLastName"]) == f" (nearest: {HIDDEN}[0mLastName)"
