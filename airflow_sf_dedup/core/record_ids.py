"""Salesforce record ids.

An id is 15 case-sensitive characters or the same 15 followed by three that carry their case as a
checksum (Salesforce: "18-character case-insensitive IDs"). Ids are compared as 18 characters only.
"""

from __future__ import annotations

import re
import string

SUFFIX_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_UPPER_CASE_BIT = {ord(char): "1" if char.isupper() else "0" for char in string.ascii_letters + string.digits}
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def checksum(first_15: str) -> str:
    """The three characters that carry the case of a 15-character id, five characters each."""
    bits = first_15.translate(_UPPER_CASE_BIT)[::-1]
    return "".join(SUFFIX_ALPHABET[int(bits[start : start + 5], 2)] for start in (10, 5, 0))


def to_18(record_id: str) -> str:
    """The 18-character form of an id.

    :raises ValueError: it is neither 15 nor 18 letters and digits, or its checksum is wrong.
    """
    if not _SHAPE.fullmatch(record_id):
        raise ValueError(f"{record_id!r} is not a Salesforce record id (15 or 18 letters and digits)")
    full = record_id[:15] + checksum(record_id[:15])
    if len(record_id) == 18 and record_id[15:].upper() != full[15:]:
        raise ValueError(f"{record_id!r} is not a Salesforce record id: its checksum should be {full[15:]}")
    return full


def record_id_in(value: object) -> str | None:
    """The 18-character form of what an answer gives as an id; ``None`` when it is none."""
    try:
        return to_18(value) if isinstance(value, str) else None
    except ValueError:
        return None


def is_record_id(text: str) -> bool:
    """Whether ``text`` is a well-formed id, with the right checksum when it has one."""
    try:
        to_18(text)
    except ValueError:
        return False
    return True
