"""A page about the org for a person with a browser: records, calls, rules. Plain HTML without a script."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from airflow_sf_dedup.emulator.records.looking import OF_THE_ORG
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.state.org import Org

_LAST_CALLS = 30
_STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #8887; --good: #2a8a4a; --warn: #b07a00; --bad: #c0392b }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1.25rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
p { margin: .2rem 0 .6rem } .soft, caption { color: GrayText }
table { border-collapse: collapse; width: 100% } td, th { padding: .3rem .8rem .3rem 0; text-align: left;
  border-bottom: 1px solid var(--line); vertical-align: top } th { font-weight: 600; color: GrayText }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; display: block; min-width: 14rem }
a { color: inherit }
.good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 0 3rem }
section, .wide { overflow-x: auto }
"""


def page(org: Org) -> str:
    stats = org.stats()
    name = escape(org.definition.org_name)
    body = [
        f"<h1>{name}</h1>",
        f'<p class="soft">{escape(org.org_id)} · {stats["api_calls"]:,} of {org.accounting.daily_limit:,} API calls '
        f"· {_count(stats['logins'], 'login')} · {_count(len(org.ledger), 'row')} in the "
        '<a href="/_emulator/ledger">ledger</a></p>',
        _switched_on(org),
        '<div class="columns"><section><h2>Records</h2>',
        _records(org),
        "</section><section><h2>Duplicate rules</h2>",
        _table(("rule", "on create", "on update", ""), map(_rule, org.rules.book)),
        f'</section></div><h2>Last calls</h2><div class="wide">{_calls(org)}</div>',
        '<p class="soft">More: <a href="/_emulator/calls">calls</a>, <a href="/_emulator/stats">stats</a>, '
        '<a href="/_emulator/rules">rules</a>, <a href="/_emulator/quirks">quirks</a>, '
        '<a href="/_emulator/physics">physics</a>, <a href="/_emulator/faults">faults</a>, '
        '<a href="/_emulator/snapshots">snapshots</a></p>',
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def _switched_on(org: Org) -> str:
    """Faults, if there are any: whoever forgets them wonders for long."""
    faults = org.faults.shown()["faults"]
    shown = ", ".join(f"{each['kind']} (fired {each['fired']} of {each['looked_at']})" for each in faults)
    return f'<p class="warn">Faults are on: {escape(shown)}</p>' if faults else ""


def _records(org: Org) -> str:
    rows = []
    for each in sorted(org.schema, key=lambda each: each.name in OF_THE_ORG):
        live, all_records = len(org.records(each.name)), len(org.records(each.name, deleted=True))
        if all_records:
            link = f'<a href="/_emulator/records/{escape(each.name)}">{escape(each.name)}</a>'
            rows.append((link, _number(live), _number(all_records - live) if all_records > live else ""))
    return _table(("sObject", ">live", ">in the recycle bin"), rows)


def _rule(rule: DuplicateRule) -> tuple[str, ...]:
    state = '<span class="good">on</span>' if rule.active else '<span class="soft">off</span>'
    named = f'{escape(rule.name)}<br><span class="soft">{escape(rule.sobject)}: {escape(_finds(rule))}</span>'
    return (
        named,
        _does(rule.action_on_insert, rule.operations_on_insert),
        _does(rule.action_on_update, rule.operations_on_update),
        state,
    )


def _finds(rule: DuplicateRule) -> str:
    return "; ".join(f"{', '.join(item.field for item in each.items)} on {each.target}" for each in rule.matching)


def _does(action: str, operations: Iterable[str]) -> str:
    return escape(", ".join([action, *sorted(operations)]))


def _calls(org: Org) -> str:
    calls = org.calls(_LAST_CALLS)[::-1]
    if not calls:
        return '<p class="soft">None yet.</p>'
    return _table((">", "call", "status", "rows", ">ms", "user"), map(_call, calls))


def _call(call: dict[str, Any]) -> tuple[str, ...]:
    tone = "good" if 0 < call["status"] < 400 else "bad"
    status = f'<span class="{tone}">{call["status"] or "no answer"}</span>'
    faults = f' <span class="warn">{escape(", ".join(call["faults"]))}</span>' if call["faults"] else ""
    happened = ", ".join(f"{count:,} {name}" for name, count in call["outcomes"].items())
    return (
        _number(call["number"]),
        f"<code>{escape(call['method'])} {escape(call['path'])}</code>",
        status + faults,
        escape(happened or (f"{call['rows']:,}" if call["rows"] else "")),
        _number(round(call["milliseconds"])),
        escape(call["user"] or ""),
    )


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A column whose head begins with ``>`` has numbers."""
    classes = [' class="number"' if head[:1] == ">" else "" for head in heads]
    head = "".join(f"<th{kind}>{escape(text.lstrip('>'))}</th>" for kind, text in zip(classes, heads, strict=True))
    body = "".join(f"<tr>{_cells(classes, row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(classes: list[str], row: tuple[str, ...]) -> str:
    return "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(classes, row, strict=True))


def _number(number: int) -> str:
    return f"{number:,}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
