"""Lines of a text, without holding one that is longer than any row of a load can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

#: Most characters of a row. Salesforce's longest text field holds 131,072; files in base64 may have some millions.
MOST_ROW_CHARACTERS = 16 * 1024 * 1024

#: Characters of a line that is too long, read and forgotten at a time.
_BLOCK = 1 << 20


#: How a file of UTF-8 or UTF-16 may begin. Inside a text they tell that another file was appended to it; the second is
#: what a single-byte encoding makes of UTF-8's.
_BYTE_ORDER_MARK = "\ufeff"
_BYTE_ORDER_MARKS = (_BYTE_ORDER_MARK, "\u00ef\u00bb\u00bf")


class RowTooLong(ValueError):
    """A row has more characters than :data:`MOST_ROW_CHARACTERS`."""


def bounded_lines(text: TextIO) -> Iterator[str]:
    """The lines of a text; of one that is too long for a row, one character too many."""
    while line := text.readline(MOST_ROW_CHARACTERS + 1):
        yield line
        if len(line) > MOST_ROW_CHARACTERS and not line.endswith("\n"):
            _skip_rest(text)


def _skip_rest(text: TextIO) -> None:
    while (rest := text.readline(_BLOCK)) and not rest.endswith("\n"):
        pass


class RowLines:
    """The lines of a text whose rows may have several, such as a CSV file."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._characters = 0
        #: Whether the row that is being read began with a byte order mark; the mark is no part of the lines.
        self.marked = False

    def __iter__(self) -> RowLines:
        return self

    def __next__(self) -> str:
        """The next line.

        :raises RowTooLong: with it the row that is being read is too long.
        """
        line = self._text.readline(MOST_ROW_CHARACTERS + 1)
        if not line:
            raise StopIteration
        if not self._characters:
            self.marked = line.startswith(_BYTE_ORDER_MARKS)
            line = line.lstrip(_BYTE_ORDER_MARK)
        self._characters += len(line)
        if self._characters > MOST_ROW_CHARACTERS:
            raise RowTooLong
        return line

    def end_row(self) -> int:
        """The row is read, and had so many characters; the next line begins another."""
        characters, self._characters = self._characters, 0
        return characters
