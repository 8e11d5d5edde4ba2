"""Which task a key belongs to, and the reference that task receives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from airflow_sf_dedup.core.numeric_settings import MOST_PARTITIONS, partitions_up_to
from airflow_sf_dedup.errors import SettingError

PARTITION_REF_VERSION = 1

#: Characters of the longest text in a reference, which is its path; an object store's key has at most 1,024 bytes.
_LONGEST_TEXT = 4096

#: Characters of an odd value that a message quotes.
_QUOTED = 60


def check_partitions(partitions: int, *, most: int = MOST_PARTITIONS) -> int:
    """``partitions`` itself.

    :param most: items that Airflow maps a task over, ``[core] max_map_length``.
    :raises SettingError: it is no whole number from 1 to ``most``.
    """
    return partitions_up_to(most).read(partitions)


def partition_of(folded: str, partitions: int) -> int:
    """The partition of a broadly folded key: ``blake2b(folded) mod partitions``, stable for ever."""
    digest = hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions


@dataclass(frozen=True, slots=True)
class PartitionRef:
    """A staged partition, small enough for an XCom; what ``.expand(partition=…)`` maps over."""

    load_id: str
    #: From 0.
    partition: int
    partitions: int
    rows: int
    #: Where the rows are staged, as NDJSON.
    path: str
    #: BLAKE2b-128 of what lists the digests of the staged bytes, 32 hex digits.
    checksum: str
    sobject: str
    external_id_field: str
    #: 18 characters.
    org_id: str
    salesforce_conn_id: str
    #: ``None``: the embedded audit file.
    audit_conn_id: str | None = None
    version: int = PARTITION_REF_VERSION

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PartitionRef:
        """Read a reference.

        :raises SettingError: it is not one, or of a version this release does not know; names an odd member.
        """
        if not isinstance(document, Mapping) or "load_id" not in document:
            raise _refused(f"expected a reference made by SalesforcePartitionOperator, got {type(document).__name__}")
        if document.get("version") != PARTITION_REF_VERSION:
            raise _refused(
                f"reference version {document.get('version')!r} is not {PARTITION_REF_VERSION}; "
                "run the partition task again with this release"
            )
        for problem in _odd_members(document):
            raise _refused(f"{problem}; run the partition task again, and hand its references on as they are")
        return cls(**document)


def _refused(message: str) -> SettingError:
    return SettingError(f"partition: {message}", setting="partition")


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT


#: What each member of a reference may be, in words and as a question. No count is larger than a database can hold.
_Kind = tuple[str, Callable[[Any], bool]]
_A_TEXT: _Kind = ("a text", _is_text)
_A_TEXT_OR_NONE: _Kind = ("a text or null", lambda value: value is None or _is_text(value))
_MEMBERS: Mapping[str, _Kind] = {
    "load_id": _A_TEXT,
    "partition": ("a whole number from 0 on", partial(_is_whole, least=0, most=2**31 - 1)),
    "partitions": ("a whole number from 1 on", partial(_is_whole, least=1, most=2**31 - 1)),
    "rows": ("a whole number from 0 on", partial(_is_whole, least=0, most=2**53)),
    "path": _A_TEXT,
    "checksum": _A_TEXT,
    "sobject": _A_TEXT,
    "external_id_field": _A_TEXT,
    "org_id": _A_TEXT,
    "salesforce_conn_id": _A_TEXT,
    "audit_conn_id": _A_TEXT_OR_NONE,
    "version": ("a whole number", partial(_is_whole, least=1, most=2**31 - 1)),
}


def _odd_members(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the members of a reference, the first thing first."""
    for name in document:
        if name not in _MEMBERS:
            yield f"the reference has a member {name!r:.{_QUOTED}} that is not known"
    for name, (words, fits) in _MEMBERS.items():
        if name not in document:
            yield f"the reference lacks its member {name!r}"
        elif not fits(document[name]):
            yield f"the reference's member {name!r} is not {words}: {document[name]!r:.{_QUOTED}}"
    if document["partition"] >= document["partitions"]:
        yield f"the reference's member 'partition' is {document['partition']} of {document['partitions']}"
