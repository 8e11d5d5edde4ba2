"""Does the load carry what a new record needs? An update needs less, so what is missing is worth a warning only."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_sf_dedup.core.field_names import field_named
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.wording import listed


def lacking(describe: SObject, columns: Iterable[str]) -> str | None:
    """What is said of required fields for which the source has no column; ``None``: it has them all.

    Page layouts, validation rules and record types may require more, which describe does not tell.

    :param columns: all columns that are sent, in any spelling.
    """
    sent = {found.field.name for name in columns if (found := field_named(describe, name)) is not None}
    missing = [field.name for field in describe.fields if field.required and field.name not in sent]
    if not missing:
        return None
    return (
        f"the source has no column {listed(missing, between=' and ')}, which a new {describe.name} requires: rows "
        "whose key no record holds will fail with REQUIRED_FIELD_MISSING"
    )
