"""What will the org do by itself later on? (Deployments, the activation of matching rules.)

Nothing runs in a thread of its own: whatever is due is done before the next call is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


class Agenda:
    """Belongs to whoever holds the org's lock."""

    def __init__(self) -> None:
        self._entries: list[tuple[datetime, Callable[[], None]]] = []

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, due: datetime, action: Callable[[], None]) -> None:
        self._entries.append((due, action))

    def run(self, now: datetime) -> None:
        """Does what is due, in order of time; an action may add further ones."""
        while due := sorted((each for each in self._entries if each[0] <= now), key=lambda each: each[0]):
            self._entries.remove(due[0])
            due[0][1]()
