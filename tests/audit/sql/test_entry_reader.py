"""Entries are read page by page, however many there are."""

from __future__ import annotations

from sqlalchemy import event

from airflow_sf_dedup.testing.contracts.audit import MATCH, a_load, an_entry


def test_a_page_takes_one_query_a_table(audit, engine):
    load, statements = a_load(), []
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(row, values={}, matches=(MATCH,)) for row in range(1, 1001)])
    listener = lambda *call: statements.append(call[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    list(audit.entries(load.load_id, page_size=500))
    event.remove(engine, "before_cursor_execute", listener)
    assert sum(statement.startswith("SELECT") and "sf_dedup" in statement for statement in statements) == 11
