"""A file of staged rows of which no row is read before it is verified.

Its first line lists the blocks that follow: how many bytes each has, and their digest. The digest of that line is the
checksum by which others know the file. So a change anywhere is found before a row of its block is handed on, and
a file that is read over a network need not be read twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.wording import counted, were

#: Bytes of a block, from which on the next one begins; what a reader holds at a time, when one row is not longer.
BLOCK = 1 << 20

#: Rows that are encoded together.
_ROWS_AT_A_TIME = 100

#: Bytes of the longest first line: blocks for a terabyte of rows.
_LONGEST_HEAD = 64 << 20

_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder(Record).decode_lines


class _Block(msgspec.Struct, frozen=True, array_like=True):
    """Where a block ends, and what it is."""

    #: Of its lines, their line breaks among them.
    length: int
    rows: int
    digest: str


class _Head(msgspec.Struct, frozen=True):
    """The first line."""

    blocks: tuple[_Block, ...]


_decode_head = msgspec.json.Decoder(_Head).decode


class DamagedError(ValueError):
    """The file is not what was written; the message says in which way, and quotes nothing."""


def write(file: Any, records: Sequence[Record]) -> str:
    """Write records, in the order given; answers the file's checksum: BLAKE2b-128, 32 hex digits.

    Rows are encoded twice, so that no more than a block of them is in memory beside the records.
    """
    head = msgspec.json.encode(_Head(tuple(_block(rows, lines) for rows, lines in _blocks(records)))) + b"\n"
    file.write(head)
    for _, lines in _blocks(records):
        file.write(lines)
    return digest_of(head)


def read(file: BinaryIO, checksum: str, rows: int) -> Iterator[Record]:
    """The records, block by verified block.

    :param rows: that were written.
    :raises DamagedError: the file is not what was written; rows of blocks before have been handed on by then.
    """
    head = file.readline(_LONGEST_HEAD)
    if digest_of(head) != checksum:
        raise DamagedError("its checksum differs")
    blocks = _decode_head(head).blocks
    if (listed := sum(block.rows for block in blocks)) != rows:
        raise DamagedError(f"it has {counted(listed, 'rows')}, {rows:,} {were(rows)} staged")
    done = 0
    for block in blocks:
        lines = file.read(block.length)
        if digest_of(lines) != block.digest:
            raise DamagedError(f"what follows row {done} of it was changed or cut off")
        yield from _decode_lines(lines)
        done += block.rows
    if file.read(1):
        raise DamagedError("it goes on after its last row")


def digest_of(content: bytes) -> str:
    """BLAKE2b-128, 32 hex digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _block(rows: int, lines: bytes) -> _Block:
    return _Block(len(lines), rows, digest_of(lines))


def _blocks(records: Sequence[Record]) -> Iterator[tuple[int, bytes]]:
    """The number of rows of each block, and its lines."""
    stream = iter(records)
    lines, rows = bytearray(), 0
    while some := list(islice(stream, _ROWS_AT_A_TIME)):
        lines += _encode_lines(some)
        rows += len(some)
        if len(lines) >= BLOCK:
            yield rows, bytes(lines)
            lines, rows = bytearray(), 0
    if rows:
        yield rows, bytes(lines)
