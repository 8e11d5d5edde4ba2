"""Which rows of a task are not sent now, whom do they wait for, and what does the task say of them when it ends?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.rule_waits import RuleWait, seconds_over
from airflow_sf_dedup.errors import KeysInFlightError, PutOffError, RulesStaleError
from airflow_sf_dedup.journeys.sending.clearance import PutOff
from airflow_sf_dedup.locks.base import Holder

#: Holders of keys that an error names.
MOST_HOLDERS = 5


class RowsPutOff:
    """Rows whose keys others have in flight, and rows that wait for rules that were switched off.

    :param waiting: row number to wait, of rows that wait for rules already.
    """

    def __init__(self, load_id: str, waiting: Mapping[int, RuleWait]) -> None:
        self._load_id = load_id
        self._waiting = dict(waiting)
        self._in_flight = 0
        #: Who had their keys in flight, by task.
        self._holders: dict[str, Holder] = {}

    def in_flight(self, rows: Sequence[PutOff[Record]]) -> None:
        """Note rows whose keys others had to the end."""
        self._in_flight += len(rows)
        self._holders.update({each.holder.task: each.holder for each in rows})

    def for_rules(self, entries: Iterable[Entry]) -> None:
        """Note those of settled rows that wait for a rule."""
        self._waiting.update({each.row_number: each.rule_wait for each in entries if each.rule_wait})

    def is_worth_waiting(self, rows: Iterable[PutOff[Record]]) -> bool:
        """Whether a key may be free soon: what a process of the same load left behind ends minutes later."""
        return any(each.holder.load_id != self._load_id for each in rows)

    def error(self, waits: Iterable[RuleWait]) -> PutOffError | None:
        """What to say of the rows that are not sent now; ``None``: there are none.

        :param waits: of rows that waited for rules in this task and have been sent since.
        """
        if self._holders:
            return self._keys_in_flight(waits)
        if self._waiting:
            return RulesStaleError(len(self._waiting), max(wait.until for wait in self._waiting.values()))
        return None

    def _keys_in_flight(self, waits: Iterable[RuleWait]) -> KeysInFlightError:
        holders = list(self._holders.values())
        own = (each.expires_at for each in holders if each.load_id == self._load_id and each.expires_at)
        return KeysInFlightError(
            self._in_flight,
            tuple(islice(map(str, holders), MOST_HOLDERS)),
            max(own, default=None),
            waited_besides=seconds_over([*waits, *self._waiting.values()]),
        )
