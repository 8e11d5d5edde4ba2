"""What a file system raises is told in our words: what it will pass by, and nothing that it quotes."""

from __future__ import annotations

import errno
import json
import traceback
from collections.abc import Callable

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore import exceptions as botocore

from airflow_sf_dedup.errors import FileUnreachableError, SourceError, StagingError
from airflow_sf_dedup.files.file_errors import FileRefusedError, own_words

URL = "s3://conn@bucket/leads.csv?sig=SECRET"
QUOTED = "https://bucket.example/leads.csv?sig=SECRET"


def undecoded() -> Exception:
    try:
        json.loads("<html>SECRET")
    except ValueError as error:
        return error
    raise AssertionError


WILL_NOT_PASS: dict[str, tuple[Exception, type[OSError], str]] = {
    "missing": (FileNotFoundError(QUOTED), FileNotFoundError, "there is no such file"),
    "below a file": (NotADirectoryError(QUOTED), FileNotFoundError, "there is no such file"),
    "a folder": (IsADirectoryError(QUOTED), IsADirectoryError, "it is a folder, not a file"),
    "forbidden": (PermissionError(QUOTED), PermissionError, "may not be read by the user of this worker"),
    "a store that cannot": (NotImplementedError(QUOTED), OSError, "cannot be read from a store of this kind"),
    "name too long": (OSError(errno.ENAMETOOLONG, QUOTED), OSError, "cannot be read (File name too long)"),
    "links in a circle": (OSError(errno.ELOOP, QUOTED), OSError, "Too many levels of symbolic links"),
    "no address": (ValueError(QUOTED), OSError, "cannot be read (ValueError)"),
    "no bucket": (botocore.ParamValidationError(report=QUOTED), OSError, "the store takes no such address"),
    "no credentials": (botocore.NoCredentialsError(), OSError, "there are no credentials for it"),
    "half of them": (
        botocore.PartialCredentialsError(provider="env", cred_var=QUOTED),
        OSError,
        "the credentials for it are incomplete",
    ),
    "no connection": (AirflowNotFoundException(QUOTED), OSError, "Airflow has no connection of the id"),
}
MAY_PASS: dict[str, tuple[Exception, str]] = {
    "disk full": (OSError(errno.ENOSPC, QUOTED), "No space left on device"),
    "broken connection": (ConnectionResetError(errno.ECONNRESET, QUOTED), "Connection reset by peer"),
    "time-out": (TimeoutError(QUOTED), "TimeoutError"),
    "an odd answer": (undecoded(), "JSONDecodeError"),
    "store away": (botocore.EndpointConnectionError(endpoint_url=QUOTED), "EndpointConnectionError"),
    "whatever else": (RuntimeError(QUOTED), "RuntimeError"),
}


def raised(error: Exception, *, done: str = "read") -> Exception:
    with pytest.raises(Exception) as caught, own_words(URL, done=done):
        raise error
    return caught.value


def shows_no_secret(error: Exception) -> bool:
    return "SECRET" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(("theirs", "kind", "says"), WILL_NOT_PASS.values(), ids=WILL_NOT_PASS.keys())
def test_what_a_person_has_to_mend_is_a_source_error_of_its_kind(
    theirs: Exception, kind: type[OSError], says: str
) -> None:
    ours = raised(theirs)
    assert isinstance(ours, FileRefusedError)
    assert isinstance(ours, SourceError)
    assert isinstance(ours, kind)
    assert str(ours).startswith("s3://conn@bucket/leads.csv: ")
    assert says in str(ours)
    assert shows_no_secret(ours)


@pytest.mark.parametrize(("theirs", "name"), MAY_PASS.values(), ids=MAY_PASS.keys())
def test_what_may_pass_is_named_and_not_quoted(theirs: Exception, name: str) -> None:
    ours = raised(theirs)
    assert type(ours) is FileUnreachableError
    assert str(ours) == f"s3://conn@bucket/leads.csv: cannot be read ({name})"
    assert shows_no_secret(ours)


@pytest.mark.parametrize("done", ["written", "made", "removed"])
def test_what_was_to_be_done_is_said(done: str) -> None:
    ours = raised(PermissionError(errno.EACCES, QUOTED), done=done)
    assert str(ours) == f"s3://conn@bucket/leads.csv: cannot be {done} (Permission denied)"


@pytest.mark.parametrize("kind", [SourceError, StagingError, FileUnreachableError], ids=lambda kind: kind.__name__)
def test_our_own_errors_pass_as_they_are(kind: Callable[[str], Exception]) -> None:
    error = kind("ours")
    assert raised(error) is error
