"""What are the words of a SOQL text? Text in, tokens out."""

from __future__ import annotations

import re
from typing import NamedTuple

from airflow_sf_dedup.emulator.soql.pointing import refusal

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2}))
    | (?P<date>\d{4}-\d{2}-\d{2})
    | (?P<time>\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z)
    | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?(?![\w.]))
    | (?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::\d+)?)
    | (?P<sign><=|>=|!=|<>|[=<>(),:{}*;])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Token(NamedTuple):
    #: string, datetime, date, time, number, word, sign or end
    kind: str
    text: str
    position: int

    @property
    def lower(self) -> str:
        """The word in lower case; a quoted text is no word."""
        return "" if self.kind == "string" else self.text.lower()


def tokens(text: str, start: int = 0) -> list[Token]:
    """:raises ApiError: MALFORMED_QUERY, at the first character that begins no token."""
    found = []
    position = start
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match or match.lastgroup is None:
            raise _no_token(text, position + len(text[position:]) - len(text[position:].lstrip()))
        found.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return found


def _no_token(text: str, position: int) -> Exception:
    """The lexer counts columns from 0, and so points one to the left of where it stops."""
    row = text.count("\n", 0, position) + 1
    if text[position] == "'":
        column = len(text) - text.rfind("\n") - 1
        return refusal(text, max(len(text) - 1, 0), f"line {row}:{column} mismatched character '<EOF>' expecting '''")
    column = position - text.rfind("\n", 0, position) - 1
    place = position - 1 if column else position
    return refusal(text, place, f"line {row}:{column} no viable alternative at character '{text[position]}'")
