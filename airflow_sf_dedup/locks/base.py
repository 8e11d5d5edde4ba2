"""Who may write this record now?

A matched record is claimed once per org before it is touched: two keys that want one record never
both stamp it, whatever tasks they are in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RecordClaim:
    """A wish to stamp a key on a matched record."""

    #: 18 characters.
    record_id: str
    #: The normalised key that wants the record.
    key: str


class RecordClaims(Protocol):
    """Grants each record of an org to one key of one load at a time."""

    def claim(self, load_id: str, org_id: str, claims: Iterable[RecordClaim]) -> Mapping[str, str]:
        """Claim all records in one sorted statement; answers record id to the key that holds it now.

        A claim by the same key is answered with that key, whichever task or try made it. A claim that
        another load left behind is taken over once it has expired.
        """

    def claimed(self, load_id: str, org_id: str) -> Mapping[str, str]:
        """Record id to key, of all that the load has claimed and not given up."""

    def release(self, load_id: str, org_id: str, record_ids: Iterable[str]) -> None:
        """Give up this load's claims on records that were not written after all."""

    def release_load(self, load_id: str, org_id: str) -> None:
        """Give up all claims of a load that is over; what it wrote carries its key by now."""
