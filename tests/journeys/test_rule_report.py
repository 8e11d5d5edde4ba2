"""What is said of a duplicate rule, and how the files say it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from airflow_sf_dedup.audit.base import BlockedRow, Period, RuleUse
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.journeys.rule_report.document import MOST_RULES, document_of, lines_of
from airflow_sf_dedup.journeys.rule_report.files import csv_of, html_of
from airflow_sf_dedup.journeys.rule_report.lines import Decided, Flag, RuleLine, report_of
from airflow_sf_dedup.salesforce.duplicate_rules import OrgRule

PERIOD = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
EXAMPLE = BlockedRow("load-1", 7, Action.MATCHED_UPDATED, "00Q000000000001AAA", 95.0)


def use(rule: str = "Leads_by_mail", *, several: int = 0, **actions: int) -> RuleUse:
    counts = {Action(name): rows for name, rows in actions.items()}
    return RuleUse("Lead", rule, ("Mail",), counts, several, 0, {95.0: sum(counts.values())}, (EXAMPLE,))


def line(*args: Any, rules: list[OrgRule] | None = None, **kwargs: Any) -> RuleLine:
    return report_of(PERIOD, {"Lead": 1}, [use(*args, **kwargs)], rules).rules[0]


@pytest.mark.parametrize(
    ("uses", "flags"),
    [
        pytest.param({"matched_updated": 90, "saved_anyway": 10}, (), id="a tenth saved"),
        pytest.param({"matched_updated": 80, "saved_anyway": 20}, (Flag.OVER_MATCHES,), id="a fifth saved"),
        pytest.param({"saved_anyway": 9}, (), id="too few to say so"),
        pytest.param(
            {"saved_anyway": 3, "matched_updated": 7, "failed": 90}, (Flag.OVER_MATCHES,), id="of the decided"
        ),
        pytest.param({"awaiting_review": 3, "held": 2, "matched_updated": 5}, (Flag.WAITS,), id="half of them wait"),
        pytest.param({"matched_updated": 10, "several": 5}, (Flag.SEVERAL,), id="half name several"),
    ],
)
def test_which_rules_need_a_look(uses: dict[str, int], flags: tuple[Flag, ...]) -> None:
    assert line(**uses).flags == flags


@pytest.mark.parametrize(
    ("confidences", "median"),
    [({}, None), ({90.0: 1}, 90.0), ({90.0: 1, 80.0: 1}, 85.0), ({100.0: 1, 80.0: 5, 60.0: 1}, 80.0)],
    ids=["none", "one", "two", "many alike"],
)
def test_the_median_is_that_of_all_matches(confidences: dict[float, int], median: float | None) -> None:
    [found] = report_of(PERIOD, {"Lead": 1}, [replace(use(created=1), confidences=confidences)]).rules
    assert found.median_confidence == median


def test_the_orgs_rules_say_what_is_active_and_what_blocked_nothing() -> None:
    rules = [
        OrgRule("Lead", "leads_BY_mail", "Leads by mail", active=False),
        OrgRule("Lead", "Quiet", "Quiet", active=True),
        OrgRule("Contact", "Off", "Off", active=False),
        OrgRule("Contact", "Never_met", "Never met: no contact was loaded", active=True),
    ]
    found = {
        each.rule: (each.label, each.active, each.flags)
        for each in report_of(PERIOD, {"Lead": 1}, [use()], rules).rules
    }
    assert found == {
        "Leads_by_mail": ("Leads by mail", False, (Flag.INACTIVE,)),
        "Quiet": ("Quiet", True, (Flag.BLOCKED_NOTHING,)),
        "Off": ("Off", False, ()),
        "Never_met": ("Never met: no contact was loaded", True, ()),
    }
    only_leads = report_of(replace(PERIOD, sobject="lead"), {"Lead": 1}, [use()], rules)
    assert [each.rule for each in only_leads.rules] == ["Leads_by_mail", "Quiet"]
    assert line(created=1).active is None, "the org was not asked"


def test_every_action_counts_somewhere() -> None:
    counted = line(**{action.value: 1 for action in Action})
    assert counted.blocked == len(Action) == sum(counted.decided.values())
    assert counted.decided[Decided.WAITING] == 2


def test_an_xcom_stays_small_and_says_what_it_leaves_out() -> None:
    document = document_of(report_of(PERIOD, {"Lead": 3}, [use(f"Rule_{n}", created=1) for n in range(MOST_RULES + 7)]))
    assert (len(document["rules"]), document["more_rules"], document["loads"]) == (MOST_RULES, 7, 3)
    assert document["rules"][0]["examples"] == [
        {"load_id": "load-1", "row_number": 7, "action": "matched_updated", "record_id": "00Q000000000001AAA"}
    ]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = '<script>alert("x")</script><img src=x onerror=y>'


def test_what_a_rule_is_called_is_text_on_the_page() -> None:
    rules = [OrgRule("Lead", "Leads_by_mail", HOSTILE, active=True)]
    page = html_of(
        report_of(PERIOD, {"Lead": 1}, [use(matched_updated=12), use(HOSTILE, skipped=3)], rules, rules)
    ).decode()
    read = _Tags()
    read.feed(page)
    assert {"script", "img", "link", "iframe"} & set(read.tags) == set()
    assert read.text.count(HOSTILE) >= 3
    assert read.tags.count("rect") == len(Decided) + 2, "the legend, and a bar for each kind of decision"
    assert "http://" not in page, "it needs nothing else"
    assert "https://" not in page


def test_no_cell_is_a_formula() -> None:
    table = list(
        csv.reader(
            io.StringIO(
                csv_of(report_of(PERIOD, {"Lead": 1}, [use('=cmd|"/c calc"!A1', skipped=2)])).decode("utf-8-sig")
            )
        )
    )
    [named] = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    assert named["rule"] == '\'=cmd|"/c calc"!A1'
    assert (named["blocked"], named["skipped"], named["updated"]) == ("2", "2", "0")


def test_no_row_is_no_error() -> None:
    empty = report_of(PERIOD, {}, [])
    assert "No rule blocked a row" in html_of(empty).decode()
    assert document_of(empty)["rules"] == []
    assert next(iter(lines_of(empty))).startswith("Duplicate rules, 2026-01-01 to 2026-04-01 UTC, loads: 0")


def test_a_log_obeys_no_rules_name() -> None:
    assert "\x1b" not in "".join(lines_of(report_of(PERIOD, {"Lead": 1}, [use("\x1b[31mred", skipped=1)])))
