"""Reading tokens one after the other: what comes next, and is it what may stand here?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tokens import Token, tokens
from airflow_sf_dedup.emulator.soql.tree import Path

Part = TypeVar("Part")

#: The words that cannot be a name without brackets or a comma to tell them apart.
RESERVED = frozenset(
    {"and", "asc", "desc", "excludes", "first", "from", "group", "having", "in", "includes", "last", "like", "limit"}
    | {"not", "null", "nulls", "or", "select", "using", "where", "with"}
)


class TokenReader:
    """:param start: where in ``text`` to begin; positions are those in the whole text."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.tokens = tokens(text, start)
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        if self.at + ahead < len(self.tokens):
            return self.tokens[self.at + ahead]
        return Token("end", "<EOF>", len(self.text.rstrip()))

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def fail(self, token: Token | None = None) -> ApiError:
        token = token or self.peek()
        if token.text == ":":
            return refusal(self.text, token.position, "Bind variables only allowed in Apex code")
        return refusal(self.text, token.position, f"unexpected token: '{token.text}'")

    def accept(self, *words: str) -> bool:
        """Takes the words if they come next, in any case."""
        if any(self.peek(ahead).lower != word for ahead, word in enumerate(words)):
            return False
        self.at += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.accept(word):
                raise self.fail()

    def word(self) -> Token:
        """A name; keywords that can stand nowhere else are names too (``Group``, ``Order``)."""
        token = self.next()
        if token.kind != "word" or (token.lower in RESERVED and token.lower != "group"):
            raise self.fail(token)
        return token

    def path(self) -> Path:
        token = self.word()
        if ":" in token.text:
            raise self.fail(token)
        return Path(tuple(token.text.split(".")), token.position)

    def whole_number(self) -> int:
        token = self.next()
        if token.kind != "number" or not token.text.isdigit():
            raise self.fail(token)
        return min(int(token.text[:12]), 2**31 - 1)

    def listed(self, read: Callable[[], Part]) -> tuple[Part, ...]:
        found = [read()]
        while self.accept(","):
            found.append(read())
        return tuple(found)
