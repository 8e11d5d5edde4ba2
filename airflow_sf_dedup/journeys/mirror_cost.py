"""What does it cost in API calls to show a load's duplicates in the org? Pure: entries in, the most calls out.

As with loads, nothing is counted for what is sent again; nor, of duplicate record sets, for records that stand in so
many that an answer has more than one page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.record_sets import Together, together
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.journeys.mirroring import shown
from airflow_sf_dedup.journeys.prediction import KEYS_IN_A_URL, ROWS_A_READ
from airflow_sf_dedup.journeys.record_sets import ROWS_TOGETHER
from airflow_sf_dedup.salesforce.record_sets import MOST_EMPTY
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS, WRITE_PATHS

_ROWS_A_WRITE = WRITE_PATHS["collections"].rows_a_call

_WITHOUT_SOAP = {each.name for each in LOOKUP_PATHS.values() if each.without_soap is None}

#: Describes of sets and of items.
_DESCRIBES_OF_SETS = 2

#: The rules, and what was left empty: once a load that has something to put together.
_BEFORE_SETS = 2


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What is to be shown of a load.

    :ivar words: what and how much.
    :ivar calls: at most.
    """

    words: str
    calls: int


def cost_of_mirror(entries: Iterable[Entry], sobject: str) -> Foreseen:
    """The describe, and the writes.

    :param sobject: the mirror.
    """
    records = sum(1 for _ in shown(entries))
    return Foreseen(f"{counted(records, 'records')} of {sobject}", 1 + _calls(records, _ROWS_A_WRITE))


def cost_of_sets(entries: Iterable[Entry], sobject: str, lookup: str | None = None) -> Foreseen:
    """The describes, what is asked once, and for some hundred rows together what is live, where, and the writes.

    :param sobject: the load's.
    :param lookup: by which its matches were named, as the audit has it; one that needs no SOAP may say that the org
        refuses it: a query is refused then, and the others hold what a URL does.
    """
    by_soap = lookup not in _WITHOUT_SOAP
    ids_a_read = ROWS_A_READ if by_soap else KEYS_IN_A_URL
    told = filter(None, (together(entry, sobject) for entry in entries))
    rows, calls = 0, _DESCRIBES_OF_SETS
    while batch := list(islice(told, ROWS_TOGETHER)):
        if not rows:
            calls += _BEFORE_SETS + _calls(MOST_EMPTY, ids_a_read) + (not by_soap)
        calls += _of_batch(batch, ids_a_read)
        rows += len(batch)
    return Foreseen(f"{counted(rows, 'rows')} in duplicate record sets", calls)


def _of_batch(batch: Sequence[Together], ids_a_read: int) -> int:
    rows = [each.record_ids for each in batch]
    reads = 2 * _calls(len({record_id for ids in rows for record_id in ids}), ids_a_read)
    return reads + _calls(len(rows), _ROWS_A_WRITE) + _calls(sum(map(len, rows)), _ROWS_A_WRITE)


def _calls(rows: int, rows_a_call: int) -> int:
    return -(-rows // rows_a_call)
