"""What others say, fit to be kept and shown: of bounded length, on one line, and nothing that a terminal obeys.

An org, a gateway before it or a file can answer with anything: escape sequences that move a terminal's cursor, marks
that turn the direction of reading, a code of three megabytes.
"""

from __future__ import annotations

import re
from typing import Any

#: Characters of a code, a field, a rule or another name. API names have at most 80, with a namespace 95.
NAME_LENGTH = 120
#: Characters of a message: more than the audit keeps, so that whoever takes values out of it sees them whole.
MESSAGE_LENGTH = 10_000
#: Stands for a character that is not shown.
HIDDEN = "\ufffd"
#: Salesforce's codes, OAuth's, and those of SOAP faults.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
#: Digits of a number that is taken for a word; a longer one is no code and no status.
_LONGEST_NUMBER = 20


def printable(text: str, length: int = MESSAGE_LENGTH) -> str:
    """The text on one line: blanks for line breaks and tabs, :data:`HIDDEN` for control and format characters.

    :param length: characters of the result; a longer text ends in ``…``.
    """
    if len(text) > length:
        text = text[: length - 1] + "…"
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def said(value: Any, length: int = MESSAGE_LENGTH) -> str:
    """A text or a number of somebody's answer as text; what is neither says nothing."""
    if isinstance(value, str):
        return printable(value, length)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    text = str(value) if isinstance(value, float) or abs(value) < 10**_LONGEST_NUMBER else ""
    return text[:length]


def code_and_message(code: Any, message: Any) -> tuple[str, str]:
    """The code and the message of somebody's error; what is no single word is no code, but part of the message.

    Codes are counted, shown in XComs and kept for many rows; a sentence in their place may quote one of them.
    """
    word, text = said(code).strip(), said(message)
    if not word or (len(word) <= NAME_LENGTH and _CODE.fullmatch(word)):
        return word, text
    return "", printable(f"{word}: {text}") if text else word


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else HIDDEN
