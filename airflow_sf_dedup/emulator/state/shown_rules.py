"""The duplicate and matching rules as records, which a query finds like any others."""

from __future__ import annotations

from airflow_sf_dedup.emulator.records.store import Record, Table
from airflow_sf_dedup.emulator.rules.book import RuleBook
from airflow_sf_dedup.emulator.rules.records import rule_records
from airflow_sf_dedup.emulator.state.seeding import system_fields
from airflow_sf_dedup.emulator.state.tables import Tables

_SOBJECTS = ("DuplicateRule", "MatchingRule", "MatchingRuleItem")


def show_rules(tables: Tables, book: RuleBook, *, now: str, user_id: str) -> None:
    """Puts the records of a book in the place of those that were there."""
    shown = list(rule_records(book))
    for name in _SOBJECTS:
        table = tables[name]
        for record_id in table.records.keys() - {record["Id"] for sobject, record in shown if sobject == name}:
            table.put(record_id, None)
    for name, record in shown:
        _show(tables[name], record, now, user_id)


def _show(table: Table, record: Record, now: str, user_id: str) -> None:
    old = table.records.get(record["Id"])
    if old is None:
        table.put(record["Id"], {**system_fields(table.sobject, now, user_id), **record})
    elif any(old.get(name) != value for name, value in record.items()):
        table.put(record["Id"], {**old, **record, "LastModifiedDate": now, "SystemModstamp": now})


def index_for_rules(tables: Tables, book: RuleBook) -> None:
    """Builds the indexes that the rules look at, before there are many records."""
    for rule in book:
        for matching in rule.matching:
            for way in matching.ways:
                tables[matching.target].match_index(way.columns)
