"""What was the org found to have of a row's key, right before the row is sent? It decides how the row is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class KnownRecord:
    """How a row is written whose key was looked for: by the id of the record that holds it, or as a new record.

    Neither can do what the other does: a write by id creates nothing, and an insert meets nothing that is there.
    """

    #: Of the only record that holds the key, 18 characters; ``None``: nobody holds it, and the row is inserted.
    record_id: str | None = None
    #: What the row carries and does not send, by its names.
    held_back: Mapping[str, Any] = field(default_factory=dict)
    #: Those of them in which the record keeps what it has.
    kept: tuple[str, ...] = ()
    #: An earlier call with the row, whose answer was lost, may have created the record.
    may_be_own: bool = False
