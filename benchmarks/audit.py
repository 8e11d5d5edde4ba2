"""How quick is remembering, and how quick are claims? Rows and keys a second, beside a bare ``executemany``.

Run: ``python benchmarks/audit.py [--chunks 30] [--chunk 1000]``. The bare insert writes the same columns to a
table with the same primary key and no index, in one transaction a chunk, through the database's own driver;
the ratio says what indexes, checks and cleaning cost on this machine. Claims are measured as a call needs them: the
keys of a chunk are claimed, then released; the bare insert is that of as many rows of claims.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, Table

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.audit.sql.rows import Row, entry_row
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.columns import utc_text
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.storable import key_hash
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
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
    for work, measured, rows in (
        ("remember", remembering, entry_rows),
        ("claim+release", claiming, claim_rows),
    ):
        table = tables.entry if rows is entry_rows else tables.key_claim
        bare_before = bare(engine, table, rows, chunks, chunk)
        wall, cpu = measured(engine, chunks, chunk)
        bare_seconds = min(bare_before, bare(engine, table, rows, chunks, chunk))
        print(
            f"{name:<11} {work:<13} {wall * 1e3:6.2f} ms a chunk of {chunk} ({chunk / wall:8,.0f} rows/s), "
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


def claiming(engine: Engine, chunks: int, chunk: int) -> tuple[float, float]:
    claims, scope = SqlKeyClaims(engine), KeyScope("00D000000000001EAA", "Lead", "Key__c")
    me = Claimant(uuid4().hex, uuid4().hex, "leads.upsert")
    batches = [[f"ext-{number * chunk + row:08d}" for row in range(chunk)] for number in range(chunks)]

    def claim_and_release(number: int) -> None:
        claims.claim(scope, me, batches[number])
        claims.release(scope, me, batches[number])

    claim_and_release(0)
    cpu = time.process_time()
    wall = median_seconds(claim_and_release, chunks)
    return wall, (time.process_time() - cpu) / chunks


def entry_rows(start: int, count: int) -> list[Row]:
    return [entry_row("load", entry) for entry in entries(start, count)]


def claim_rows(start: int, count: int) -> list[Row]:
    now = utc_text(datetime.now(UTC))
    times = dict.fromkeys(("claimed_at", "expires_at", "org_time"), now)
    same = {"org_id": "00D000000000001EAA", "sobject": "lead", "external_id_field": "key__c", **times}
    names = [column.name for column in tables.key_claim.columns]
    return [
        tuple(
            {**same, "key_hash": key_hash(str(row)), "token": "t", "load_id": "l", "task": "k"}.get(name)
            for name in names
        )
        for row in range(start, start + count)
    ]


def bare(engine: Engine, like: Table, rows: Callable[[int, int], list[Row]], chunks: int, chunk: int) -> float:
    names = [column.name for column in like.columns]
    table = f"bare_{uuid4().hex}"
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(mark for _ in names)})"
    batches = [rows(1 + number * chunk, chunk) for number in range(chunks)]
    primary_key = ", ".join(column.name for column in like.primary_key.columns)
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        columns = ", ".join(f"{n} {_TYPES.get(n, 'text')}" for n in names)
        cursor.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({primary_key}))")
        connection.commit()

        def insert(number: int) -> None:
            if engine.dialect.name == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(sql, batches[number])
            connection.commit()

        return median_seconds(insert, chunks)


_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("row_number", "partition", "map_index", "try_number", "attempts"), "integer"),
    "waited_seconds": "float",
}


def median_seconds(work: Callable[[int], None], times: int) -> float:
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
