"""The audit in a SQL database: PostgreSQL for real deployments, a SQLite file on one machine.

Each port of :mod:`airflow_sf_dedup.audit.base` and :mod:`airflow_sf_dedup.audit.changes` is answered by the file of its
name, in the tables of :mod:`airflow_sf_dedup.database.tables`; they must be there and current.
"""

from __future__ import annotations

from airflow_sf_dedup.audit.sql.call_counter import SqlCallCounter
from airflow_sf_dedup.audit.sql.changes import SqlChanges
from airflow_sf_dedup.audit.sql.created import SqlCreated
from airflow_sf_dedup.audit.sql.detail_reader import SqlDetailReader
from airflow_sf_dedup.audit.sql.entry_reader import SqlEntryReader
from airflow_sf_dedup.audit.sql.entry_writer import SqlEntryWriter
from airflow_sf_dedup.audit.sql.keeper import SqlKeeper
from airflow_sf_dedup.audit.sql.load_reader import SqlLoadReader
from airflow_sf_dedup.audit.sql.load_writer import SqlLoadWriter
from airflow_sf_dedup.audit.sql.plan_reader import SqlPlanReader
from airflow_sf_dedup.audit.sql.report_writer import SqlReportWriter
from airflow_sf_dedup.audit.sql.reverts import SqlReverts
from airflow_sf_dedup.audit.sql.row_reader import SqlRowReader
from airflow_sf_dedup.audit.sql.rule_reader import SqlRuleReader
from airflow_sf_dedup.audit.sql.totals_reader import SqlTotalsReader
from airflow_sf_dedup.audit.sql.volume import SqlVolumeCounter
from airflow_sf_dedup.audit.sql.volume_reader import SqlVolumeReader
from airflow_sf_dedup.database.database_errors import place_of


class SqlAudit(
    SqlLoadWriter,
    SqlCallCounter,
    SqlVolumeCounter,
    SqlEntryWriter,
    SqlReportWriter,
    SqlChanges,
    SqlCreated,
    SqlReverts,
    SqlVolumeReader,
    SqlLoadReader,
    SqlRowReader,
    SqlEntryReader,
    SqlTotalsReader,
    SqlDetailReader,
    SqlRuleReader,
    SqlPlanReader,
    SqlKeeper,
):
    """All that an audit answers, over one engine.

    It has as many methods as the ports have promises, for whoever needs several of them. Each part stands alone: none
    calls another one, and they share nothing but the engine and the clock.
    """

    @property
    def place(self) -> str:
        """The database, for people: its URL without the password."""
        return place_of(self.engine.url)
