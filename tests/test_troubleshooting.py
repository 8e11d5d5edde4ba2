"""Each message of docs/troubleshooting.md is one that the code still has, and each code of ours is explained there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_sf_dedup import errors
from airflow_sf_dedup.audit.base import LoadMissingError, Totals
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import ensure_current, upgrade
from airflow_sf_dedup.errors import KeysInFlightError, RulesStaleError, VolumeGuardError
from airflow_sf_dedup.journeys.collect import Thresholds, complaints, warnings_of
from airflow_sf_dedup.journeys.keeping.given import GivenPlan, check_plan, check_same_rows
from airflow_sf_dedup.journeys.limits import CallLimits, CallMeter, must_be_told
from airflow_sf_dedup.operators.instance_states import not_done
from airflow_sf_dedup.operators.parameters import refuse_unknown
from airflow_sf_dedup.operators.rescheduling import give_up
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.wire.error_codes import RULES
from airflow_sf_dedup.sources.read import source_of
from airflow_sf_dedup.testing.contracts.audit import a_load

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_sf_dedup"
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")

#: What stands on the page for whatever differs from one message to the next.
GAP = "…"
HEADINGS = [found[1].strip() for found in re.findall(r"^### (`+)(.+)\1$", PAGE, re.MULTILINE)]


def sources() -> Iterator[ast.Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ("emulator", "testing"):
            yield ast.parse(path.read_text(encoding="utf-8"))


def text_of(node: ast.AST) -> str | None:
    """What a string of the code says, with a gap for each value in it; ``None`` of what is no string."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(str(part.value) if isinstance(part, ast.Constant) else words_of(part) for part in node.values)


def words_of(part: ast.expr) -> str:
    """The gap for a value; a count says beside it of what, in the plural."""
    match part:
        case ast.FormattedValue(ast.Call(ast.Name("counted"), [_, ast.Constant(things)])):
            return f"{GAP} {things}"
        case ast.FormattedValue(ast.Call(ast.Name("were"))):
            return "were"
    return GAP


def docstrings(module: ast.Module) -> set[int]:
    owners = ast.Module, ast.ClassDef, ast.FunctionDef
    bodies = [node.body for node in ast.walk(module) if isinstance(node, owners) and node.body]
    return {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}


def strings_of_code() -> Iterator[str]:
    for module in sources():
        said_for_readers = docstrings(module)
        for node in ast.walk(module):
            if id(node) not in said_for_readers and (text := text_of(node)) is not None:
                yield text


STRINGS = frozenset(strings_of_code())


def pattern_of(heading: str) -> re.Pattern[str]:
    """Messages that have the heading's words in its order."""
    return re.compile(".*".join(re.escape(part) for part in heading.split(GAP)), re.DOTALL)


def failed(action: Action, *, max_failed: int | None = 0, code: str = "REQUIRED_FIELD_MISSING") -> list[str]:
    totals = Totals({Action.CREATED: 297, action: 3}, {(action, code, None): 3})
    return complaints(a_load(rows_read=300), totals, Thresholds(max_failed=max_failed, max_awaiting_review=0))


def on_warning(**rows: int) -> str:
    totals = Totals({Action(name): count for name, count in rows.items()}, {})
    return "\n".join(warnings_of(totals))


def meter(info: LimitInfo) -> CallMeter:
    return CallMeter(CallLimits(api_budget=5, api_floor_pct=50.0), lambda: False, lambda: info)


def missing_tables(tmp_path: Path) -> None:
    (tmp_path / "audit.db").touch()
    ensure_current(engine_for(f"sqlite:///{tmp_path / 'audit.db'}"))


def new_audit(folder: Path) -> SqlAudit:
    engine = engine_for(f"sqlite:///{folder / 'audit.db'}")
    upgrade(engine)
    return SqlAudit(engine)


def waited_in_vain(_: Path) -> None:
    give_up(KeysInFlightError(3, ("other.upsert[2], run manual, try 1",)), 1800)


TOKEN = {"access_token": "t", "instance_url": "https://acme.my.salesforce.com"}

