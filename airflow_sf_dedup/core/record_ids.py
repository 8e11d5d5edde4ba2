"""Salesforce record ids.

An id is 15 case-sensitive characters or the same 15 followed by three that carry their case as a
checksum (Salesforce: "18-character case-insensitive IDs"). Ids are compared as 18 characters only.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

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


def restored(record_id: str) -> str:
    """The 18-character form of an id that a source holds, where a spreadsheet may have changed its case.

    An id of 18 characters in one case has lost the case of its letters; its last three tell it.

    :raises ValueError: as :func:`to_18`.
    """
    record_id = record_id.strip()
    lost_its_case = record_id in (record_id.lower(), record_id.upper())
    if len(record_id) == 18 and lost_its_case and _SHAPE.fullmatch(record_id):
        suffix = record_id[15:].upper()
        record_id = "".join(_cased(record_id[:15], suffix)) + suffix
    return to_18(record_id)


def _cased(first_15: str, suffix: str) -> Iterator[str]:
    """Each character in the case that the suffix says, five characters each; to_18 tells whether it can be so."""
    for place, char in enumerate(first_15):
        bits = SUFFIX_ALPHABET.find(suffix[place // 5])
        yield char.upper() if bits >> place % 5 & 1 else char.lower()


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
