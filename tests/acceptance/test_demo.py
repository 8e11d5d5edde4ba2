"""The demo, judged from outside: its JSON against the org's own records and the audit's tables."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from dags_examples.demo.people import KEY_FIELD, KNOWN, morning, shares
from dags_examples.demo.report import ABOUT_THE_RUN
from dags_examples.demo.truth import score, true_pairs

ROOT = Path(__file__).parents[2]
ROWS = 600


@dataclass(frozen=True)
class Demo:
    """A demo that has reported, and still serves its org."""

    folder: Path
    #: All it has printed.
    lines: list[str]

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith('{"rows"')]

    def org(self, path: str) -> Any:
        url = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))["url"]
        return requests.get(f"{url}/_emulator/{path}", timeout=60).json()

    def ask(self, sql: str, *values: Any) -> list[Any]:
        with sqlite3.connect(f"file:{self.folder / 'audit.db'}?mode=ro", uri=True) as audit:
            return audit.execute(sql, values).fetchall()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Two runs of the same file, and the org still up."""
    folder = tmp_path_factory.mktemp("demo")
    options = ["--rows", str(ROWS), "--runs", "2", "--serve", "--folder", str(folder)]
    with (
        (folder / "stderr").open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "dags_examples.demo", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if sum(each.startswith('{"rows"') for each in lines) == 2:
                    break
            else:
                pytest.fail("\n".join([*lines, (folder / "stderr").read_text(encoding="utf-8")]))
            yield Demo(folder, lines)
        finally:
            process.terminate()


def actions(document: dict[str, Any]) -> dict[str, int]:
    return {name: rows for name, rows in document.items() if name not in ABOUT_THE_RUN}


def test_the_last_line_is_the_json_of_the_last_run(demo: Demo) -> None:
    assert len(demo.documents) == 2
    assert json.loads(demo.lines[-1]) == demo.documents[-1]


def test_actions_add_up_to_the_rows(demo: Demo) -> None:
    for document in demo.documents:
        assert document["rows"] == ROWS
        assert sum(actions(document).values()) == ROWS
        assert document["lost"] == 0


def test_the_audit_says_the_same(demo: Demo) -> None:
    for document in demo.documents:
        load_id = document["audit"]["load_id"]
        counted = demo.ask("SELECT action, count(*) FROM sf_dedup_entry WHERE load_id = ? GROUP BY action", load_id)
        assert dict(counted) == {name: rows for name, rows in actions(document).items() if rows}
        rows = demo.ask("SELECT count(DISTINCT row_number), min(row_number), max(row_number) FROM sf_dedup_entry "
                        "WHERE load_id = ?", load_id)  # fmt: skip
        assert rows == [(ROWS, 1, ROWS)]


def test_the_org_says_the_same(demo: Demo) -> None:
    first, second = demo.documents
    held = morning(ROWS, seed=11).held
    leads = demo.org("records/Lead")

    keys = {lead[KEY_FIELD]: lead["Id"] for lead in leads if (lead.get(KEY_FIELD) or "").startswith("CRM-")}
    assert len(leads) == sum(each.sobject == "Lead" for each in held) + first["created"]
    assert len(keys) == first["created"] + first["matched_updated"] == second["updated"]
    settled = demo.ask("SELECT key, record_id FROM sf_dedup_entry WHERE action IN ('created', 'matched_updated')")
    assert dict(settled) == keys


def test_the_org_counts_the_same_api_calls(demo: Demo) -> None:
    counted = demo.ask("SELECT sum(api_calls) FROM sf_dedup_load")[0][0]

    assert sum(document["api_calls"] for document in demo.documents) == demo.org("stats")["api_calls"] == counted


def test_a_client_that_goes_row_by_row_needs_a_call_more_for_each_blocked_row(demo: Demo) -> None:
    for document in demo.documents:
        [(blocked,)] = demo.ask(
            "SELECT count(*) FROM sf_dedup_entry WHERE load_id = ? AND error_code = 'DUPLICATES_DETECTED'",
            document["audit"]["load_id"],
        )
        assert document["row_by_row_api_calls"] == ROWS + blocked
        assert document["api_calls"] < 60


def test_only_what_waits_for_a_decision_is_blocked_again(demo: Demo) -> None:
    first, second = demo.documents

    assert first["awaiting_review"] > 0
    assert actions(second) == {
        **dict.fromkeys(actions(second), 0),
        "updated": ROWS - first["awaiting_review"],
        "awaiting_review": first["awaiting_review"],
    }


def test_most_true_duplicates_are_traced_and_few_others(demo: Demo) -> None:
    first, second = (document["duplicates"] for document in demo.documents)

    assert first["precision"] > 0.95
    assert first["recall"] > 0.95
    assert second["recall"] == 1.0


def test_the_report_of_the_dag_names_the_rows_that_wait(demo: Demo) -> None:
    lines = (demo.folder / "awaiting_review.csv").read_text(encoding="utf-8").splitlines()[1:]

    assert len({line.split(",")[0] for line in lines}) == demo.documents[-1]["awaiting_review"]


def test_what_the_org_holds_is_left_behind(demo: Demo) -> None:
    left = json.loads((demo.folder / "records" / "Lead.json").read_text(encoding="utf-8"))

    assert left == demo.org("records/Lead")


def test_a_person_sees_tables_costs_and_where_to_look(demo: Demo) -> None:
    text = "\n".join(demo.lines)

    for words in ("matched_updated", "what blocked them", "API calls", "precision", "audit.db", "SELECT", "--runs 2"):
        assert words in text


def test_the_org_knows_1200_of_5000() -> None:
    assert sum(KNOWN.values()) == 1200
    assert {kind: count for kind, count in shares(5000).items() if kind in KNOWN} == KNOWN


def test_the_same_seed_makes_the_same_morning() -> None:
    assert morning(200, seed=3) == morning(200, seed=3) != morning(200, seed=4)


def test_a_morning_is_what_its_shares_say() -> None:
    today = morning(ROWS, seed=5)

    assert Counter(today.kinds.values()) == shares(ROWS)
    assert len({lead[KEY_FIELD] for lead in today.leads}) == ROWS
    assert any(not lead["LastName"].isascii() for lead in today.leads)
    known = {row for each in today.held for row in each.rows}
    assert known == {row for row, kind in today.kinds.items() if kind in KNOWN}


def test_a_score_counts_pairs_of_row_and_record() -> None:
    today = morning(200, seed=3)
    held = {f"id{number}": each for number, each in enumerate(today.held)}
    truth = true_pairs(held, found_by_key=set())

    perfect, blind, careless = score(truth, truth), score(truth, []), score(truth, {*truth, (0, "nobody")})

    assert (perfect.precision, perfect.recall) == (1.0, 1.0)
    assert (blind.precision, blind.recall) == (1.0, 0.0)
    assert careless.precision < careless.recall == 1.0
