"""Do two names mean two people? Only where they surely differ: spelling, order, titles and initials do not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.core.spelling import plain_spelling

#: Parts of a person's name, in the fields of Salesforce's own sObjects.
_NAME_FIELDS = ("firstname", "middlename", "lastname")

#: Words beside a name.
_TITLES = frozenset({"dr", "prof", "ing", "mr", "mrs", "ms", "miss", "sir", "jr", "sr", "phd", "md"})

_WORD = re.compile(r"[^\W\d_]+")


def person_name(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of the name in a row's or a record's fields, without case, accents and titles; empty: it has none."""
    parts = {name.lower(): value for name, value in fields.items()}
    text = " ".join(str(parts[name]) for name in _NAME_FIELDS if isinstance(parts.get(name), str))
    words = tuple(_WORD.findall(plain_spelling(text)))
    return tuple(word for word in words if word not in _TITLES) or words


def disagree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two names cannot be one person's.

    They can where every word of the shorter one is in the longer one, in any order, or is the initial of one there,
    or where they differ in blanks and hyphens only. Nothing disagrees with no name.
    """
    shorter, longer = sorted((frozenset(one), frozenset(other)), key=len)
    return bool(shorter) and not (_stands_in(shorter, longer) or bool(_written(one) & _written(other)))


def _stands_in(shorter: frozenset[str], longer: frozenset[str]) -> bool:
    left = set(longer - shorter)
    for word in sorted(shorter - longer, key=len, reverse=True):
        found = next((each for each in sorted(left) if _is_initial(word, each) or _is_initial(each, word)), None)
        if found is None:
            return False
        left.remove(found)
    return bool(shorter & longer) or any(len(word) > 1 for word in shorter)


def _is_initial(short: str, word: str) -> bool:
    return len(short) == 1 and word.startswith(short)


def _written(words: tuple[str, ...]) -> set[str]:
    """The name in one word, whichever of its words comes first."""
    return {"".join(words[start:] + words[:start]) for start in range(len(words))}
