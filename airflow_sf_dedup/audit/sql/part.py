"""What the parts of the audit have in common: the database, and the time of what they note."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from airflow_sf_dedup.core.clock import utc_now


class SqlPart:
    """Answers one port of the audit.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    :param clock: gives the times of journal events, UTC.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.clock = clock
