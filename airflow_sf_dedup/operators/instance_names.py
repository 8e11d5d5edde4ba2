"""What the instances of a mapped upsert task are called in Airflow's pages."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.wording import counted

if TYPE_CHECKING:
    from airflow_sf_dedup.audit.base import Totals

#: Airflow renders it before the task runs and again when it has.
MAP_INDEX_TEMPLATE = "{{ ti.task.instance_name }}"


def size_label(work: Any) -> str:
    """``2 of 8 · 625 rows`` for a partition's reference, ``17 rows`` for rows; blank for anything else."""
    if isinstance(work, Mapping):
        try:
            return f"{work['partition'] + 1} of {work['partitions']} · {counted(work['rows'], 'rows')}"
        except (KeyError, TypeError, ValueError):
            return ""
    return counted(len(work), "rows") if isinstance(work, Sized) and not isinstance(work, str) else ""


def outcome_label(totals: Totals) -> str:
    """`` · 150 blocked · 3 failed · 45 not sent``, as far as there are such rows."""
    from airflow_sf_dedup.core.shortfall import in_words

    blocked = sum(rows for (_, code, _), rows in totals.reasons.items() if code == "DUPLICATES_DETECTED")
    counts = [f"{blocked:,} blocked"] if blocked else []
    return "".join(f" · {words}" for words in [*counts, *in_words(totals.actions)])
