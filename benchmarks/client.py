"""What does the client itself cost? Rows a second and core of writing, classifying and auditing.

Run: ``python benchmarks/client.py [--rows 50000] [--profile]``. The real journey over real HTTP and a SQLite
audit; the org is a canned responder in another process, so its work is not counted. CPU seconds are those of
this process, user and system; wall seconds also wait for the responder and for the disk. Then the parts one by
one, as CPU microseconds a row.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import pstats
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from airflow_sf_dedup.audit.base import Audit, Load
from airflow_sf_dedup.core.outcomes import Saved
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.journeys.entry_maker import EntryMaker, TaskMark
from airflow_sf_dedup.journeys.partition_task import workshop_of
from airflow_sf_dedup.journeys.sql_stores import stores_in
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.wire import rest
from airflow_sf_dedup.staging.staged_load import StagedLoad

KEY = Field("External_Id__c", "External ID", "string", length=80, external_id=True, unique=True)
LEAD = SObject("Lead", (KEY, *(Field(name, name, "string") for name in ("FirstName", "LastName", "Email", "Company"))))
ORG_ID = "00D000000000001EAA"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--profile", action="store_true", help="show where the time goes, function by function")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, responder() as url:
        access = {"access_token": "benchmark", "instance_url": url}
        session = SalesforceSession(from_parts("benchmark", "salesforce_dedup", None, None, None, access))
        engine = engine_for(f"sqlite:///{Path(folder) / 'audit.db'}")
        upgrade(engine)
        stores = stores_in(engine)
        load(session, stores, "warm-up", 2000)
        profile = cProfile.Profile()
        if args.profile:
            profile.enable()
        wall, cpu = load(session, stores, "measured", args.rows)
        profile.disable()
        print(
            f"{args.rows:,} rows: {cpu:.2f} s CPU, {args.rows / cpu:,.0f} rows/s and core; "
            f"{wall:.2f} s wall, {args.rows / wall:,.0f} rows/s"
        )
        if args.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        else:
            parts(session, stores, args.rows)


def records(count: int) -> list[Record]:
    return [record(number) for number in range(1, count + 1)]


def record(number: int) -> Record:
    fields = {
        KEY.name: f"ext-{number * 7919 % 1_000_003:08d}",
        "FirstName": "Angela",
        "LastName": f"Example {number}",
        "Email": f"angela.{number}@example.com",
        "Company": "Example & Sons",
    }
    return Record(number, fields[KEY.name], fields, row_hash(fields))


def load(session: SalesforceSession, stores: Stores, load_id: str, rows: int) -> tuple[float, float]:
    """Wall and CPU seconds of one partition."""
    open_load(stores.audit, load_id)
    task = journey(session, stores, load_id)
    source = records(rows)
    wall, cpu = time.perf_counter(), time.process_time()
    task.run(source)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert stores.audit.totals(load_id).rows == rows
    return wall, cpu


def open_load(audit: Audit, load_id: str) -> None:
    now = datetime.now(UTC)
    audit.open_load(Load(load_id, ORG_ID, LEAD.name, KEY.name, "benchmark", "manual", "partition", now))


def journey(session: SalesforceSession, stores: Stores, load_id: str) -> Upsert:
    ref = PartitionRef(
        load_id=load_id,
        partition=0,
        partitions=1,
        rows=0,
        path="",
        checksum="",
        sobject=LEAD.name,
        external_id_field=KEY.name,
        org_id=ORG_ID,
        salesforce_conn_id="",
        audit_conn_id=None,
    )
    staged = StagedLoad(
        load_id=load_id,
        sobject=LEAD,
        described=LEAD,
        external_id_field=KEY.name,
        on_repeat="last",
        columns=(),
        allow_non_unique_key=False,
        created_at=datetime.now(UTC),
    )
    return workshop_of(
        ref,
        staged,
        WriteSettings(max_in_flight=1),
        session=session,
        stores=stores,
        task=TaskRun("benchmark", "manual", "upsert"),
    ).upsert()


def parts(session: SalesforceSession, stores: Stores, rows: int) -> None:
    """Where the time goes: each part by itself, on the same calls of 1,000 rows."""
    all_rows = records(rows)
    calls = [[call[start : start + 200] for start in range(0, len(call), 200)] for call in _thousands(all_rows)]
    api = CollectionsApi(session, sobject=LEAD.name, external_id_field=KEY.name)
    maker = EntryMaker(TaskMark(partition=0))
    answers = [canned_answer(len(chunk) for chunk in call) for call in calls]
    entries = [
        [maker.saved(row, Saved(f"00Q{row.row_number:012d}AAA", True)) for row in call] for call in _thousands(all_rows)
    ]
    open_load(stores.audit, "parts")
    measures: dict[str, Callable[[], object]] = {
        "write and read over HTTP": lambda: [api.upsert(call) for call in calls],
        "  of which classify": lambda: [
            rest.read_composite(answer, [len(chunk) for chunk in call])
            for call, answer in zip(calls, answers, strict=True)
        ],
        "make entries": lambda: [maker.saved(row, Saved("00Q000000000001AAA", True)) for row in all_rows],
        "audit": lambda: [stores.audit.remember("parts", some) for some in entries],
    }
    for name, work in measures.items():
        cpu = time.process_time()
        work()
        print(f"{name:<26}{(time.process_time() - cpu) / rows * 1e6:7.1f} µs a row")


def _thousands(rows: list[Record]) -> Iterator[list[Record]]:
    return (rows[start : start + 1000] for start in range(0, len(rows), 1000))


def canned_answer(sizes: Iterable[int]) -> dict[str, object]:
    """Success for every row, as ``/composite`` words it."""
    return {
        "compositeResponse": [
            {
                "body": [
                    {"id": f"00Q{number:012d}", "success": True, "errors": [], "created": True}
                    for number in range(1, size + 1)
                ],
                "httpHeaders": {},
                "httpStatusCode": 200,
                "referenceId": f"chunk{index}",
            }
            for index, size in enumerate(sizes)
        ]
    }


class responder:  # noqa: N801 - reads as what it is in a with statement
    """The canned org, in a process of its own."""

    def __enter__(self) -> str:
        ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        return f"http://127.0.0.1:{ours.recv()}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(port: Connection) -> None:
    asyncio.run(_listen(port))


async def _listen(port: Connection) -> None:
    server = await asyncio.start_server(_answer_calls, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer_calls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answers: dict[tuple[int, ...], bytes] = {}
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            request = json.loads(await reader.readexactly(length))
            sizes = tuple(len(part["body"]["records"]) for part in request["compositeRequest"])
            body = answers.setdefault(sizes, json.dumps(canned_answer(sizes)).encode())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


if __name__ == "__main__":
    main()
