"""Read the source once: a row is spooled by its key, or audited with the reason why it cannot be sent."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.core.partitioning import partition_of
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.journeys.partitioning.journal import Journal
from airflow_sf_dedup.journeys.partitioning.listeners import Listeners
from airflow_sf_dedup.journeys.preflight import Fit, check_order_column, fit_columns
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.sources.reading import OrderReader, RecordBuilder, RejectedRow
from airflow_sf_dedup.staging.spool import Spool


@dataclass
class Reading:
    """One pass over a source.

    :param fit: of the columns known before the first row; afterwards, of all that the rows brought.
    """

    source: Source
    fit: Fit
    settings: PartitionSettings
    journal: Journal
    listeners: Listeners
    rows_read: int = 0

    def into(self, spool: Spool) -> None:
        """Read every row; those that can be sent are spooled by their key.

        :raises SettingError: a row brings a column that does not fit the org, none brings ``newer_than``, or a listener
            refuses the load.
        """
        newer_than, rule, partitions = self.settings.newer_than, self.fit.key_rule, self.settings.partitions
        order = None if newer_than is None else OrderReader(newer_than)
        reader, names = self._reader(order)
        for row in self.source.rows():
            if not row.values.keys() <= names:
                self._learn_columns(row)
                reader, names = self._reader(order)
            self.rows_read += 1
            try:
                read = reader.read(row)
            except PreflightError as error:
                raise _of_row(row, error) from None
            if isinstance(read, RejectedRow):
                self.listeners.on_rejected(read)
                self.journal.invalid(read)
            else:
                self.listeners.on_read(read)
                spool.add(partition_of(rule.partition_fold(read.key), partitions), read)
        if self.fit.columns:
            check_order_column(self.fit, newer_than)
        self.listeners.check(self.fit)

    def _reader(self, order: OrderReader | None) -> tuple[RecordBuilder, frozenset[str]]:
        """A reader of the columns known so far, and their names."""
        if order is not None and (column := self.fit.order_column) is not None:
            order.column, order.own_name = column, self.fit.finder.own_name(column)
        return RecordBuilder(self.fit.key_rule, self.fit.columns, order), frozenset(self.fit.names)

    def _learn_columns(self, row: SourceRow) -> None:
        known = list(dict.fromkeys([*self.fit.names, *row.values]))
        try:
            self.fit = fit_columns(self.fit.finder, known, newer_than=self.settings.newer_than)
        except PreflightError as error:
            raise _of_row(row, error) from None


def _of_row(row: SourceRow, error: PreflightError) -> PreflightError:
    """The same error, with the row that brought what does not fit the org."""
    return PreflightError(f"row {row.row_number}: {error}", setting=error.setting)
