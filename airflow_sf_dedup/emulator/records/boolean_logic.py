"""A matching rule's logic (``1 AND (2 OR 3)``) as the alternatives it allows: ``((1, 2), (1, 3))``.

Each alternative is a set of items that must all match, and so can have one blocking key.
"""

from __future__ import annotations

import re
from itertools import product

Alternatives = tuple[tuple[int, ...], ...]


def alternatives(logic: str, items: int) -> Alternatives:
    """:raises ValueError: ``logic`` cannot be read, or names an item beyond ``items``."""
    tokens = re.findall(r"\d+|[()]|[A-Za-z]+|\S", logic.upper())
    found, rest = _either(tokens, items)
    if rest:
        raise ValueError(f"{' '.join(rest)!r} is left over in {logic!r}")
    return tuple(dict.fromkeys(tuple(sorted(set(each))) for each in found))


def all_of(items: int) -> Alternatives:
    return (tuple(range(1, items + 1)),)


def _either(tokens: list[str], items: int) -> tuple[list[tuple[int, ...]], list[str]]:
    found, tokens = _both(tokens, items)
    while tokens[:1] == ["OR"]:
        more, tokens = _both(tokens[1:], items)
        found = found + more
    return found, tokens


def _both(tokens: list[str], items: int) -> tuple[list[tuple[int, ...]], list[str]]:
    found, tokens = _one(tokens, items)
    while tokens[:1] == ["AND"]:
        more, tokens = _one(tokens[1:], items)
        found = [left + right for left, right in product(found, more)]
    return found, tokens


def _one(tokens: list[str], items: int) -> tuple[list[tuple[int, ...]], list[str]]:
    if tokens[:1] == ["("]:
        found, rest = _either(tokens[1:], items)
        if rest[:1] != [")"]:
            raise ValueError("a parenthesis is not closed")
        return found, rest[1:]
    if not tokens or not tokens[0].isdigit() or not 1 <= int(tokens[0]) <= items:
        raise ValueError(f"expected an item from 1 to {items}, found {tokens[0] if tokens else 'the end'}")
    return [(int(tokens[0]),)], tokens[1:]
