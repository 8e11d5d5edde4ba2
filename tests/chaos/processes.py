"""Tasks in processes of their own, some of which are killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from random import Random
from typing import Any, Protocol

import requests

from tests.chaos.scenario import Kill
from tests.chaos.task import Ended
from tests.chaos.world import CONTEXT, SOBJECT

#: Seconds after which a task is taken for one that never ends.
LONGEST_WAIT = 60.0


class Spec(Protocol):
    """What a process is to do; travels to it."""

    @property
    def name(self) -> str:
        """Of the process."""

    @property
    def kill(self) -> Kill | None:
        """When it is killed."""

    def run(self) -> Ended:
        """Do it."""


@dataclass(slots=True)
class Running:
    """A process that runs one task."""

    spec: Spec
    process: Any
    connection: Connection
    started: float

    def kill_if_its_time_has_come(self) -> None:
        kill = self.spec.kill
        if kill is not None and kill.event == "time" and time.monotonic() - self.started >= kill.delay:
            self.process.kill()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a process: how its task ended, or that it was killed before it could say."""

    spec: Spec
    ended: Ended | None

    @property
    def killed(self) -> bool:
        return self.ended is None


def run_together(specs: Sequence[Spec], *, together: int, stagger: float, random: Random) -> list[Result]:
    """Run every task in a process of its own, so many at a time; answers how each ended."""
    waiting, running, results = list(specs), list[Running](), list[Result]()
    while waiting or running:
        while waiting and len(running) < together:
            running.append(_start(waiting.pop(0)))
            time.sleep(random.uniform(0, stagger))
        wait([each.connection for each in running], timeout=_until_next_kill(running))
        for each in list(running):
            each.kill_if_its_time_has_come()
            result = _result_of(each)
            if result is not None:
                running.remove(each)
                results.append(result)
    return results


def _until_next_kill(running: Sequence[Running]) -> float:
    now = time.monotonic()
    due = [
        each.started + each.spec.kill.delay - now
        for each in running
        if each.spec.kill is not None and each.spec.kill.event == "time"
    ]
    return max(0.0, min([1.0, *due]))


def _start(spec: Spec) -> Running:
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_in_child, args=(spec, theirs), name=spec.name)
    process.start()
    theirs.close()
    return Running(spec, process, ours, time.monotonic())


def _in_child(spec: Spec, connection: Connection) -> None:
    connection.send(spec.run())
    connection.close()


def _result_of(running: Running) -> Result | None:
    """How a process ended; None: it lives."""
    if running.connection.poll():
        try:
            ended = running.connection.recv()
        except EOFError:
            ended = None
        running.process.join(LONGEST_WAIT)
        code = running.process.exitcode
        if ended is None and code != -signal.SIGKILL:
            ended = Ended("broken", f"the process ended with {code} and said nothing")
        running.connection.close()
        running.process.close()
        return Result(running.spec, ended)
    if time.monotonic() - running.started > LONGEST_WAIT:
        running.process.kill()
        return Result(running.spec, Ended("broken", f"the task did not end in {LONGEST_WAIT:g} s"))
    return None


def start_stranger(org_url: str, key_name: str, keys: Sequence[str], seed: int, *, creates: bool) -> Any:
    """Another client that writes the same keys and knows no claims; a process to be joined.

    :param creates: it is another user, and often creates a record where it could update one.
    """
    arguments = (org_url, key_name, list(keys), seed, creates)
    process = CONTEXT.Process(target=_meddle, args=arguments, name="stranger")
    process.start()
    return process


def _meddle(org_url: str, key_name: str, keys: Sequence[str], seed: int, creates: bool) -> None:
    random = Random(seed)
    client = "other" if creates else "chaos"
    with requests.Session() as http:
        login = {
            "grant_type": "client_credentials",
            "client_id": f"{client}-client",
            "client_secret": f"{client}-secret",
        }
        try:
            token = http.post(f"{org_url}/services/oauth2/token", data=login, timeout=5).json()["access_token"]
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return
        http.headers["Authorization"] = f"Bearer {token}"
        url = f"{org_url}/services/data/v62.0/sobjects/{SOBJECT}"
        for number in range(12):
            body, key = {"LastName": "Stranger", "Marker__c": f"stranger/{number}"}, random.choice(list(keys))
            try:
                if creates and random.random() < 0.5:
                    http.post(url, json={**body, key_name: key}, timeout=2)
                else:
                    http.patch(f"{url}/{key_name}/{key}", json=body, timeout=2)
            except requests.RequestException:
                continue
            time.sleep(random.uniform(0, 0.1 if creates else 0.005))
