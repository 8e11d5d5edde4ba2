"""What was probably meant by a name that there is not?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that looks most like ``name``, whatever its case."""
    spelled = {each.lower(): each for each in known}
    close = get_close_matches(str(name).lower(), spelled, n=1, cutoff=0.7)
    return spelled[close[0]] if close else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``; did you mean 'Email'?``, or nothing when no name is near."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def no_such(what: str, name: object, known: Iterable[str]) -> str:
    """A sentence for a name that is none of the known ones: the nearest one, or all of them."""
    choices = list(known)
    return f"no such {what}" + (did_you_mean(name, choices) or f"; there are: {', '.join(choices)}")
