"""The report as files: one HTML page that needs nothing else, and a CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from importlib.resources import files
from typing import Any

from jinja2 import Environment

from airflow_sf_dedup.journeys.rule_report.lines import Decided, RuleReport

#: A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def html_of(report: RuleReport) -> bytes:
    """UTF-8. Whatever a rule is called, it is text: everything is escaped, and there is no script."""
    template = files(__package__).joinpath("page.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(template)
    most = max((line.blocked for line in report.rules), default=0)
    return page.render(report=report, decided=list(Decided), most=most).encode()


def csv_of(report: RuleReport) -> bytes:
    """UTF-8 with a byte order mark, by which spreadsheets know it; a line for each rule."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(
        [
            "sobject",
            "rule",
            "matching_rules",
            "active",
            "blocked",
            *(word.value for word in Decided),
            "median_confidence",
            "several_records",
            "other_sobject",
            "flags",
        ]
    )
    for line in report.rules:
        cells = [
            line.sobject,
            line.rule,
            " ".join(line.matching_rules),
            "" if line.active is None else str(line.active).lower(),
            line.blocked,
            *(line.decided.get(word, 0) for word in Decided),
            "" if line.median_confidence is None else line.median_confidence,
            line.several,
            line.elsewhere,
            " ".join(flag.name.lower() for flag in line.flags),
        ]
        lines.writerow(map(_harmless, cells))
    return text.getvalue().encode("utf-8-sig")


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
