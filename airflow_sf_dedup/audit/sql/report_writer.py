"""How is it kept what duplicate rules report of rows that were saved?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import rule_report_row
from airflow_sf_dedup.core.rule_reports import RuleReport
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among, insert_rows
from airflow_sf_dedup.database.engine import writing


class SqlReportWriter(SqlPart):
    """Writes to ``sf_dedup_rule_report``."""

    def remember_reports(self, load_id: str, reports: Mapping[int, Sequence[RuleReport]]) -> None:
        """Each row's in place of what was found before, in one transaction.

        :raises LoadMissingError: when the load was not opened.
        """
        if not reports:
            return
        columns = tables.rule_report.c
        # In PostgreSQL another try of the same task may insert the same lines between our delete and our insert.
        for attempt in Retrying(
            retry=retry_if_exception_type(IntegrityError), stop=stop_after_attempt(5), reraise=True
        ):
            with attempt, writing(self.engine) as connection:
                hold_load(connection, load_id)
                rows = among(connection.dialect, columns.row_number, reports)
                connection.execute(delete(tables.rule_report).where(columns.load_id == load_id, rows))
                lines = (rule_report_row(load_id, row, each) for row, found in reports.items() for each in found)
                insert_rows(connection, tables.rule_report, lines)
