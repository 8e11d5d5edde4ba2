"""How does a message name many things, or something that was misspelled? No message grows with what it is about."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

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


def shown(name: str) -> str:
    """A name as it may stand in a message."""
    return name if len(name) <= _NAME_CHARACTERS else f"{name[:20]}… ({len(name):,} characters)"


def nearest(name: str, known: Iterable[str]) -> str:
    """`` (nearest: LastName)`` where a known name is like this one, else nothing."""
    by_folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name[:_NAME_CHARACTERS].lower(), by_folded, n=3, cutoff=0.6)
    return f" (nearest: {', '.join(by_folded[each] for each in near)})" if near else ""


def any_of(names: Sequence[str]) -> str:
    """``Contact or Lead``."""
    return listed(names, between=" or ")
