"""How well do the duplicate rules work? A report over the loads of weeks or months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.dates import read_moment
from airflow_sf_dedup.core.numeric_settings import DAYS, EXAMPLES
from airflow_sf_dedup.errors import CallError, SettingError
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.parameters import ChecksParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Period
    from airflow_sf_dedup.journeys.rule_report.lines import RuleReport
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
    from airflow_sf_dedup.salesforce.duplicate_rules import OrgRule


class SalesforceDuplicateRuleReportOperator(ChecksParameters, BaseOperator):
    """Count, for each duplicate rule, the rows that it blocked and how they were decided.

    Reads the audit, and with a connection the org's rules (two queries). Returns the report as an XCom of counts and
    names, logs it as a table, and writes it as a page and as a CSV where asked. A row counts at each rule that named a
    record for it, and in each load that sent it.

    :param days: days before the task runs, when ``since`` is not given.
    :param since: begin of the time that is reported, a datetime or ISO 8601 text, UTC unless it says otherwise;
        loads count by when they began. (templated)
    :param until: its end, likewise; by default now. (templated)
    :param sobject: only loads of this sObject. (templated)
    :param salesforce_conn_id: asks this org for its rules, and counts only its loads; ``None``: all loads of the audit,
        and no org is asked. (templated)
    :param audit_conn_id: the audit's connection; without one the embedded file. (templated)
    :param html_path: where one HTML page is written that needs nothing else: a path or URL. (templated)
    :param csv_path: where a CSV is written. (templated)
    :param examples: rows that stand for each rule, by load and number, 0 to 100.
    """

    template_fields: Sequence[str] = (
        "since",
        "until",
        "sobject",
        "salesforce_conn_id",
        "audit_conn_id",
        "html_path",
        "csv_path",
    )
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        days: int = 90,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        sobject: str | None = None,
        salesforce_conn_id: str | None = None,
        audit_conn_id: str | None = None,
        html_path: str | None = None,
        csv_path: str | None = None,
        examples: int = 5,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.days = DAYS.read(days)
        self.since = since
        self.until = until
        self.sobject = sobject
        self.salesforce_conn_id = salesforce_conn_id
        self.audit_conn_id = audit_conn_id
        self.html_path = html_path
        self.csv_path = csv_path
        self.examples = EXAMPLES.read(examples)

    def execute(self, context: Context) -> dict[str, Any]:
        """Count, write and return the report.

        :raises AirflowFailException: a setting cannot be what it says; a retry cannot help.
        """
        from airflow_sf_dedup.journeys.rule_report.document import document_of, lines_of

        with failing_at_once():
            report = self._report()
            for line in lines_of(report):
                self.log.info("%s", line)
            self._write(report)
        return document_of(report)

    def _report(self) -> RuleReport:
        from airflow_sf_dedup.hooks.stores import open_audit
        from airflow_sf_dedup.journeys.rule_report.lines import report_of

        session = self._session()
        period = self._period(session.org_id if session else None)
        audit = open_audit(self.audit_conn_id, upgrade=True)
        rules, matching = self._rules(session) if session else (None, None)
        uses = audit.rule_uses(period, examples=self.examples or 0)
        return report_of(period, audit.loads_in(period), uses, rules, matching)

    def _session(self) -> SalesforceSession | None:
        from airflow_sf_dedup.operators.task_context import session_of

        return session_of(self.salesforce_conn_id) if self.salesforce_conn_id else None

    def _period(self, org_id: str | None) -> Period:
        from airflow_sf_dedup.audit.base import Period

        until = utc_now() if self.until in (None, "") else _moment("until", self.until)
        since = until - timedelta(days=self.days or 1) if self.since in (None, "") else _moment("since", self.since)
        if since >= until:
            raise SettingError(f"since={since.isoformat()} is not before until={until.isoformat()}", setting="since")
        return Period(since, until, org_id, self.sobject or None)

    def _rules(self, session: SalesforceSession) -> tuple[list[OrgRule] | None, list[OrgRule] | None]:
        """The org's rules; a user who may not view its setup gets the report without them."""
        from airflow_sf_dedup.salesforce.duplicate_rules import duplicate_rules, matching_rules

        try:
            return duplicate_rules(session), matching_rules(session)
        except CallError as error:
            self.log.warning("the org does not tell its rules, so the report goes by the audit alone: %s", error)
            return None, None

    def _write(self, report: RuleReport) -> None:
        from airflow_sf_dedup.files.writing import write_whole
        from airflow_sf_dedup.journeys.rule_report.files import csv_of, html_of

        for path, content in ((self.html_path, html_of), (self.csv_path, csv_of)):
            if path:
                with write_whole(path) as file:
                    file.write(content(report))
                self.log.info("written: %s", path)


def _moment(setting: str, value: Any) -> datetime:
    """A point in time as a Dag or a template spells it.

    :raises SettingError: it is none.
    """
    try:
        moment = value if isinstance(value, datetime) else read_moment(str(value))
    except ValueError:
        raise SettingError(
            f"{setting}={str(value)[:80]!r} is no time such as '2026-01-31' or '2026-01-31T06:00:00Z'", setting=setting
        ) from None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
