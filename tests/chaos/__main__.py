"""``python -m tests.chaos --runs N``: many runs, a line of progress each hundred, every finding with its seed."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from tests.chaos.scenario import KINDS

if TYPE_CHECKING:
    from tests.chaos.run import Outcome

#: Findings of one run that are printed.
_SHOWN = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 1 if anything was found."""
    options = _parser().parse_args(arguments)
    home = tempfile.mkdtemp(prefix="sfdd-chaos-airflow-")
    os.environ["AIRFLOW_HOME"] = home
    # Below, because it imports Airflow, which looks for its home when it is imported.
    from tests.chaos.pool import run_many

    signal.signal(signal.SIGTERM, _stop)
    start, report = time.monotonic(), Report()
    try:
        seeds = [seed for seed in range(options.seed, options.seed + options.runs) for _ in range(options.repeat)]
        with closing(run_many(seeds, options.kind, jobs=options.jobs)) as outcomes:
            for outcome in outcomes:
                report.add(outcome)
                if report.runs % options.every == 0:
                    _say(f"{report.runs} runs in {time.monotonic() - start:.0f} s, {report.failed} with findings")
    except KeyboardInterrupt:
        _say("stopped")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _say(report.summary(time.monotonic() - start))
    return 1 if report.failed else 0


def _stop(*_: object) -> None:
    """Stop as at Ctrl-C, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Runs under faults and kills, checked.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others follow")
    parser.add_argument("--kind", choices=(*KINDS, "all"), default="all")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, each with an org of its own")
    parser.add_argument("--every", type=int, default=100, help="runs between two lines of progress")
    parser.add_argument("--repeat", type=int, default=1, help="times that each seed is run")
    return parser


class Report:
    """What all runs did."""

    def __init__(self) -> None:
        self.runs = 0
        self.failed = 0
        self._kinds: Counter[str] = Counter()
        self._with_kill: Counter[str] = Counter()
        self._checks: Counter[int] = Counter()
        self._sums: dict[str, Counter[str]] = {
            name: Counter() for name in ("counts", "faults", "ends", "actions", "excused")
        }

    def add(self, outcome: Outcome) -> None:
        """Count a run, and print what is wrong with it."""
        self.runs += 1
        self._kinds[f"{outcome.scenario.kind} on {outcome.scenario.database}"] += 1
        if outcome.counts["kills"]:
            self._with_kill[outcome.scenario.kind] += 1
        for name, total in self._sums.items():
            total.update(getattr(outcome, name))
        if outcome.findings:
            self.failed += 1
            self._checks.update(finding.check for finding in outcome.findings)
            _say_findings(outcome)

    def summary(self, seconds: float) -> str:
        lines = [
            f"{self.runs} runs in {seconds:.0f} s: {_shown(self._kinds)}",
            f"runs in which a living process was killed: {_shown(self._with_kill) or 'none'}",
            f"runs with findings: {self.failed}; findings by check: {_shown(self._checks) or 'none'}",
        ]
        return "\n".join([*lines, *(f"{name}: {_shown(total)}" for name, total in self._sums.items())])


def _shown(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]) if count)


def _say_findings(outcome: Outcome) -> None:
    scenario = outcome.scenario
    _say(f"seed {scenario.seed} ({scenario.kind} on {scenario.database}): {len(outcome.findings)} findings")
    for finding in outcome.findings[:_SHOWN]:
        _say(f"    {finding}")
    _say(f"    again: python -m tests.chaos --runs 1 --seed {scenario.seed} --kind {scenario.kind} --repeat 20")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
