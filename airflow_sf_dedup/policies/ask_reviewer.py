"""Leave it to a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airflow_sf_dedup.core.decisions import Ask, DuplicateCase, uncertainty
from airflow_sf_dedup.policies.base import Composable


@dataclass(frozen=True, repr=False)
class AskReviewer(Composable):
    """Keep the row, its values and its matches until a person has decided."""

    name: ClassVar[str] = "ask_reviewer"

    def decide(self, case: DuplicateCase) -> Ask:
        """Claims every case."""
        return Ask(uncertainty(case) or "by_policy")
