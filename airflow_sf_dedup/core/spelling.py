"""Which spellings of a text are one? Case, accents, and the two ways to write an umlaut do not tell words apart."""

from __future__ import annotations

import re
import unicodedata

#: Letters that have no decomposition, and two letters that stand for one.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "a", "œ": "o", "þ": "th", "ı": "i"})
_TWO_FOR_ONE = re.compile("(?<=[aou])e")


def plain_spelling(text: str) -> str:
    """Lower case, without accents; ``ue`` and ``ü`` are one."""
    if text.isascii():
        return _TWO_FOR_ONE.sub("", text.lower())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return _TWO_FOR_ONE.sub("", "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_LETTERS))
