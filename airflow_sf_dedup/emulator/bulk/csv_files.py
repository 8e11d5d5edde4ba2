"""Bytes of CSV to a header and rows, and back. Which columns mean what is settled elsewhere.

:class:`BatchRefused` is what a job or batch says that cannot be processed at all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

_MOST_HEADER_CHARACTERS = 32_000
_MOST_ROW_CHARACTERS = 400_000
#: "Numbers of Fields": Bulk API limits, 5,000 in a record.
_MOST_COLUMNS = 5_000
_UNESCAPED = "Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"
_UNCLOSED = "Failed to parse CSV. EOF reached before closing an opened quote"

Table = tuple[list[str], list[list[str]]]


class BatchRefused(Exception):
    """A job or batch that fails as a whole: ``InvalidBatch : Field name not found : Foo``."""

    def __init__(self, message: str, *, code: str = "InvalidBatch") -> None:
        super().__init__(f"{code} : {message}")


def read_csv(upload: bytes, *, delimiter: str, line_ending: str | None, check_quoted: bool = False) -> Table:
    """The header and the rows, each as wide as the header; no rows and no header where nothing was uploaded.

    :param delimiter: one character.
    :param line_ending: ``LF`` or ``CRLF``, which the rows have to end with; None takes either.
    :param check_quoted: line breaks inside quotes have to be those of the rows too.
    :raises BatchRefused: it is no such CSV.
    """
    try:
        text = upload.decode("utf-8")
    except UnicodeDecodeError:
        raise BatchRefused("Failed to parse CSV. The content is not valid UTF-8") from None
    outside, inside = _by_quotes(text, delimiter)
    if line_ending is not None:
        _check_line_endings(outside, line_ending)
        if check_quoted:
            _check_line_endings(inside, line_ending)
    try:
        found = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise BatchRefused(f"Failed to parse CSV. {error}") from None
    if not found:
        return [], []
    return _checked(found[0], found[1:])


def _by_quotes(text: str, delimiter: str) -> tuple[str, str]:
    """What stands outside and what stands inside quotes, with every quote where it may stand."""
    if '"' not in text:
        return text, ""
    pieces = text.split('"')
    if len(pieces) % 2 == 0:
        raise BatchRefused(_UNCLOSED)
    around = (delimiter, "\n", "\r")
    last = len(pieces) - 1
    for place in range(0, last + 1, 2):
        piece = pieces[place]
        if not piece:
            continue
        if (place and not piece.startswith(around)) or (place != last and not piece.endswith(around)):
            raise BatchRefused(_UNESCAPED)
    return '"'.join(pieces[0::2]), '"'.join(pieces[1::2])


def _check_line_endings(text: str, line_ending: str) -> None:
    wrong = "\r" in text if line_ending == "LF" else len({text.count(each) for each in ("\r", "\n", "\r\n")}) > 1
    if wrong:
        message = f"LineEnding is invalid on user data. Current LineEnding setting is {line_ending}"
        raise BatchRefused(message, code="ClientInputError")


def _checked(header: list[str], rows: list[list[str]]) -> Table:
    width = len(header)
    if width > _MOST_COLUMNS or sum(map(len, header)) + width - 1 > _MOST_HEADER_CHARACTERS:
        raise BatchRefused(f"The CSV header is too long. Maximum is {_MOST_HEADER_CHARACTERS} characters")
    for number, row in enumerate(rows, start=2):
        if len(row) != width:
            raise BatchRefused(f"Failed to parse CSV. Row {number} has {len(row)} columns, the header has {width}")
        if sum(map(len, row)) > _MOST_ROW_CHARACTERS:
            raise BatchRefused(f"Row {number} has more than {_MOST_ROW_CHARACTERS} characters")
    return header, rows


def write_csv(
    header: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    delimiter: str = ",",
    line_ending: str = "LF",
    bare: Iterable[str] = (),
) -> bytes:
    """:param bare: names that follow the header without quotes, unless they need them."""
    written = io.StringIO(newline="")
    end = LINE_ENDINGS[line_ending]
    quoted = csv.writer(written, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    names = list(bare)
    if names:
        first, rest = io.StringIO(newline=""), io.StringIO(newline="")
        csv.writer(first, delimiter=delimiter, lineterminator="", quoting=csv.QUOTE_ALL).writerow(header)
        csv.writer(rest, delimiter=delimiter, lineterminator=end).writerow(names)
        written.write(f"{first.getvalue()}{delimiter}{rest.getvalue()}")
    else:
        quoted.writerow(header)
    quoted.writerows(rows)
    return written.getvalue().encode("utf-8")
