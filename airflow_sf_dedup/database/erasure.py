"""What is deleted leaves the disk too."""

from __future__ import annotations

from sqlalchemy import Engine


def empty_wal(engine: Engine) -> None:
    """Take erased values out of SQLite's write-ahead log too, as far as no reader still needs it."""
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
