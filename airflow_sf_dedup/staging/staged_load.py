"""What have all rows of a load in common? ``load.json`` says it, beside the partitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.staging.sealed import read_sealed

MANIFEST = "load.json"
STAGED_LOAD_VERSION = 2

#: What reading a manifest raises when it is damaged or another release's.
NO_MANIFEST = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class StagedLoad:
    """What all partitions of a load have in common."""

    load_id: str
    #: The sObject with just the fields that this load needs.
    sobject: SObject
    #: The sObject with all fields that the user sees: what a setting may name.
    described: SObject
    #: In the org's spelling.
    external_id_field: str
    on_repeat: str
    #: As the rows spell them: as the source does, or as its columns are renamed.
    columns: tuple[str, ...]
    allow_non_unique_key: bool
    #: UTC.
    created_at: datetime
    version: int = STAGED_LOAD_VERSION
    #: The column that says how new a row is; ``None``: none does.
    newer_than: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; :meth:`from_json` reads it back."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return {
            **document,
            "sobject": self.sobject.to_json(),
            "described": self.described.to_json(),
            "columns": list(self.columns),
            "created_at": self.created_at.isoformat(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> StagedLoad:
        """The inverse of :meth:`to_json`.

        :raises ValueError: another release wrote it.
        """
        if document["version"] != STAGED_LOAD_VERSION:
            raise ValueError("unknown version of a staged load")
        return cls(
            **{
                **document,
                "sobject": SObject.from_json(document["sobject"]),
                "described": SObject.from_json(document["described"]),
                "columns": tuple(document["columns"]),
                "created_at": datetime.fromisoformat(document["created_at"]),
            }
        )


def manifest_at(folder: str) -> StagedLoad:
    """The manifest in the folder of a load.

    :raises FileRefusedError: it is not there, or may not be read.
    :raises Exception: one of :data:`NO_MANIFEST`.
    """
    return StagedLoad.from_json(read_sealed(f"{folder}/{MANIFEST}"))
