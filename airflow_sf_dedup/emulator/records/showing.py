"""How is a kept value shown in JSON?"""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.records.schema import Field

DECIMAL = frozenset({"double", "currency", "percent"})
_EXACT = 2**53


def shown(field: Field, value: Any) -> Any:
    """Decimals always have a fraction (``12.0``), as long as a double can hold them."""
    if field.kind in DECIMAL and type(value) is int and abs(value) < _EXACT:
        return float(value)
    return value
