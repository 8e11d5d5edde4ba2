"""How well are duplicates traced and decided, where the truth is known? A load by each policy, compared with it.

Run: ``make truth``, or ``python benchmarks/ground_truth.py PEOPLE.csv --org ORG.yaml [--policy "…"]``. The file says of
each record which ``person`` it is, and whether the org has it (``place`` is ``org``) or a load brings it (``load``);
the other columns are fields of leads. Each policy gets an emulated org of its own, with the duplicate rules of the org
file, and loads all rows in one partition by the real journey over HTTP.

A row is *known* where the org has a record of its person when the load begins. Of these rows, *traced*: a record of
the person is among the row's matches. Then what became of it: *right*, it was written to a record of its person;
*asked*, a person is shown one; *doubled*, it became one more record of its person; *wrong*, it was written to
somebody else; *lost sight*: asked about, skipped or refused without one of its person's records beside it. Of rows
that nobody knows, *new* became the first record of their person, *recognised* were written to it or asked about with
it, *twins* became one more, *taken for another* were written to somebody else, and *held up* were asked about or
skipped though nobody is there whom they could be. With ``--new`` the load brings everybody, and the org knows nobody;
``--twins FIELD …`` loads with these ``twin_fields``.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.journeys.beginning import Beginning
from airflow_sf_dedup.journeys.load_settings import LoadSettings
from airflow_sf_dedup.journeys.partition_task import upsert_partition
from airflow_sf_dedup.journeys.sql_stores import stores_in
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.staging.area import StagingArea

EXAMPLE = Path(__file__).parent / "truth" / "example.csv"
KEY = "External_Id__c"
POLICIES = (
    "ask_reviewer",
    "update_existing | ask_reviewer",
    "update_existing(min_confidence=95) | ask_reviewer",
    "save_anyway | update_existing | ask_reviewer",
)
TASK = TaskRun("ground_truth", "manual", "upsert")


@dataclass(frozen=True, slots=True)
class People:
    """Who is who."""

    #: Fields and person of each record that the org has.
    held: Sequence[tuple[Mapping[str, str], str]]
    #: The same of each row of the load.
    rows: Sequence[tuple[Mapping[str, str], str]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "file", type=Path, nargs="?", default=EXAMPLE, help="CSV with person, place and the fields of leads"
    )
    parser.add_argument("--org", type=Path, help="org file with the duplicate rules; by default the bundled org")
    parser.add_argument("--policy", action="append", help="may be given several times")
    parser.add_argument("--new", action="store_true", help="the load brings everybody, to an org that knows nobody")
    parser.add_argument("--twins", nargs="+", metavar="FIELD", help="twin_fields of the load")
    args = parser.parse_args()
    people = read_people(args.file, all_new=args.new)
    print(f"{args.file.stem}: the org has {len(people.held):,} leads, the load brings {len(people.rows):,} rows")
    scores = {policy: counted(policy, people, args.org, args.twins) for policy in args.policy or POLICIES}
    Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(*tables(scores))


def read_people(file: Path, *, all_new: bool = False) -> People:
    """The people of a file.

    :param all_new: the load brings everybody, in the order of the file.
    :raises SystemExit: a record says nothing of its person or its place.
    """
    by_place: dict[str, list[tuple[Mapping[str, str], str]]] = defaultdict(list)
    with file.open(newline="", encoding="utf-8") as lines:
        for number, line in enumerate(csv.DictReader(lines), start=2):
            person, place = line.pop("person", ""), line.pop("place", "")
            if not person or place not in ("org", "load"):
                raise SystemExit(f"{file}, line {number}: needs a person, and a place that is org or load")
            by_place["load" if all_new else place].append(
                ({name: value for name, value in line.items() if value}, person)
            )
    return People(by_place["org"], by_place["load"])


def counted(policy: str, people: People, org_file: Path | None, twins: Sequence[str] | None = None) -> Score:
    """What the policy made of the rows, in an org of its own."""
    with EmulatedOrg.start(org_file) as org:
        ids = org.seed("Lead", [fields for fields, _ in people.held])
        who = dict(zip(ids, (person for _, person in people.held), strict=True))
        return judged(people, who, list(loaded(policy, [fields for fields, _ in people.rows], org, twins)))


def loaded(
    policy: str, rows: Iterable[Mapping[str, str]], org: EmulatedOrg, twins: Sequence[str] | None
) -> Iterator[Entry]:
    """The audit's entries, in the order of the rows."""
    write = WriteSettings(on_duplicate=policy)
    source = [{KEY: f"row-{number}", **row} for number, row in enumerate(rows, start=1)]
    with tempfile.TemporaryDirectory() as named:
        folder, session = Path(named), session_of(org)
        engine = engine_for(f"sqlite:///{folder / 'audit.db'}")
        upgrade(engine)
        stores = stores_in(engine)
        begin = Beginning(
            session,
            lambda: stores.audit,
            lambda: StagingArea(str(folder / "staging"), str(folder)),
            TASK,
            retention_days=1,
            most_partitions=1,
        ).begin
        load_id = str(uuid.uuid4())
        settings = LoadSettings("Lead", KEY, partitions=1, write=write, twin_fields=twins)
        for ref in begin(source, settings, load_id):
            upsert_partition(ref, settings=lambda: write, session=lambda: session, stores=stores, task=TASK)
        yield from stores.audit.entries(load_id)
        engine.dispose()


