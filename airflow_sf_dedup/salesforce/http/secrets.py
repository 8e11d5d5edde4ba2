"""What must never be shown: the secrets of one connection, and those that its logins bring.

An org, a gateway or a proxy may send back what it was sent: the token as it is, percent-encoded in a URL, escaped in
JSON or XML, or a piece of it because a text was cut. Each of these is blotted out.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from html import escape
from urllib.parse import quote, quote_plus

BLOT = "***"

#: Characters of the shortest secret, as the weakest password policy of an org has it. Shorter ones stand in for a
#: secret, as in a test, and would blot out parts of common words.
_SHORTEST = 5
#: Characters of a secret that is long enough to be known by a piece of it; what people choose is mostly shorter.
_LONG = 24
#: Characters of such a piece. A shorter one helps nobody.
_PIECE = 12
#: What precedes the ``!`` of a session id is the id of the org, which is no secret.
_ORG_ID = re.compile(r"00D\w{12}(?:\w{3})?!")
_ARMOUR = re.compile(r"-----(?:BEGIN|END)[^-]*-----")


def mask_nothing(secret: str) -> None:
    """Where nobody else keeps a list of secrets."""


class Secrets:
    """Knows secrets in every spelling in which they come back. Threads may share it.

    :param known: those of the connection.
    :param mask: told of each new secret, such as the token of a login, in each of its spellings.
    """

    def __init__(self, known: Iterable[str] = (), *, mask: Callable[[str], None] = mask_nothing) -> None:
        self._mask = mask
        self._lock = threading.Lock()
        self._all = _Blotter()
        #: Those that calls carry, so that answers to calls are searched for them.
        self._tokens = _Blotter()
        #: Pieces of the tokens, side by side: whoever holds a longer part of one holds one of these.
        self._marks: tuple[bytes, ...] = ()
        self.learn(*known)

    def learn(self, *secrets: str | None) -> None:
        """Know these too."""
        with self._lock:
            new = self._all.add(secrets)
        for spelling in new:
            self._mask(spelling)

    def learn_token(self, token: str) -> None:
        """Know a token that calls carry."""
        self.learn(token)
        with self._lock:
            if self._tokens.add([token]):
                self._marks += tuple(_marks(token))

    def blot(self, text: str) -> str:
        """The text without any secret, and without any longer piece of one."""
        return self._all.blot(text)

    def blot_answer(self, content: bytes) -> bytes:
        """The bytes of an answer to a call, without any token that calls carry.

        A token cannot be guessed, so that nothing else is taken for one. A password can be a word of any answer.
        """
        return self._blot_bytes(content) if any(mark in content for mark in self._marks) else content

    def blot_pieces(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same for an answer in pieces: a token that begins in one and ends in the next is blotted out as well."""
        held, has_token = b"", False
        for piece in pieces:
            content = held + piece
            # The end of a token whose beginning is blotted out already may hold no mark.
            clean = self._blot_bytes(content) if has_token else self.blot_answer(content)
            has_token = clean != content
            # A token that is not whole yet begins in what is held back.
            done = max(0, len(clean) - self._tokens.longest)
            held = clean[done:]
            yield clean[:done]
        yield held

    def _blot_bytes(self, content: bytes) -> bytes:
        return self._tokens.blot(content.decode("latin-1")).encode("latin-1")


class _Blotter:
    """Blots out a set of secrets, which grows."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        #: The longest first, so that a part never uncovers a whole.
        self._spellings: tuple[str, ...] = ()
        self._pieces: frozenset[str] = frozenset()

    @property
    def longest(self) -> int:
        """Characters of the longest spelling of a secret."""
        return len(self._spellings[0]) if self._spellings else 0

    def add(self, secrets: Iterable[str | None]) -> set[str]:
        """Know these too; the spellings that are new."""
        added = {secret for secret in secrets if secret and len(secret) >= _SHORTEST} - self._known
        self._known |= added
        spellings = {spelling for secret in added for spelling in _spellings(secret)}
        self._spellings = tuple(sorted({*self._spellings, *spellings}, key=len, reverse=True))
        self._pieces |= {piece for secret in added for piece in _pieces(secret)}
        return spellings

    def blot(self, text: str) -> str:
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, BLOT)
        return self._without_pieces(text) if self._pieces else text

    def _without_pieces(self, text: str) -> str:
        kept: list[str] = []
        start = done = 0
        while start <= len(text) - _PIECE:
            if text[start : start + _PIECE] not in self._pieces:
                start += 1
                continue
            end = start + _PIECE
            while text[end - _PIECE + 1 : end + 1] in self._pieces:
                end += 1
            kept += (text[done:start], BLOT)
            start = done = end
        return "".join((*kept, text[done:])) if kept else text


def _spellings(secret: str) -> Iterator[str]:
    """How a secret may be written: in a URL, in JSON, in XML or HTML, in a Basic header, or read as Latin-1."""
    yield secret
    yield from (quote(secret, safe=""), quote(secret, safe="/"), quote(secret, safe="!'()*~/"), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield from (escape(secret), escape(secret, quote=False))
    encoded = secret.encode("utf-8", "replace")
    yield from (b64encode(encoded).decode(), encoded.decode("latin-1"))


def _pieces(secret: str) -> Iterator[str]:
    """All runs of so many characters in a long secret."""
    for part in _telling(secret).split():
        if len(part) >= _LONG:
            yield from (part[start : start + _PIECE] for start in range(len(part) - _PIECE + 1))


def _marks(token: str) -> Iterator[bytes]:
    for part in _telling(token).split():
        if len(part) >= _LONG:
            yield from (part[start : start + _PIECE].encode() for start in range(0, len(part) - _PIECE + 1, _PIECE))


def _telling(secret: str) -> str:
    """The part that makes it secret: a session id without its org; of a PEM text what the armour holds, unbroken."""
    if _ARMOUR.search(secret):
        return "".join(_ARMOUR.sub("", secret).split())
    return _ORG_ID.sub("", secret, count=1)
