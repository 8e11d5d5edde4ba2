"""Who hears of a load while it is read and staged?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.sources.reading import RejectedRow


def _nobody(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Listeners:
    """Each is told one thing; by default nobody is."""

    #: Asked with the columns that the load carries and the rule of its key, before anything is staged; may refuse the
    #: load by a ``SettingError``. Asked before the source is read as well, where that tells its columns.
    check_load: Callable[[Sequence[str], KeyRule], None] = _nobody
    #: Told each row that cannot be sent, which is audited as ``invalid``.
    on_rejected: Callable[[RejectedRow], None] = _nobody
    #: Told each row that can be sent, in the order of the source, repeats among them.
    on_read: Callable[[Record], None] = _nobody
    #: Told, partition by partition, how many rows are sent together: all its rows, or with ``in_order`` those of one
    #: wave.
    on_staged: Callable[[list[int]], None] = _nobody
    #: Told in words what the rows have to do with each other, once they are staged.
    on_kin: Callable[[str], None] = _nobody

    def check(self, fit: Fit) -> None:
        """Ask whether a load may go on whose columns are known by now.

        :raises SettingError: it may not.
        """
        if fit.columns:
            self.check_load(tuple(fit.columns), fit.key_rule)


NOBODY = Listeners()
