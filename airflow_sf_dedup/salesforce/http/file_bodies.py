"""Bodies that are files: one that is sent, one that an answer is written to. Neither is ever in memory as a whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from airflow_sf_dedup.errors import FileUnreachableError, RequestRefusedError
from airflow_sf_dedup.files.file_errors import own_words
from airflow_sf_dedup.salesforce.http.bounded import check_size

#: Bytes that are read from a file, and sent, at once.
_PIECE = 64 * 1024
#: The code of an error about a file that was handed in.
_UNUSABLE = "UNUSABLE_FILE"


class BodyUnreadableError(OSError):
    """A file that is being sent cannot be read, or is shorter than it was."""


class FileToSend:
    """A file, from where it stands to its end: as long as it says, and from there again at each sending.

    :param file: binary, and can be rewound; it stays open.
    :raises RequestRefusedError: it is no such file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start, end = _extent(file)
        self._length = max(0, end - self._start)

    def __len__(self) -> int:
        """Bytes; requests makes ``Content-Length`` of it."""
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, piece by piece; not one more than was said, whoever writes to the file meanwhile.

        :raises BodyUnreadableError: there are not as many.
        """
        end = self._start + self._length
        for position in range(self._start, end, _PIECE):
            yield self._read(position, min(_PIECE, end - position))

    def _read(self, position: int, size: int) -> bytes:
        try:
            self._file.seek(position)
            piece = self._file.read(size)
        except (OSError, ValueError) as error:
            raise BodyUnreadableError(f"the file that is sent cannot be read ({type(error).__name__})") from None
        if len(piece) < size:
            raise BodyUnreadableError("the file that is sent has become shorter")
        return piece


class FileToFill:
    """A file that an answer is written to, from where it stands: all of it or nothing.

    :param file: binary, and can be rewound and cut; it stays open.
    :param most: bytes that the answer may have, unpacked.
    :raises RequestRefusedError: it is no such file.
    """

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._start, _ = _extent(file)
        self._name = file.name if isinstance(getattr(file, "name", None), str) else "the file"
        #: Bytes that the answer may have.
        self.most = most

    def take(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces, in place of those of an earlier try; where they do not come to their end, none is left.

        :raises AnswerUnreadableError: they are more bytes than they may be.
        :raises FileUnreachableError: the file cannot be written now; a ``FileRefusedError``: nor later.
        """
        self._empty()
        try:
            size = 0
            for piece in pieces:
                size += len(piece)
                check_size(size, self.most)
                self._write(piece)
            with own_words(self._name, done="written"):
                self._file.flush()
        except BaseException:
            self._empty()
            raise

    def _write(self, piece: bytes) -> None:
        with own_words(self._name, done="written"):
            written = self._file.write(piece)
        if written != len(piece):
            # As an unbuffered file does on a full disk.
            raise FileUnreachableError(f"{self._name}: cannot be written to its end")

    def _empty(self) -> None:
        with own_words(self._name, done="written"):
            self._file.seek(self._start)
            self._file.truncate()


def _extent(file: BinaryIO) -> tuple[int, int]:
    """Where it stands, and where it ends."""
    if isinstance(file, io.TextIOBase):
        raise RequestRefusedError("a file is open as text, and only one of bytes can be sent or filled", code=_UNUSABLE)
    try:
        start = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(start)
    except (OSError, ValueError) as error:
        raise RequestRefusedError(f"a file cannot be rewound ({type(error).__name__})", code=_UNUSABLE) from None
    return start, end
