"""Leave both the row and the record as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airflow_sf_dedup.core import decisions
from airflow_sf_dedup.policies.base import Composable


@dataclass(frozen=True, repr=False)
class Skip(Composable):
    """Do not load the row; the audit keeps it with its matches."""

    name: ClassVar[str] = "skip"

    def decide(self, case: decisions.DuplicateCase) -> decisions.SkipRow:
        """Claims every case."""
        return decisions.SkipRow()
