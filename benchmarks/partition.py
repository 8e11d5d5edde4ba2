"""Rows a second and core from a CSV file to staged partitions, beside a bare csv.DictReader loop over the same file.

    python benchmarks/partition.py [rows]

The ratio is what to compare between machines and releases; the rates depend on the machine.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.journeys.partition import partition_source
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_partition

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ("FirstName", "LastName", "Company", "Email", "Phone", "Street", "City")
LEAD = SObject(
    "Lead",
    (
        Field("Key__c", "Key", "string", length=40, external_id=True, unique=True),
        Field("Born__c", "Born", "date"),
        Field("Revenue__c", "Revenue", "currency", scale=2),
        *(Field(name, name, "string", length=255) for name in TEXTS),
    ),
)


class NoAudit:
    """Takes entries and forgets them: the audit has a benchmark of its own."""

    def open_load(self, load: Load) -> None: ...
    def update_load(self, load_id: str, **changes: Any) -> None: ...
    def remember(self, load_id: str, entries: Sequence[Entry]) -> None: ...
    def note(self, load_id: str, event: str, detail: Mapping[str, Any]) -> None: ...


def write_source(path: Path, rows: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Key__c", "Born__c", "Revenue__c", *TEXTS])
        for n in range(rows):
            writer.writerow([f"K-{n}", "1999-12-31", f"{n}.50", *(f"{name} {n}" for name in TEXTS)])


def bare_loop(path: Path) -> int:
    with path.open(newline="") as file:
        return sum(1 for _ in csv.DictReader(file))


def stage(path: Path, folder: Path) -> list[PartitionRef]:
    return partition_source(
        source_of(path),
        PartitionSettings(external_id_field="Key__c", partitions=8, salesforce_conn_id="sf"),
        load=Load("load", "00D000000000001AAA", "Lead", "Key__c", "dag", "run", "task", NOW),
        describe=LEAD,
        staging=StagingArea(str(folder)),
        audit=NoAudit(),
        clock=lambda: NOW,
    )


def write_again(folder: Path, refs: list[PartitionRef]) -> float:
    """CPU seconds to write records that are already in memory."""
    records = [list(read_partition(ref)) for ref in refs]
    return seconds(lambda: [StagingArea(str(folder)).write_partition("load", 99, some) for some in records])[0]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of the best of three tries, and what the last one answered."""
    best, answer = float("inf"), None
    for _ in range(3):
        before = time.process_time()
        answer = work()
        best = min(best, time.process_time() - before)
    return best, answer


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        write_source(path, rows)
        bare, _ = seconds(lambda: bare_loop(path))
        staging, refs = seconds(lambda: stage(path, Path(folder)))
        reading, _ = seconds(lambda: sum(1 for ref in refs for _ in read_partition(ref)))
        writing = write_again(Path(folder), refs)
    measured = {
        "rows": rows,
        "dictreader_rows_per_second": round(rows / bare),
        "partition_rows_per_second": round(rows / staging),
        "partition_to_dictreader": round(bare / staging, 3),
        "staging_write_rows_per_second": round(rows / writing),
        "staging_read_rows_per_second": round(rows / reading),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
