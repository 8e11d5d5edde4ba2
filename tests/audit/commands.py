"""``python -m tests.audit.commands``: runs one command after the other, each in a process of its own.

The processes are forked from this one, which has imported Airflow: that takes seconds, and each would need them again.
A line of JSON on standard input asks for a command, a line on standard output answers it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile
from typing import IO, Any


def main() -> None:
    import airflow.models
    import airflow.settings  # noqa: F401 - what a command needs that asks Airflow

    for line in sys.stdin:
        sys.stdout.write(json.dumps(forked(**json.loads(line))) + "\n")
        sys.stdout.flush()


def forked(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``python`` with these arguments: ``-m`` the audit, or ``-c``."""
    with TemporaryFile() as out, TemporaryFile() as errors:
        child = os.fork()
        if not child:
            _become(arguments, environment, out, errors)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), _text(out), _text(errors)


def _become(arguments: Sequence[str], environment: Mapping[str, str], out: IO[bytes], errors: IO[bytes]) -> None:
    """Be the command and end; never returns."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        os.environ.clear()
        os.environ.update(environment)
        code = _run(*arguments)
        sys.stdout.flush()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run(option: str, what: str, *arguments: str) -> int:
    if option == "-c":
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(what, names)
        return 0
    from airflow_sf_dedup.audit.__main__ import main as command

    assert (option, what) == ("-m", "airflow_sf_dedup.audit")
    return command(arguments)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    main()
