"""The org of the demo: an emulated one, in a process of its own, that already holds what the morning says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from dags_examples.demo.people import Held

_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Org:
    """Where it answers, and what it tells of itself beside Salesforce's API."""

    url: str
    access_token: str

    def api_calls(self) -> int:
        """Calls answered so far, counted as Salesforce counts them."""
        return int(self._get("stats")["api_calls"])

    def records(self, sobject: str) -> list[dict[str, Any]]:
        """The live records."""
        found: list[dict[str, Any]] = self._get(f"records/{sobject}")
        return found

    def hold(self, held: Iterable[Held]) -> dict[str, Held]:
        """Put records into the org, past its rules; answers them by their new ids."""
        by_sobject: dict[str, list[Held]] = defaultdict(list)
        for each in held:
            by_sobject[each.sobject].append(each)
        known: dict[str, Held] = {}
        for sobject, some in by_sobject.items():
            rows = [dict(each.fields) for each in some]
            answer = requests.post(f"{self.url}/_emulator/records/{sobject}", json=rows, timeout=_SECONDS)
            answer.raise_for_status()
            known |= dict(zip(answer.json(), some, strict=True))
        return known

    def _get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}/_emulator/{path}", timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def emulated_org(port: int) -> Iterator[Org]:
    """Start the emulator, and stop it on leaving.

    :param port: 0 takes any free one.
    """
    command = [sys.executable, "-m", "airflow_sf_dedup.emulator", "--port", str(port), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            assert process.stdout is not None  # noqa: S101 - narrows the type
            line = process.stdout.readline()
            if not line:
                raise SystemExit("The emulator did not start.")
            ready = json.loads(line)
            yield Org(ready["url"], ready["access_token"])
        finally:
            process.terminate()
