"""How fast is the emulated org? Rows a second of upserts, 200 a call, one call after the other.

Run: ``python benchmarks/emulator.py [--rows 20000] [--existing 100000]``. The org is the bundled one, in a process of
its own; this process only sends bodies that are ready and reads the answers' bytes. A quarter of the rows match a
record that is there, by its e-mail address or by name and company. "Core" counts the CPU seconds of the org's process
alone, "wall" what a caller waits for the median call. The lines differ in one thing each, so that their ratios say
what it costs: duplicate rules, and records to compare with.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import yaml

from airflow_sf_dedup.emulator import Org

TWO_RULES = ("Lead_Email", "Standard_Lead_Duplicate_Rule")
ROWS_A_CALL = 200
#: Seconds of the finest step in which the kernel counts CPU time.
TICK = 1 / os.sysconf("SC_CLK_TCK")
PATH = "/services/data/v60.0/composite/sobjects/Lead/External_Id__c"
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
FIRST_NAMES = ("Ada", "Ben", "Cleo", "Dina", "Emil", "Finn", "Gina", "Hugo", "Ines", "Jan", "Kaja", "Lars", "Mona")
FORMS = ("AG", "GmbH", "Inc", "Ltd", "SA")

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--existing", type=int, default=100_000)
    args = parser.parse_args()
    few = args.existing // 100
    baseline = measured("no rule", (), args.existing, args.rows)
    measured("two rules", TWO_RULES, args.existing, args.rows, baseline)
    measured("two rules, few records", TWO_RULES, few, args.rows, baseline)


@dataclass(frozen=True, slots=True)
class Speed:
    """Rows a second."""

    core: float
    wall: float


def measured(what: str, rules: tuple[str, ...], existing: int, rows: int, baseline: Speed | None = None) -> Speed:
    chance = random.Random(17)
    there = [lead(chance, number) for number in range(existing)]
    new = [incoming(chance, number, there) for number in range(existing, existing + rows)]
    with org(rules, there) as (process, connection, token):
        created, answers = sent(process, connection, token, new)
        changed, _ = sent(process, connection, token, new)
    for name, speed in (("creates", created), ("repeated", changed)):
        ratio = f"  {speed.core / baseline.core:4.2f} x" if baseline else ""
        told = f"{speed.core:>8,.0f} rows/s and core {speed.wall:>8,.0f} wall{ratio}"
        print(f"{what:24} {existing:>8,} records  {name:9} {told}")
    print(f"{'':24} {', '.join(f'{count:,} {outcome}' for outcome, count in sorted(answers.items()))}")
    return created


def sent(
    process: psutil.Process, connection: http.client.HTTPConnection, token: str, rows: list[Row]
) -> tuple[Speed, Counter[str]]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    bodies = [body(rows[start : start + ROWS_A_CALL]) for start in range(0, len(rows), ROWS_A_CALL)]
    answers, seconds = [], []
    before = cpu_seconds(process)
    for each in bodies:
        began = time.perf_counter()
        connection.request("PATCH", PATH, each, headers)
        answers.append(connection.getresponse().read())
        seconds.append(time.perf_counter() - began)
    cpu = cpu_seconds(process) - before
    outcomes = Counter(
        "saved" if row["success"] else row["errors"][0]["statusCode"] for each in answers for row in json.loads(each)
    )
    # The kernel counts in ticks: what takes less than one is told as one.
    return Speed(len(rows) / max(cpu, TICK), ROWS_A_CALL / median(seconds)), outcomes


@contextmanager
def org(rules: tuple[str, ...], records: list[Row]) -> Iterator[tuple[psutil.Process, http.client.HTTPConnection, str]]:
    others = {rule.name for rule in Org.read(None).definition.duplicate_rules} - set(rules)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "org.yaml")
        settings.write_text(yaml.safe_dump({"extends": "default", "duplicate_rules": dict.fromkeys(others)}))
        seed = Path(folder, "leads.ndjson")
        seed.write_text("\n".join(json.dumps(each) for each in records))
        command = [sys.executable, "-m", "airflow_sf_dedup.emulator", "--quiet"]
        with subprocess.Popen(
            [*command, "--org", str(settings), "--seed", f"Lead={seed}"], stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            begun = json.loads(running.stdout.readline())
            connection = http.client.HTTPConnection(begun["url"].removeprefix("http://"))
            try:
                yield psutil.Process(running.pid), connection, begun["access_token"]
            finally:
                connection.close()
                running.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def body(rows: list[Row]) -> bytes:
    records = [{"attributes": {"type": "Lead"}, **row} for row in rows]
    return json.dumps({"allOrNone": False, "records": records}).encode()


def lead(chance: random.Random, number: int) -> Row:
    first, last = chance.choice(FIRST_NAMES), word(chance, 3)
    return {
        "FirstName": first,
        "LastName": last,
        "Company": f"{word(chance, 2)} {chance.choice(FORMS)}",
        "Email": f"{first}.{last}.{number}@leads.example".lower(),
        "Phone": f"+1 555 {number:07d}",
        "External_Id__c": f"K-{number}",
    }


def incoming(chance: random.Random, number: int, there: list[Row]) -> Row:
    new = lead(chance, number)
    if number % 4 or not there:
        return new
    known = chance.choice(there)
    names = ("Email",) if number % 8 else ("FirstName", "LastName", "Company")
    return {**new, **{name: known[name] for name in names}}


def word(chance: random.Random, syllables: int) -> str:
    return "".join(chance.choices(SYLLABLES, k=syllables)).title()


if __name__ == "__main__":
    main()
