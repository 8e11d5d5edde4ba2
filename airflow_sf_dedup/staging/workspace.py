"""Where does a task keep rows on this machine while it sorts them, and who cleans up when it is killed?

In ``<base>/<load_id>/work-<random>/``, for the owner's eyes only. Whoever made the folder holds a lock on the file
``owner`` in it for as long as the process lives; a folder whose lock is free was left behind and is swept.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from airflow_sf_dedup.files import writing

_PREFIX = "work-"

#: A folder gets its name when its lock is held; until then it has this before it.
_UNFINISHED = "."

_OWNER = "owner"

#: Seconds without a sign of life after which a folder counts as left behind that a process of another machine made:
#: whether that one holds its lock cannot be told on every file system.
MOST_SILENCE = 86_400.0


@contextmanager
def open_workspace(base: Path, load_id: str) -> Iterator[Path]:
    """A folder (0700) of this process for rows of a load; removed in the end, whatever happens."""
    home = base / load_id
    unfinished = home / f"{_UNFINISHED}{_PREFIX}{token_hex(8)}"
    made = writing.make_private_folder(str(unfinished))
    folder = unfinished.with_name(unfinished.name.removeprefix(_UNFINISHED))
    with writing.create_private(unfinished / _OWNER) as owner:
        owner.write(socket.gethostname().encode())
        owner.flush()
        with suppress(OSError):  # A file system without locks: the folder is swept by its age.
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished.rename(folder)
        try:
            yield folder
        finally:
            _remove(folder)
            _remove_empty(reversed(made))


def sweep(base: Path) -> list[str]:
    """Remove the folders that processes left behind; answers the ids of their loads."""
    left = [folder for folder in _workspaces(base) if _is_left_behind(folder)]
    for folder in left:
        _remove(folder)
    return sorted({folder.parent.name for folder in left})


def at_work(base: Path) -> set[str]:
    """The ids of the loads of which a process has rows in a workspace, or had when it was killed."""
    return {folder.parent.name for folder in _workspaces(base)}


def _workspaces(base: Path) -> Iterator[Path]:
    with suppress(OSError):
        for home in sorted(base.iterdir()):
            yield from _of_load(home)


def _of_load(home: Path) -> Iterator[Path]:
    with suppress(OSError):
        for folder in sorted(home.iterdir()):
            named = folder.name.removeprefix(_UNFINISHED).startswith(_PREFIX)
            if named and folder.is_dir() and not folder.is_symlink():
                yield folder


def _is_left_behind(folder: Path) -> bool:
    try:
        is_free = _lock_is_free(folder)
        if is_free and _is_of_this_machine(folder):
            return True
        return is_free is not False and time.time() - _last_sign_of_life(folder) > MOST_SILENCE
    except OSError:
        # Gone meanwhile, or somebody else's.
        return False


def _is_of_this_machine(folder: Path) -> bool:
    return not folder.name.startswith(_UNFINISHED) and (folder / _OWNER).read_text() == socket.gethostname()


def _lock_is_free(folder: Path) -> bool | None:
    """Whether no process holds the folder's lock, as far as this machine can tell; ``None``: there are no locks."""
    try:
        with (folder / _OWNER).open("rb") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _last_sign_of_life(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _remove_empty([folder.parent])


def _remove_empty(folders: Iterable[Path]) -> None:
    """Innermost first; one in which something is staged is not empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
