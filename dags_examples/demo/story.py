"""The demo from begin to end: introduce, run, report, and the same again if wanted."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from dags_examples.demo.airflow_side import Airflow
from dags_examples.demo.org import Org
from dags_examples.demo.people import Held, Morning
from dags_examples.demo.progress import Progress
from dags_examples.demo.report import introduction, json_line, show
from dags_examples.demo.run import Run, keyed_rows, run_once, settle
from dags_examples.demo.truth import score, true_pairs

_LAST_OF_LOG = 15


@dataclass
class Story:
    """One file, one org, one or more runs."""

    org: Org
    airflow: Airflow
    morning: Morning
    #: What the org held before the first run, by id.
    held: Mapping[str, Held]
    folder: Path = field(kw_only=True)
    console: Console = field(kw_only=True)
    say: Progress = field(kw_only=True)

    def tell(self, runs: int) -> bool:
        """Run so many times, with a report and a JSON line each; whether all went well."""
        done: list[Run] = []
        for number in range(1, runs + 1):
            found_by_key = keyed_rows(self.org, self.morning)
            run = self._run(number, len(found_by_key))
            if run is None:
                return False
            done.append(run)
            # What can be looked at is there before the last line says so.
            self._write_down(done)
            self._report(run, found_by_key)
        return all(run.state == "success" and run.lost == 0 for run in done)

    def serve(self) -> None:
        """Keep the org up, for whoever wants to look."""
        sys.stderr.write(f"The org answers at {self.org.url} (see {self.folder / 'run.json'}) until Ctrl-C.\n")
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(1)

    def _run(self, number: int, keyed: int) -> Run | None:
        self.say.clear()
        self.console.print(introduction(number, self.morning, self.held, self.org.url, keyed))
        run = run_once(self.airflow, self.org, self.folder, self.say)
        self.say.clear()
        if run is None:
            self._show_log("The Dag run never got to a load.")
            return None
        if run.state != "success":
            self._show_log(f"The Dag run is {run.state}.")
        return run

    def _report(self, run: Run, found_by_key: Set[int]) -> None:
        pairs = ((match["row_number"], match["record_id"]) for match in run.traced)
        scored = score(true_pairs(self.held, found_by_key), pairs)
        show(self.console, run, scored, morning=self.morning, held=self.held, folder=self.folder)
        sys.stdout.write(json_line(run, scored, self.folder) + "\n")
        sys.stdout.flush()

    def _show_log(self, words: str) -> None:
        log = self.folder / "airflow.log"
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_OF_LOG:]
        sys.stderr.write("\n".join([f"{words} The end of {log}:", *last]) + "\n")

    def _write_down(self, runs: list[Run]) -> None:
        """Leave what the org holds beside the audit, for checks after the org has gone."""
        settle(self.folder / "audit.db")
        records = self.folder / "records"
        records.mkdir(exist_ok=True)
        for sobject in ("Lead", "Contact"):
            (records / f"{sobject}.json").write_text(json.dumps(self.org.records(sobject)), encoding="utf-8")
        document = {
            "url": self.org.url,
            "access_token": self.org.access_token,
            "audit": str(self.folder / "audit.db"),
            "leads": str(self.folder / "leads.csv"),
            "load_ids": [run.load_id for run in runs],
        }
        (self.folder / "run.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
