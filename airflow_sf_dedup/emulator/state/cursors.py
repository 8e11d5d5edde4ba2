"""The rows of queries that did not fit into one answer, under their query locators."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

_MOST = 100


class Cursors:
    """Belongs to whoever holds the org's lock."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, Sequence[Any]] = OrderedDict()
        self._last_number = 0

    def keep(self, rows: Sequence[Any]) -> str:
        """A locator for rows; the oldest ones are forgotten."""
        self._last_number += 1
        locator = f"01g5g00000{self._last_number:05d}AAA"[:18]
        self._rows[locator] = rows
        while len(self._rows) > _MOST:
            self._rows.popitem(last=False)
        return locator

    def get(self, locator: str) -> Sequence[Any] | None:
        return self._rows.get(locator)

    def copy(self) -> Cursors:
        copied = Cursors()
        copied._rows, copied._last_number = self._rows.copy(), self._last_number
        return copied
