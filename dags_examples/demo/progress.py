"""One line that says how far things are: rewritten on a terminal, now and then a new one elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

#: Seconds between lines where they cannot be rewritten.
_NOW_AND_THEN = 3.0


class Progress:
    """Called with what there is to say; ``clear`` takes the line away."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rewrites = out.isatty()
        self._started = time.monotonic()
        self._last = -_NOW_AND_THEN
        self._said = ""

    def __call__(self, words: str) -> None:
        now = time.monotonic()
        line = f"{now - self._started:5.1f} s  {words} …"
        if self._rewrites:
            self._out.write(f"\r\x1b[K{line}")
        elif words != self._said and now - self._last >= _NOW_AND_THEN:
            self._out.write(f"{line}\n")
            self._last, self._said = now, words
        self._out.flush()

    def clear(self) -> None:
        """Make room for what is printed next."""
        if self._rewrites:
            self._out.write("\r\x1b[K")
            self._out.flush()