def session_of(org: EmulatedOrg) -> SalesforceSession:
    """A login to it."""
    access = {"access_token": org.access_token, "instance_url": org.url}
    return SalesforceSession(from_parts("ground_truth", "salesforce_dedup", None, None, None, access))


#: What becomes of rows that the org knows, and of the others.
KNOWN = ("right", "asked", "doubled", "wrong", "lost sight", "refused")
UNKNOWN = ("new", "recognised", "twins", "taken for another", "held up", "refused")


@dataclass(frozen=True, slots=True)
class Score:
    """Rows, by what they should have become and became."""

    traced: int
    known: Counter[str]
    unknown: Counter[str]


def judged(people: People, who: Mapping[str, str], entries: Sequence[Entry]) -> Score:
    """Compare with the truth.

    :param who: record id to person, of what the org had.
    """
    there = set(who.values())
    made = {entry.record_id: people.rows[entry.row_number - 1][1] for entry in entries if _is_created(entry)}
    who = {**who, **{record_id: person for record_id, person in made.items() if record_id}}
    known, unknown, traced = Counter[str](), Counter[str](), 0
    begun: set[str] = set()
    for entry in entries:
        person = people.rows[entry.row_number - 1][1]
        if person in there:
            traced += _meets(entry, person, who)
            known[_of_known(entry, person, who)] += 1
        else:
            unknown["twins" if _is_created(entry) and person in begun else _of_unknown(entry, person, who)] += 1
            begun |= {person} if _is_created(entry) else set()
    return Score(traced, known, unknown)


def _is_created(entry: Entry) -> bool:
    return entry.action in (Action.CREATED, Action.SAVED_ANYWAY)


def _meets(entry: Entry, person: str, who: Mapping[str, str]) -> bool:
    return any(who.get(match.record_id) == person for match in entry.matches)


def _of_known(entry: Entry, person: str, who: Mapping[str, str]) -> str:
    if _is_created(entry):
        return "doubled"
    if entry.action in WRITTEN:
        return "right" if who.get(entry.record_id or "") == person else "wrong"
    if entry.action is Action.FAILED or entry.action is Action.INVALID:
        return "refused"
    return "asked" if _meets(entry, person, who) else "lost sight"


def _of_unknown(entry: Entry, person: str, who: Mapping[str, str]) -> str:
    if _is_created(entry):
        return "new"
    if entry.action in (Action.FAILED, Action.INVALID):
        return "refused"
    if entry.action in WRITTEN:
        return "recognised" if who.get(entry.record_id or "") == person else "taken for another"
    return "recognised" if _meets(entry, person, who) else "held up"


def tables(scores: Mapping[str, Score]) -> Iterator[Table]:
    """Of the rows of people that the org knows, and of the others, where there are any: a line for each policy."""
    first = next(iter(scores.values()))
    if known := first.known.total():
        cells = {policy: [score.traced, *(score.known[each] for each in KNOWN)] for policy, score in scores.items()}
        yield _table(f"{known:,} rows of people that the org knows", ("traced", *KNOWN), cells)
    if others := first.unknown.total():
        counts = {policy: [score.unknown[each] for each in UNKNOWN] for policy, score in scores.items()}
        yield _table(f"{others:,} rows of others", UNKNOWN, counts)


def _table(title: str, headings: Iterable[str], counts: Mapping[str, Iterable[int]]) -> Table:
    shown = Table(title=title, title_justify="left")
    shown.add_column("policy", overflow="fold")
    for heading in headings:
        shown.add_column(heading, justify="right")
    for policy, some in counts.items():
        shown.add_row(policy, *(f"{each:,}" for each in some))
    return shown


if __name__ == "__main__":
    main()
