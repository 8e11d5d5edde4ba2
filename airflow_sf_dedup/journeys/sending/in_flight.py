"""Several calls at once: who started them sees them land one by one, and nothing else happens in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Generic, TypeVar

C = TypeVar("C")
A = TypeVar("A")


class InFlight(Generic[C, A]):
    """Calls on their way, at most so many at a time.

    :param carry: carries one call; runs in a thread where several may be in flight.
    :param most: calls in flight at a time; one runs in the caller's own thread, when it is asked to land.
    """

    def __init__(self, carry: Callable[[C], A], most: int) -> None:
        self._carry = carry
        self._most = most
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="salesforce-call") if most > 1 else None
        self._flying: dict[Future[A], C] = {}
        self._alone = False

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def has_room(self) -> bool:
        """Whether another call may start."""
        return len(self._flying) < (1 if self._alone else self._most)

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Let no call start while another is in flight."""
        self._alone = True
        try:
            yield
        finally:
            self._alone = False

    def start(self, call: C) -> None:
        """Send a call off."""
        if self._threads is not None:
            self._flying[self._threads.submit(self._carry, call)] = call
        else:
            self._flying[Future()] = call

    def land(self) -> tuple[C, Future[A]]:
        """Wait until a call has its answer, or its error: one of those in flight."""
        if self._threads is None:
            return self._carried_here()
        done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
        landed = next(future for future in self._flying if future in done)
        return self._flying.pop(landed), landed

    def abandon(self) -> list[C]:
        """The calls that are in flight; whatever comes of them, nobody asks for it any more."""
        calls, self._flying = list(self._flying.values()), {}
        return calls

    def close(self) -> None:
        """Let the threads go; no call is in flight any more."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _carried_here(self) -> tuple[C, Future[A]]:
        future, call = next(iter(self._flying.items()))
        try:
            future.set_result(self._carry(call))
        except Exception as error:
            future.set_exception(error)
        return self._flying.pop(future), future
