"""Opens a file as text, plain or gzipped, and says what is wrong when that fails."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TextIO, cast

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.files import reading
from airflow_sf_dedup.files.addresses import shown

_BLOCK = 1 << 16


@dataclass(frozen=True)
class TextFile:
    """A file of text.

    :param path: local path or URL.
    :param encoding: any text encoding Python knows, by its name; a byte order mark is dropped.
    """

    path: str
    encoding: str = "utf-8"

    @contextmanager
    def open(self, newline: str = "") -> Iterator[TextIO]:
        """The text, decoded as it is read.

        :raises SourceError: it cannot be opened, or is not in that encoding; names line and byte.
        :raises FileUnreachableError: it cannot be read now, for a reason that may pass.
        """
        codec = self._codec()
        try:
            with self._bytes() as content, io.TextIOWrapper(content, codec, newline=newline) as text:
                yield text
        except UnicodeError:
            raise self._wrong_encoding(codec) from None
        except tuple(_DAMAGED) as error:
            why = next(why for kind, why in _DAMAGED.items() if isinstance(error, kind))
            raise SourceError(f"{shown(self.path)}: {why}", setting="path") from error

    def _codec(self) -> str:
        """The codec's own name; that of UTF-8 with a byte order mark is for both."""
        name = codec_named(self.encoding)
        return "utf-8-sig" if name == "utf-8" else name

    @contextmanager
    def _bytes(self) -> Iterator[BinaryIO]:
        with reading.open_binary(self.path) as raw:
            if not self.path.lower().endswith(".gz"):
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as content:
                yield cast(BinaryIO, content)

    def _wrong_encoding(self, codec: str) -> SourceError:
        if self._begins_as_utf_16() and not codec.startswith("utf-16"):
            return SourceError(
                f"{shown(self.path)}: begins with the byte order mark of UTF-16, so it is not {self.encoding}; "
                'set encoding="utf-16"',
                setting="encoding",
            )
        with self._bytes() as content:
            line, byte = first_undecodable(content, codec)
        return SourceError(
            f"{shown(self.path)}: line {line}, byte {byte} of the file is not {self.encoding}; "
            "set encoding to the one the file was written in, often cp1252 for a file from a spreadsheet",
            setting="encoding",
        )

    def _begins_as_utf_16(self) -> bool:
        with self._bytes() as content:
            return content.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


#: What is wrong with a gzipped file, by exception.
_DAMAGED: dict[type[Exception], str] = {
    gzip.BadGzipFile: "its name ends in .gz, its content is not gzipped",
    EOFError: "the gzipped content ends too early; the file is incomplete",
    zlib.error: "the gzipped content is damaged",
}


#: Python calls these text encodings, but no file is written in them: two are for names of hosts, one refuses all.
_OF_NO_FILE = frozenset({"idna", "punycode", "undefined"})


def codec_named(encoding: object) -> str:
    """Python's own name of a text encoding.

    :raises SourceError: it is none.
    """
    try:
        found = codecs.lookup(encoding).name if isinstance(encoding, str) else "undefined"
        "".encode(found)
    except (LookupError, ValueError):
        found = "undefined"
    if found in _OF_NO_FILE:
        raise SourceError(
            f"encoding: {encoding!r} is no text encoding that Python knows; common ones are utf-8, cp1252 and utf-16",
            setting="encoding",
        )
    return found


def first_undecodable(content: BinaryIO, codec: str) -> tuple[int, int]:
    """Line and byte, both from 1, of the first byte that is not in that encoding."""
    decoder = codecs.getincrementaldecoder(codec)()
    line, consumed = 1, 0
    while True:
        block = content.read(_BLOCK)
        try:
            line += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(codec, "ignore")
            # The decoder may have kept bytes of the block before; they stand in front of ``error.object``.
            before = consumed + len(block) - len(error.object)
            return line + good.count("\n"), before + error.start + 1
        except UnicodeError:
            # Python's utf-16 and utf-32 refuse a text without byte order mark so.
            return line, consumed + 1
        consumed += len(block)
        if not block:
            return line, consumed
