"""How the SOAP call ``search`` shows what it finds: ``result`` with one ``searchRecords`` for each record."""

from __future__ import annotations

from airflow_sf_dedup.emulator.query import searching
from airflow_sf_dedup.emulator.soap.shapes import element, query_record
from airflow_sf_dedup.emulator.soql import sosl
from airflow_sf_dedup.emulator.state.org import Org


def search_result(org: Org, text: str, *, user_id: str, enterprise: bool = False) -> tuple[str, int]:
    """The ``result`` element and how many records it has.

    :param text: the ``searchString`` of the call.
    :raises ApiError: MALFORMED_SEARCH, INVALID_SEARCH, or what a query would be refused for.
    """
    found = searching.search(org, sosl.parse(text), user_id=user_id)
    rows = (query_record(org, each.record, each.columns, name="record", enterprise=enterprise) for each in found)
    shown = "".join(f"<searchRecords>{row}</searchRecords>" for row in rows)
    return f"<result>{element('queryId', '')}{shown}</result>", len(found)
