"""Which value does a literal stand for?"""

from __future__ import annotations

import re

from airflow_sf_dedup.emulator.records.values import read_date, read_datetime, read_time
from airflow_sf_dedup.emulator.soql.date_literals import is_date_literal
from airflow_sf_dedup.emulator.soql.tokens import Token
from airflow_sf_dedup.emulator.soql.tree import Literal

#: Stands before an escaped wildcard in a literal's value, where a backslash would be one of the text's own.
ESCAPED = "\0"

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class IllegalEscape(ValueError):
    """A text with an escape that SOQL does not have; says so in Salesforce's words."""


def literal(token: Token) -> Literal:
    """:raises ValueError: the token is no literal."""
    if token.kind == "string":
        return Literal("string", _unescaped(token.text))
    if token.kind == "number":
        return Literal("number", _number(token.text))
    if token.kind == "date":
        return Literal("date", read_date(token.text))
    if token.kind == "datetime":
        return Literal("datetime", read_datetime(token.text))
    if token.kind == "time":
        return Literal("time", read_time(token.text))
    return _named(token)


def _number(text: str) -> int | float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return int(text) if text.lstrip("+-").isdigit() else number


def _named(token: Token) -> Literal:
    name = token.lower
    if token.kind == "word" and name in ("true", "false"):
        return Literal("boolean", name == "true")
    if token.kind == "word" and name == "null":
        return Literal("null", None)
    if token.kind == "word" and is_date_literal(name):
        return Literal("range", name)
    raise ValueError(token.text)


def _unescaped(quoted: str) -> str:
    def replace(found: re.Match[str]) -> str:
        escaped = found[1]
        if escaped.startswith("u") and len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped.lower() in _ESCAPES:
            return _ESCAPES[escaped.lower()]
        # \% and \_ stay escaped: LIKE tells them from its wildcards.
        if escaped in "%_":
            return ESCAPED + escaped
        if escaped in "'\"\\":
            return escaped
        message = f"Invalid string literal {quoted}. Illegal character sequence '\\{escaped}' in string literal."
        raise IllegalEscape(message)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, quoted[1:-1], flags=re.DOTALL)
