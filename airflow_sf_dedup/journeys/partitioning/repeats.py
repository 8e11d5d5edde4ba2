"""Which rows of each key go on? The others are audited as superseded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.repeats import refuse_repeats, settle_repeats
from airflow_sf_dedup.journeys.partitioning.journal import Journal
from airflow_sf_dedup.staging.spool import Compartment

#: Repeated keys whose rows an error names.
_EXAMPLES = 5


def settled(
    compartments: Iterable[Compartment], rule: KeyRule, on_repeat: str, journal: Journal
) -> Iterator[Compartment]:
    """Each compartment without the rows that another row of their key supersedes.

    :raises RepeatsRefusedError: a key repeats and ``on_repeat`` is ``fail``; after the last compartment.
    """
    repeated, examples = 0, list[list[int]]()
    for partition, records in compartments:
        kept: list[Record] = []
        for rows in _by_key(records, rule):
            settled = settle_repeats(rows, on_repeat)
            kept.extend(settled.kept)
            for superseded in settled.superseded:
                journal.superseded(superseded, on_repeat)
            if on_repeat == "fail" and len(rows) > 1:
                repeated += 1
                examples = sorted([*examples, [row.row_number for row in rows]])[:_EXAMPLES]
        yield partition, kept
    if repeated:
        raise refuse_repeats(repeated, examples)


def _by_key(records: Iterable[Record], rule: KeyRule) -> Iterable[list[Record]]:
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(rule.fold(record.key), []).append(record)
    return rows.values()
