"""Points in time as Salesforce writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

#: ``2021-08-31T01:31:16.000+0000``.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)")


def read_org_moment(value: Any) -> datetime | None:
    """A point in time in UTC; ``None``: it is none."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
