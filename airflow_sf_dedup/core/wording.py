"""How does a message name many things, or something that was misspelled? No message grows with what it is about."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from airflow_sf_dedup.core.printable import printable

T = TypeVar("T")

#: Things that a message names; of more it says how many.
MOST_NAMED = 10

#: Longest name that is quoted; a longer one is content, not a name.
_NAME_CHARACTERS = 80


def listed(things: Iterable[T], *, most: int = MOST_NAMED, between: str = ", ", say: Callable[[T], str] = str) -> str:
    """The first of some things, and how many there are beside: ``a, b and 4,997 more``.

    :param say: the words for one thing; asked only for those that are named.
    """
    every = list(things)
    words = between.join(map(say, every[:most]))
    return words if len(every) <= most else f"{words} and {len(every) - most:,} more"


def counted(number: int, things: str) -> str:
    """How many there are, of one in the singular: ``1 row``, ``4,997 rows``.

    :param things: the plural, made with an ``s``.
    """
    return f"{number:,} {things.removesuffix('s') if number == 1 else things}"


def were(number: int) -> str:
    """The verb for so many: ``was`` of one, ``were`` of any other number."""
    return "was" if number == 1 else "were"


def shown(name: str) -> str:
    """A name as it may stand in a message: on one line, short, printable, and never as nothing.

    A name that shows no letter, digit or sign, as a blank or an invisible one does, stands in quotes.
    """
    if len(name) > _NAME_CHARACTERS:
        return f"{printable(name[:20])}… ({len(name):,} characters)"
    text = printable(name)
    return text if any(map(_is_seen, name)) else repr(text)


def _is_seen(char: str) -> bool:
    """Whether it leaves ink of its own: no blank, no control or format character, no mark on another one."""
    return unicodedata.category(char)[0] in "LNPS"


def nearest(name: str, known: Iterable[str]) -> str:
    """`` (nearest: LastName)`` where a known name is like this one, else nothing."""
    by_folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name[:_NAME_CHARACTERS].lower(), by_folded, n=3, cutoff=0.6)
    return f" (nearest: {', '.join(shown(by_folded[each]) for each in near)})" if near else ""


def any_of(names: Sequence[str]) -> str:
    """``Contact or Lead``."""
    return listed(names, between=" or ")
