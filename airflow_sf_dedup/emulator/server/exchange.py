"""One HTTP call from its arrival to how it ends: faults, latency and limits around the work of the org.

All waiting is done on the event loop, so that a call which hangs takes no thread and holds nothing of the org.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

from airflow_sf_dedup.emulator.call_names import Identity
from airflow_sf_dedup.emulator.faults.switches import Firing
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.server.fault_effects import (
    Ending,
    Reply,
    carried_out_after,
    delay_after,
    delay_before,
    ending_after,
    ending_before,
)
from airflow_sf_dedup.emulator.server.front import door_of
from airflow_sf_dedup.emulator.state.in_progress import InProgress, Notes
from airflow_sf_dedup.emulator.state.org import Org

#: Does the work of a call in another thread.
Work = Callable[[InProgress], Awaitable[Response]]


#: The event loop itself keeps no task from being collected.
_LATE: set[asyncio.Task[None]] = set()


class Exchange:
    def __init__(self, org: Org, request: Request) -> None:
        self._org = org
        self._request = request
        self._door = door_of(request)
        self._accounting = org.accounting
        self._generation = org.generation
        self.number = self._accounting.arrive()
        self._call: Identity | None = self._door.identify(request) if org.faults else None
        self.notes = Notes()
        self.firings: tuple[Firing, ...] = org.faults.meet(self._call) if self._call else ()

    async def run(self, work: Work) -> Ending:
        """How the call ends."""
        call = self._call
        if call is None or not self.firings:
            return Reply(await self._carried_out(work))
        refuse = partial(self._door.refuse, self._request)
        ending = ending_before(self.firings, refuse)
        if ending is not None:
            await _pause(delay_before(self.firings))
            self._leave(work)
            return ending
        return ending_after(self.firings, call, await self._carried_out(work), refuse)

    def _leave(self, work: Work) -> None:
        """To be carried out later, if a fault says so, when nobody waits for the answer any more."""
        seconds = carried_out_after(self.firings)
        if seconds is not None:
            late = asyncio.get_running_loop().create_task(self._carried_out_late(work, seconds))
            _LATE.add(late)
            late.add_done_callback(_LATE.discard)

    async def _carried_out_late(self, work: Work, seconds: float) -> None:
        await _pause(seconds)
        await self._carried_out(work)

    async def _carried_out(self, work: Work) -> Response:
        with self._accounting.progressing() as in_progress:
            latency = random.uniform(*self._org.physics.latency)  # noqa: S311
            await _pause(latency + delay_before(self.firings))
            most = self._org.physics.concurrent_requests
            crowded = most is not None and in_progress > most
            self._expire_session()
            response = await work(InProgress(self.number, self._generation, self.firings, crowded, notes=self.notes))
            await _pause(delay_after(self.firings))
            return response

    def _expire_session(self) -> None:
        if self._call and self._call.token and any(each.kind == "expire_session" for each in self.firings):
            self._org.sessions.close(self._call.token)


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
