"""``python -m dags_examples.demo``: the morning load of 5,000 leads, of which the org knows 1,200 already."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from dags_examples.demo.airflow_side import ROOT, airflow
from dags_examples.demo.org import emulated_org
from dags_examples.demo.people import morning
from dags_examples.demo.progress import Progress
from dags_examples.demo.run import write_leads
from dags_examples.demo.story import Story

#: What the demo writes into its folder, and removes before it begins.
FILES = ("leads.csv", "audit.db", "audit.db-shm", "audit.db-wal", "awaiting_review.csv", "airflow.log", "run.json")
FOLDERS = ("airflow", "staging", "records")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when every run was green and lost no row."""
    options = _options(arguments)
    folder = _emptied(options.folder.resolve())
    # Ended from outside, the demo still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say = Progress(sys.stderr)
    say("starting an emulated org and Airflow")
    with (
        emulated_org(options.port) as org,
        airflow(folder, org.url, org.access_token, partitions=options.partitions) as runner,
    ):
        today = morning(options.rows, options.seed)
        write_leads(folder / "leads.csv", today)
        console = Console(width=None if sys.stdout.isatty() else 132, highlight=False)
        story = Story(org, runner, today, org.hold(today.held), folder=folder, console=console, say=say)
        good = story.tell(options.runs)
        if options.serve:
            story.serve()
    return 0 if good else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dags_examples.demo", description=__doc__)
    parser.add_argument("--rows", type=_from(100), default=5000, help="leads in the file, 100 or more")
    parser.add_argument("--seed", type=int, default=11, help="another seed, other people")
    parser.add_argument("--partitions", type=_from(1), default=8, help="tasks that share the load")
    parser.add_argument("--runs", type=_from(1), default=1, help="load the same file so many times")
    parser.add_argument("--serve", action="store_true", help="keep the org up after the report, until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="of the emulated org; 0 takes any free one")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where everything is written")
    return parser.parse_args(arguments)


def _from(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return number


def _emptied(folder: Path) -> Path:
    """The folder without what an earlier demo left; nothing else in it is touched."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    return folder


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
