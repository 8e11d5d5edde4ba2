"""What can go wrong with a file, in our own words.

What a file system raises, and even more the package behind a URL, may quote the whole address with the password and
the signature in it. So nothing that opens, reads or writes a file lets an error of theirs out: it becomes a
:class:`FileRefusedError`, which a person has to mend, or a :class:`~airflow_sf_dedup.errors.FileUnreachableError`,
which may pass. Of theirs a message has the class's name, or what the operating system calls the error's number.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_sf_dedup.errors import FileUnreachableError, SalesforceDedupError, SourceError
from airflow_sf_dedup.files.addresses import shown

#: What to say of a path where a file is expected.
IS_A_FOLDER = "it is a folder, not a file; name one file"


class FileRefusedError(SourceError, OSError):
    """A path does not lead to a file that can be used, and will not without a person.

    Where it is not the path of a source, whoever asked for the file says which setting it came from.

    :param path: as it was given; the message shows it without its secrets.
    :param why: the rest of the sentence.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{shown(path)}: {why}", setting="path")
        self.path = path


class NoSuchFileError(FileRefusedError, FileNotFoundError):
    """There is no file of that path."""


class FolderRefusedError(FileRefusedError, IsADirectoryError):
    """A folder stands where a file is expected."""


class FileForbiddenError(FileRefusedError, PermissionError):
    """The user of this worker lacks a right."""


#: What will not pass, by Python's class of it, and what to say of it where a file is read.
_REFUSED: Mapping[type[Exception], tuple[type[FileRefusedError], str]] = {
    FileNotFoundError: (NoSuchFileError, "there is no such file"),
    NotADirectoryError: (NoSuchFileError, "there is no such file"),
    IsADirectoryError: (FolderRefusedError, IS_A_FOLDER),
    PermissionError: (FileForbiddenError, "may not be read by the user of this worker"),
    # fsspec: a store that can only be read, and the like
    NotImplementedError: (FileRefusedError, "cannot be read from a store of this kind"),
}

#: What will not pass, by the operating system's number of it.
_REFUSED_NUMBERS = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EINVAL})

#: What will not pass, by the name of the class: its package is not always installed.
_REFUSED_NAMES: Mapping[str, str] = {
    # Airflow: the URL names a connection
    "AirflowNotFoundException": "Airflow has no connection of the id that stands before the @",
    # botocore, before anything is sent: a bucket or a key that cannot be one
    "ParamValidationError": "the store takes no such address (ParamValidationError)",
    # botocore
    "NoCredentialsError": "there are no credentials for it; name an Airflow connection before the host, with an @",
    "PartialCredentialsError": "the credentials for it are incomplete; mend the connection that it names",
    # google-auth
    "DefaultCredentialsError": "there are no credentials for it; name an Airflow connection before the host, with an @",
}


@contextmanager
def own_words(path: str, *, done: str = "read") -> Iterator[None]:
    """Let nothing out that a file system raises but in our own words.

    :param path: what is opened, read or written.
    :param done: what is done with it, for the message: ``read``, ``written``, ``made`` or ``removed``.
    :raises FileRefusedError: what went wrong will not pass.
    :raises FileUnreachableError: it may.
    """
    try:
        yield
    except SalesforceDedupError:
        raise
    except Exception as error:  # Of whatever package reaches the store.
        # Theirs is not even the cause: a traceback would show what it says.
        raise _in_own_words(error, path, done) from None


def _in_own_words(error: Exception, path: str, done: str) -> Exception:
    what = f"cannot be {done} ({_name_of(error)})"
    for kind, (ours, why) in _REFUSED.items():
        if isinstance(error, kind):
            return ours(path, why if done == "read" else what)
    for each in type(error).__mro__:
        if each.__name__ in _REFUSED_NAMES:
            return FileRefusedError(path, _REFUSED_NAMES[each.__name__])
    # A ValueError as such is what fsspec says of an address; a kind of it may be about an answer, which may pass.
    if type(error) is ValueError or getattr(error, "errno", None) in _REFUSED_NUMBERS:
        return FileRefusedError(path, what)
    return FileUnreachableError(f"{shown(path)}: {what}")


def _name_of(error: Exception) -> str:
    """What it is, without a word of what it says."""
    number: Any = getattr(error, "errno", None)
    return os.strerror(number) if number in errno.errorcode else type(error).__name__
