"""Many runs, several at a time: each worker has an org and databases of its own."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.util import Finalize

from tests.chaos.run import Outcome, run_seed
from tests.chaos.world import World

_world: World | None = None


def run_many(seeds: Sequence[int], kind: str, *, jobs: int) -> Generator[Outcome, None, None]:
    """Run the scenarios of the seeds; their outcomes in the order of the seeds."""
    workers = max(1, min(jobs, len(seeds)))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_open) as pool:
        try:
            yield from pool.map(_run, seeds, [kind] * len(seeds))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _open() -> None:
    """A world that ends with its process, also when that is told to end."""
    global _world
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.disable(logging.WARNING)
    _world = World()
    Finalize(None, _world.close, exitpriority=100)


def _run(seed: int, kind: str) -> Outcome:
    assert _world is not None
    return run_seed(_world, seed, kind)
