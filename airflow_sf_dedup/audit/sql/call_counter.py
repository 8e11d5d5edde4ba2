"""May a load make one more API call? Counted before the call, in the load and in its round."""

from __future__ import annotations

from sqlalchemy import Connection, update

from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import insert_into
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import writing


class SqlCallCounter(SqlPart):
    """Counts calls in ``sf_dedup_load`` and ``sf_dedup_call_count``."""

    def count_call(self, load_id: str, *, round_number: int, budget: int | None) -> bool:
        """Count one API call before it is made, in the load and in its round; not one more than the budget.

        :raises LoadMissingError: when the load was not opened.
        """
        return again()(self._count_call, load_id, round_number, budget)

    def _count_call(self, load_id: str, round_number: int, budget: int | None) -> bool:
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            if not _count_in_round(connection, load_id, round_number, budget):
                return False
            one_more = update(tables.load).where(tables.load.c.load_id == load_id)
            connection.execute(one_more.values(api_calls=tables.load.c.api_calls + 1))
        return True


def _count_in_round(connection: Connection, load_id: str, round_number: int, budget: int | None) -> bool:
    if budget is not None and budget < 1:
        return False
    counted = tables.call_count.c
    first = insert_into(connection.dialect, tables.call_count).values(
        load_id=load_id, round_number=round_number, calls=1
    )
    one_more = first.on_conflict_do_update(
        index_elements=["load_id", "round_number"],
        set_={"calls": counted.calls + 1},
        where=None if budget is None else counted.calls < budget,
    )
    return connection.execute(one_more.returning(counted.calls)).first() is not None
