"""How a change of records is spread over time: planned, then the commit window, then committed.

The org's lock is held for the plan and for the commit, not between them: other calls run in the window. Changes that
happen together or not at all (allOrNone of /composite and of several chunks) are carried out once, taken back, and
after one window for all of them committed as they were planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.results import Refused
from airflow_sf_dedup.emulator.state.in_progress import UNKNOWN, current
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.row_refusals import locked
from airflow_sf_dedup.emulator.state.together import Step, Together

Result = TypeVar("Result")


def in_two_steps(org: Org, plan: Callable[[], Step], commit: Callable[[list[Any]], Result]) -> Result:
    """What ``commit`` says about the rows of ``plan``.

    :raises ApiError: the org was reset in between.
    """
    with org.lock:
        _check_still_there(org)
        if org.together is not None:
            return commit(org.together.next(plan).rows)
        step = plan()
        if not org.physics.commit_window:
            return commit(step.rows)
    with _window(org, [step]):
        return commit(step.rows)


def all_or_none(org: Org, work: Callable[[], Result], failed: Callable[[Result], bool], *, code: str) -> Result:
    """What ``work`` says; its changes are taken back when it failed.

    :param code: why a row that would have been saved is not, for the ledger.
    """
    together = Together()
    with org.lock:
        _check_still_there(org)
        if org.together is not None:
            return _once(org, work, failed, code)
        with _part_of(org, together), org.tables.transaction() as rehearsal:
            result = work()
            if failed(result):
                rehearsal.roll_back(code)
                return result
            if not org.physics.commit_window:
                return result
            rehearsal.forget()
    with _window(org, together.steps):
        together.replayed = iter(together.steps)
        with _part_of(org, together):
            return _once(org, work, failed, code)


def _once(org: Org, work: Callable[[], Result], failed: Callable[[Result], bool], code: str) -> Result:
    with org.tables.transaction() as transaction:
        result = work()
        if failed(result):
            transaction.roll_back(code)
        return result


@contextmanager
def _part_of(org: Org, together: Together) -> Iterator[None]:
    org.together = together
    try:
        yield
    finally:
        org.together = None


@contextmanager
def _window(org: Org, steps: list[Step]) -> Iterator[None]:
    """Holds the records of the steps for the commit window, and the org's lock at its end.

    Rows whose records others hold too long are refused in their step.
    """
    physics = org.physics
    places = [(step, row) for step in steps for row, found in enumerate(step.rows) if not isinstance(found, Refused)]
    needs = {number: step.holds(step.rows[row]) for number, (step, row) in enumerate(places)}
    with org.record_locks.holding(needs, wait=physics.lock_wait) as blocked:
        for number, record_id in blocked.items():
            step, row = places[number]
            step.rows[row] = Refused((locked(record_id),), getattr(step.rows[row], "record_id", None))
        if len(blocked) < len(needs):
            org.sleep(physics.commit_window)
        with org.lock:
            _check_still_there(org)
            yield


def _check_still_there(org: Org) -> None:
    generation = current().generation
    if generation is not None and generation != org.generation:
        raise ApiError("UNKNOWN_EXCEPTION", UNKNOWN, status=500)
