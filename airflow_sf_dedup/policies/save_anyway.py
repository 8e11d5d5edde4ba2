"""Save the row although a rule warns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airflow_sf_dedup.core import decisions
from airflow_sf_dedup.policies.base import Composable


@dataclass(frozen=True, repr=False)
class SaveAnyway(Composable):
    """Save the row with ``allowSave=true`` where every rule that refused it says ``allowSave: true``.

    A blocking rule cannot be overridden (``Sforce-Duplicate-Rule-Header``: only alerts are), so such
    a row passes on to the next policy.
    """

    name: ClassVar[str] = "save_anyway"

    def decide(self, case: decisions.DuplicateCase) -> decisions.SaveRow | decisions.Pass:
        """Claims what the org allows to be saved."""
        return decisions.SaveRow() if case.allow_save else decisions.Pass("rule_blocks_saving")