#: Headings to what provokes their message: it raises it, or answers it.
PROVOKED: dict[str, Callable[[Path], object]] = {
    "… knows no …": lambda _: refuse_unknown("salesforce_upsert", {"retrys": 1}, ["retries"]),
    "on_duplicate=… cannot be read: …": lambda _: read_policy("update_all"),
    "connection …: extra has no …; correct the name, or take it out": lambda _: from_parts(
        "crm", "salesforce", None, None, None, {**TOKEN, "expected_orgid": "00D5g000004XXXX"}
    ),
    "connection …: the credentials are incomplete; missing for each way to log in: …": lambda _: from_parts(
        "crm", "salesforce", "loader@acme.com", None, None, {}
    ),
    "must begin with https://; plain http is for addresses of this machine only": lambda _: from_parts(
        "crm", "salesforce", None, None, None, {**TOKEN, "instance_url": "http://acme.my.salesforce.com"}
    ),
    "there is no such file": lambda folder: list(source_of(str(folder / "none.csv")).rows()),
    "audit_conn_id: no audit file at …": lambda folder: engine_for(f"sqlite:///{folder / 'none.db'}", create=False),
    "The audit tables … in …. Create or upgrade them with …": missing_tables,
    "api_budget: the run has made the … API calls it may make": lambda _: meter(LimitInfo(1, 100))(),
    "max_created=…: the load has … of … rows": lambda _: str(
        VolumeGuardError("max_created=5", "the load has 6 created, 0 changed, 0 blocked of 9 rows")
    ),
    "plan: the audit has no plan of the id …; it was purged, or is in another audit": lambda folder: check_plan(
        new_audit(folder), GivenPlan("gone", False), a_load()
    ),
    "strict: the source, or a setting that decides on its rows, is not what plan … was made of; …": (
        lambda _: check_same_rows(a_load(digest="1"), "2", GivenPlan("plan-1", True))
    ),
    "api_floor_pct: … % of the org's … daily API calls are left": lambda _: meter(LimitInfo(90, 100))(),
    "api_floor_pct: the org does not tell this user how many of its daily API calls are left": lambda _: must_be_told(
        None
    ),
    "… rows were put off: …": waited_in_vain,
    "Gave up after claim_timeout=… s; clear this task and what follows when they are over": waited_in_vain,
    "an earlier try of this load left keys behind: it goes on by itself when their claims end": lambda _: str(
        KeysInFlightError(3, ("a task",), datetime.now(UTC))
    ),
    "… rows were refused by duplicate rules that are switched off and not yet out of the org's caches": lambda _: str(
        RulesStaleError(3, datetime.now(UTC))
    ),
    "… of … rows failed (max_failed=…): …": lambda _: failed(Action.FAILED)[0],
    "… of … rows await a person (…)": lambda _: failed(Action.AWAITING_REVIEW)[0],
    "green, but … of … rows are not known to be in the org": lambda _: on_warning(created=297, failed=3),
    "green, but … of … rows await a person": lambda _: on_warning(created=2, awaiting_review=3),
    "the source was not read to its end": lambda _: complaints(a_load(rows_read=None), Totals({}, {}), Thresholds())[0],
    "… of … rows have no entry in the audit": lambda _: complaints(
        a_load(rows_read=9), Totals({Action.CREATED: 8}, {}), Thresholds()
    )[0],
    "task … is …": lambda _: not_done({"upsert_3": "failed"}, ["upsert"])[0],
}


def test_the_page_has_messages_and_each_once() -> None:
    assert len(HEADINGS) > 70
    assert len(HEADINGS) == len(set(HEADINGS))


@pytest.mark.parametrize("heading", HEADINGS)
def test_each_message_is_one_that_the_code_says(heading: str) -> None:
    if heading not in PROVOKED:
        pattern = pattern_of(heading)
        assert len(heading.replace(GAP, "")) > 12, "too few words of its own to tell it from others"
        assert any(pattern.search(text) for text in STRINGS)


@pytest.mark.parametrize("heading", PROVOKED)
def test_what_provokes_a_message_meets_its_heading(heading: str, tmp_path: Path) -> None:
    assert heading in HEADINGS
    try:
        said = PROVOKED[heading](tmp_path)
    except Exception as error:
        said = str(error)
    assert pattern_of(heading).search(str(said)), said


def test_every_class_of_error_is_explained() -> None:
    table = PAGE.split("## By class of error", 1)[1]
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert [each.__name__ for each in (*classes, LoadMissingError) if f"`{each.__name__}`" not in table] == []


def own_codes() -> set[str]:
    """The words that code hands over as ``code=…`` or ``error_code=…``."""
    keywords = [node for module in sources() for node in ast.walk(module) if isinstance(node, ast.keyword)]
    named = [each.value for each in keywords if each.arg in ("code", "error_code")]
    found = {part.value for value in named for part in ast.walk(value) if isinstance(part, ast.Constant)}
    return {code for code in found if isinstance(code, str) and re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code)}


def test_every_error_code_of_our_own_is_explained_and_no_code_that_there_is_not() -> None:
    tables = PAGE.split("## Error codes", 1)[1].split("## By class", 1)[0]
    explained = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", tables))
    assert len(own_codes()) > 15
    assert own_codes() - explained == set()
    assert explained - {rule.code for rule in RULES} - STRINGS == set()
