"""Lines on stderr that never make the emulator wait for whoever reads them, or does not."""

from __future__ import annotations

import os
import queue
import sys
import threading

_MOST_WAITING = 10_000
_LAST_WORDS = 1.0


class Lines:
    """Writes lines in a thread of its own; when nobody reads for long, the newest are left out."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stderr.fileno() if descriptor is None else descriptor
        self._waiting: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            return

    def close(self) -> None:
        """Writes what is left, as far as somebody reads it."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(_LAST_WORDS)

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            left = f"{line}\n".encode(errors="replace")
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                return
