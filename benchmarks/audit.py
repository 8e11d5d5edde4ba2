"""How quick is remembering? Rows a second of ``SqlAudit.remember``, beside a bare ``executemany``.

Run: ``python benchmarks/audit.py [--chunks 30] [--chunk 1000]``. The bare insert writes the same columns to a
table with the same primary key and no index, in one transaction a chunk, through the database's own driver;
the ratio says what indexes, checks and cleaning cost on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from airflow_sf_dedup.audit import tables
from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.engine import engine_for
from airflow_sf_dedup.audit.rows import entry_row
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.audit.upgrade import upgrade
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.testing.postgres import postgres_server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=30)
    parser.add_argument("--chunk", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report("sqlite", engine_for(f"sqlite:///{Path(folder) / 'audit.db'}"), args.chunks, args.chunk)
    with postgres_server(durable=True) as url:
        report("postgresql", engine_for(url), args.chunks, args.chunk)


def report(name: str, engine: Engine, chunks: int, chunk: int) -> None:
    upgrade(engine)
    bare_before = bare(engine, chunks, chunk)
    wall, cpu = remembering(engine, chunks, chunk)
    bare_seconds = min(bare_before, bare(engine, chunks, chunk))
    print(
        f"{name:<11} remember {wall * 1e3:6.2f} ms a chunk of {chunk} ({chunk / wall:8,.0f} rows/s), "
        f"client CPU {cpu * 1e3:6.2f} ms; bare {bare_seconds * 1e3:6.2f} ms; ratio {wall / bare_seconds:.2f}"
    )
    engine.dispose()


def entries(start: int, count: int) -> list[Entry]:
    now = datetime.now(UTC)
    return [
        Entry(
            row_number=row,
            action=Action.CREATED,
            at=now,
            key=f"ext-{row * 7919 % 1_000_003:08d}",
            row_hash=f"{row * 0x9E3779B97F4A7C15 % 2**128:032x}",
            record_id=f"00Q{row:015d}",
            partition=3,
            map_index=3,
        )
        for row in range(start, start + count)
    ]


def remembering(engine: Engine, chunks: int, chunk: int) -> tuple[float, float]:
    audit, load_id = SqlAudit(engine), uuid4().hex
    audit.open_load(
        Load(
            load_id=load_id,
            org_id="00D000000000001EAA",
            sobject="Lead",
            external_id_field="Key__c",
            dag_id="benchmark",
            run_id="manual",
            task_id="partition",
            started_at=datetime.now(UTC),
        )
    )
    batches = [entries(1 + number * chunk, chunk) for number in range(chunks)]
    audit.remember(load_id, batches[0])
    cpu = time.process_time()
    wall = median_seconds(lambda number: audit.remember(load_id, batches[number]), chunks)
    return wall, (time.process_time() - cpu) / chunks


def bare(engine: Engine, chunks: int, chunk: int) -> float:
    names = [column.name for column in tables.entry.columns]
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    sql = f"INSERT INTO bare ({', '.join(names)}) VALUES ({', '.join(mark for _ in names)})"
    load_id = uuid4().hex
    batches = [[entry_row(load_id, entry) for entry in entries(1 + number * chunk, chunk)] for number in range(chunks)]
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        columns = ", ".join(f"{n} {'integer' if n in _NUMBERS else 'text'}" for n in names)
        cursor.execute(f"CREATE TABLE IF NOT EXISTS bare ({columns}, PRIMARY KEY (load_id, row_number))")
        connection.commit()

        def insert(number: int) -> None:
            if engine.dialect.name == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(sql, batches[number])
            connection.commit()

        return median_seconds(insert, chunks)


_NUMBERS: Sequence[str] = ("row_number", "partition", "map_index", "try_number")


def median_seconds(work: Callable[[int], None], times: int) -> float:
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
