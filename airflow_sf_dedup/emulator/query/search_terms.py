"""Does a record hold what is looked for? ``smith* AND "new york" AND NOT berlin``.

A term finds whole words, wherever in the record they are; ``*`` stands for any characters, ``?`` for one. Words in
quotes have to follow each other in one field. Of terms beside each other all are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from airflow_sf_dedup.emulator.errors import ApiError

#: The words of each field, in order.
Words = list[list[str]]
Matches = Callable[[Words], bool]

_PARTS = re.compile(r'"((?:[^"\\]|\\.)*)"?|([()])|((?:[^\s"()\\]|\\.)+)')
_WORD = re.compile(r"\w+")
_PATTERN = re.compile(r"[\w*?]+")
_SHORTEST = 2
_DEEPEST = 50


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def read_terms(text: str) -> Matches:
    """:raises ApiError: INVALID_SEARCH, there is nothing to look for."""
    if sum(len(word) for word in words(text)) < _SHORTEST:
        raise ApiError("INVALID_SEARCH", f"search term must be longer than one character: {text.strip()}")
    return _Terms(text).alternatives()


class _Terms:
    def __init__(self, text: str) -> None:
        self._parts = [(match[1], match[2], match[3]) for match in _PARTS.finditer(text)]
        self._at = 0
        self._depth = 0

    def _peek(self) -> str:
        """The bracket or operator that comes next, or something else."""
        if self._at >= len(self._parts):
            return "end"
        _, bracket, word = self._parts[self._at]
        return bracket or (word.upper() if word and word.upper() in ("AND", "OR", "NOT") else "term")

    def _accept(self, wanted: str) -> bool:
        if self._peek() != wanted:
            return False
        self._at += 1
        return True

    def alternatives(self) -> Matches:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ApiError("MALFORMED_SEARCH", "The search is nested too deep")
        found = [self._together()]
        while self._accept("OR"):
            found.append(self._together())
        self._depth -= 1
        if self._depth == 0 and self._peek() == ")":
            self._at += 1
            found.append(self.alternatives())
        return found[0] if len(found) == 1 else lambda record: any(each(record) for each in found)

    def _together(self) -> Matches:
        found = []
        while self._peek() not in ("end", "OR", ")"):
            if self._accept("AND"):
                continue
            found.append(_none_of(self._one()) if self._accept("NOT") else self._one())
        return found[0] if len(found) == 1 else lambda record: bool(found) and all(each(record) for each in found)

    def _one(self) -> Matches:
        if self._accept("("):
            inner = self.alternatives()
            self._accept(")")
            return inner
        if self._peek() != "term":
            return lambda record: False
        phrase, _, word = self._parts[self._at]
        self._at += 1
        return _phrase(re.sub(r"\\(.)", r"\1", phrase or word or ""))


def _none_of(matches: Matches) -> Matches:
    return lambda record: not matches(record)


def _phrase(text: str) -> Matches:
    patterns = [_word_test(each) for each in _PATTERN.findall(text.lower())]
    if not patterns:
        return lambda record: True
    return lambda record: any(_follows(patterns, field) for field in record)


def _word_test(pattern: str) -> Callable[[str], bool]:
    if "*" not in pattern and "?" not in pattern:
        return pattern.__eq__
    parts = re.split(r"(\*+|\?)", pattern)
    expression = "".join(".*" if part[:1] == "*" else "." if part == "?" else re.escape(part) for part in parts)
    fits = re.compile(expression, re.DOTALL).fullmatch
    return lambda word: fits(word) is not None


def _follows(patterns: list[Callable[[str], bool]], field: list[str]) -> bool:
    size = len(patterns)
    return any(
        all(test(word) for test, word in zip(patterns, field[start : start + size], strict=True))
        for start in range(len(field) - size + 1)
    )


def digits(texts: Iterable[str]) -> str:
    """The digits of the words of a phone number, as one word."""
    return "".join(text for text in texts if text.isdigit())
