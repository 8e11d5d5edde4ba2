"""Which task a key belongs to, and the reference that task receives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_sf_dedup.core.numeric_settings import PARTITIONS
from airflow_sf_dedup.errors import SettingError

PARTITION_REF_VERSION = 1


def check_partitions(partitions: int) -> int:
    """``partitions`` itself.

    :raises SettingError: it is no whole number from 1 to 1024.
    """
    return PARTITIONS.read(partitions)


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

        :raises SettingError: it is not one, or of a version this release does not know.
        """
        if not isinstance(document, Mapping) or "load_id" not in document:
            raise SettingError(
                f"partition: expected a reference made by SalesforcePartitionOperator, got {type(document).__name__}",
                setting="partition",
            )
        if document.get("version") != PARTITION_REF_VERSION:
            raise SettingError(
                f"partition: reference version {document.get('version')!r} is not {PARTITION_REF_VERSION}; "
                "run the partition task again with this release",
                setting="partition",
            )
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in document.items() if name in known})
