"""Files go out and come in whole or not at all, in any size and in little memory."""

from __future__ import annotations

import errno
import gzip
import io
import os
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, BinaryIO

import pytest

from airflow_sf_dedup.errors import (
    CallError,
    FileUnreachableError,
    OutcomeUnknownError,
    OwnLimitReachedError,
    RequestRefusedError,
    TransientCallError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.http.bounded import MOST_BYTES
from tests.salesforce import raw_server
from tests.salesforce.raw_server import RawServer, endless, slowly

JOB = "jobs/ingest/7505e000000AAAAAAA/batches"
RESULTS = "jobs/ingest/7505e000000AAAAAAA/successfulResults"
CSV = "text/csv"
MEGABYTE = 1 << 20
#: More than any answer in memory may have.
LARGE = MOST_BYTES + 8 * MEGABYTE
#: Bytes that a large file may need in memory, here and in the server.
LITTLE = 4 * MEGABYTE


def http(body: bytes = b"{}", *headers: str, **how: Any) -> bytes:
    """A whole answer, after which the connection ends: none of the tries that follow meets a dead one."""
    return raw_server.http(body, "Connection: close", *headers, **how)


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer(answer=lambda: [http(b"", status="201 Created")], keeps_bodies=False)
    yield server
    server.close()


def session_at(url: str, **extra: Any) -> SalesforceSession:
    extra = {"access_token": "token", "instance_url": url, **extra}
    return SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, extra), sleep=lambda seconds: None)


@cache
def megabyte() -> bytes:
    """Hardly to be packed."""
    return Random(1).randbytes(MEGABYTE)


@cache
def digest_of_large() -> str:
    digest = sha256()
    for _ in range(LARGE // MEGABYTE):
        digest.update(megabyte())
    return digest.hexdigest()


def peak(work: Callable[[], object]) -> int:
    """The most bytes that were allocated at once meanwhile."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def digest_of(file: BinaryIO) -> str:
    file.seek(0)
    return sha256(file.read()).hexdigest()


# -- out -----------------------------------------------------------------------------------------------------


def test_a_large_file_goes_out_whole_with_its_length_in_little_memory(server: RawServer, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("wb") as file:
        for _ in range(LARGE // MEGABYTE):
            file.write(megabyte())
    session = session_at(server.url)
    with path.open("rb") as file:
        assert peak(lambda: session.upload(JOB, file, content_type=CSV)) < LITTLE
    assert server.digests == [(LARGE, digest_of_large())]
    [head] = server.requests
    assert head.startswith(b"PUT /services/data/v62.0/" + JOB.encode())
    assert f"Content-Length: {LARGE}".encode() in head
    assert b"Content-Type: text/csv\r\n" in head
    assert b"Transfer-Encoding" not in head
    assert session.calls_by_kind == {"PUT jobs/ingest": 1}


def test_a_file_is_sent_from_where_it_stands_and_its_answer_is_read(canned_org: Any, reply: Any) -> None:
    canned_org.answers(reply(201, {"state": "Open"}))
    file = io.BytesIO(b"beforeId,Name\n1,A\n")
    file.seek(6)
    assert session_at(canned_org.url).upload(JOB, file, content_type=CSV) == {"state": "Open"}
    assert canned_org.requests[0].body == b"Id,Name\n1,A\n"


def test_an_empty_file_is_sent_as_one(canned_org: Any) -> None:
    session_at(canned_org.url).upload(JOB, io.BytesIO(b""), content_type=CSV)
    [seen] = canned_org.requests
    assert (seen.body, seen.headers["content-length"]) == (b"", "0")
    assert seen.headers["content-type"] == CSV
    assert "transfer-encoding" not in seen.headers


def test_after_a_new_login_the_file_is_sent_from_the_start_again(canned_org: Any, reply: Any) -> None:
    grant = {"access_token": "new", "instance_url": canned_org.url, "id": "https://x/id/00D5g000004XXXXEA4/"}
    canned_org.answers(reply(200, grant), path="/services/oauth2/token")
    canned_org.answers(reply(401, [{"errorCode": "INVALID_SESSION_ID"}]), reply(201, ""), path="/services/data")
    app = {"consumer_key": "k", "consumer_secret": "hidden", "domain": "acme.my", "loopback_org": canned_org.url}
    session = SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, app))
    session.upload(JOB, io.BytesIO(b"Id\n1\n"), content_type=CSV)
    assert [seen.body for seen in canned_org.sent_to("/services/data")] == [b"Id\n1\n"] * 2
    assert session.api_calls == 1


def test_a_file_that_the_org_surely_did_not_take_is_sent_from_the_start_again(canned_org: Any, reply: Any) -> None:
    locked = reply(400, [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "held"}])
    canned_org.answers(locked, reply(201, ""))
    passed: list[None] = []
    session = session_at(canned_org.url).gated(lambda: passed.append(None))
    session.upload(JOB, io.BytesIO(b"Id\n1\n"), content_type=CSV)
    assert [seen.body for seen in canned_org.requests] == [b"Id\n1\n"] * 2
    assert len(passed) == session.api_calls == 2


UNKNOWN = {
    "time-out": ({"delay": 0.5}, "READ_TIMEOUT"),
    "reset": ({"reset": True}, "CONNECTION_BROKEN"),
    "server error": ({"status": 500}, "HTTP_5XX"),
    "busy": ({"status": 503}, "HTTP_5XX"),
    "html": ({"body": "<html/>"}, "UNREADABLE_ANSWER"),
    "cut short": ({"body": {"a": 1}, "missing_bytes": 50}, "CONNECTION_BROKEN"),
}


@pytest.mark.parametrize(("answer", "code"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_file_that_may_have_been_taken_is_never_sent_again(
    canned_org: Any, reply: Any, answer: dict[str, Any], code: str
) -> None:
    canned_org.answers(reply(**answer))
    session = session_at(canned_org.url, read_timeout=0.2)
    with pytest.raises(OutcomeUnknownError) as raised:
        session.upload(JOB, io.BytesIO(b"Id\n1\n"), content_type=CSV)
    assert raised.value.code == code
    assert len(canned_org.requests) == session.api_calls == 1


class Changing(io.BytesIO):
    """Another length than it said, once it is read."""

    def __init__(self, content: bytes, then: int) -> None:
        super().__init__(content)
        self._then = then

    def read(self, size: int | None = -1) -> bytes:
        here = self.tell()
        if self._then > len(self.getvalue()):
            self.seek(0, os.SEEK_END)
            self.write(b"x" * (self._then - len(self.getvalue())))
        self.truncate(self._then)
        self.seek(here)
        return super().read(size)


def test_not_a_byte_more_is_sent_than_was_said(canned_org: Any) -> None:
    """It would be taken for the beginning of the next request."""
    session = session_at(canned_org.url)
    session.upload(JOB, Changing(b"a" * 100, then=200), content_type=CSV)
    session.rest("GET", "limits")
    assert [seen.body for seen in canned_org.requests] == [b"a" * 100, b""]


class Unreadable(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, "hidden")


@pytest.mark.parametrize("file", [Changing(b"a" * 100, then=50), Unreadable(b"a")], ids=["shorter", "unreadable"])
def test_a_file_that_cannot_be_read_to_its_end_is_no_broken_connection(server: RawServer, file: BinaryIO) -> None:
    session = session_at(server.url)
    with pytest.raises(OutcomeUnknownError, match="the file that is sent") as raised:
        session.upload(JOB, file, content_type=CSV)
    assert raised.value.code == "UNREADABLE_FILE"
    assert "hidden" not in str(raised.value)
    assert session.api_calls == 1


def test_what_is_no_file_of_bytes_that_can_be_rewound_is_refused_and_nothing_is_sent(canned_org: Any) -> None:
    session = session_at(canned_org.url)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe, os.fdopen(write, "wb") as other_end:
        for call in (
            lambda: session.upload(JOB, io.StringIO("Id"), content_type=CSV),  # type: ignore[arg-type]
            lambda: session.upload(JOB, pipe, content_type=CSV),
            lambda: session.download(RESULTS, to=other_end, most=10),
        ):
            with pytest.raises(RequestRefusedError) as raised:
                call()
            assert raised.value.code == "UNUSABLE_FILE"
    assert canned_org.requests == []


# -- in ------------------------------------------------------------------------------------------------------


def pieces(begin: bytes, each: Callable[[], bytes], end: bytes = b"") -> Iterable[bytes]:
    yield begin
    for _ in range(LARGE // MEGABYTE):
        yield each()
    yield end


CHUNKED = http(b"", "Transfer-Encoding: chunked", "Sforce-Locator: abc", length=False)
PACKED = http(b"", "Content-Encoding: gzip", "Transfer-Encoding: chunked", "Sforce-Locator: abc", length=False)


@cache
def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


@cache
def packed_megabyte() -> bytes:
    return chunk(gzip.compress(megabyte()))


LARGE_ANSWERS: dict[str, Callable[[], Iterable[bytes]]] = {
    "with its length": lambda: pieces(
        http(b"", f"Content-Length: {LARGE}", "Sforce-Locator: abc", length=False), megabyte
    ),
    "in chunks": lambda: pieces(CHUNKED, lambda: chunk(megabyte()), b"0\r\n\r\n"),
    "packed": lambda: pieces(PACKED, packed_megabyte, b"0\r\n\r\n"),
}


@pytest.mark.parametrize("answer", LARGE_ANSWERS.values(), ids=LARGE_ANSWERS.keys())
def test_a_large_answer_comes_whole_in_little_memory(
    server: RawServer, tmp_path: Path, answer: Callable[[], Iterable[bytes]]
) -> None:
    megabyte(), packed_megabyte(), chunk(megabyte())
    server.answer = answer
    session = session_at(server.url)
    headers: dict[str, str] = {}
    with (tmp_path / "results.csv").open("w+b") as file:
        needed = peak(lambda: headers.update(session.download(RESULTS, to=file, most=LARGE, accept=CSV)))
        assert digest_of(file) == digest_of_large()
    assert needed < LITTLE
    assert headers["sforce-locator"] == "abc"
    assert b"Accept: text/csv\r\n" in server.requests[0]
    assert session.calls_by_kind == {"GET jobs/ingest": 1}


def bomb() -> bytes:
    return gzip.compress(b" " * (4 * MEGABYTE))


MOST = MEGABYTE
UNREADABLE, BROKEN = "UNREADABLE_ANSWER", "CONNECTION_BROKEN"
GZIP = "Content-Encoding: gzip"
NOT_WHOLE: dict[str, tuple[Callable[[], Iterable[bytes]], str]] = {
    "shorter than it says": (lambda: [http(b"Id\n1\n", "Content-Length: 1000", length=False)], BROKEN),
    "a chunk cut short": (lambda: [CHUNKED, b"10\r\nId\n"], BROKEN),
    "no last chunk": (lambda: [CHUNKED, chunk(b"Id\n1\n")], BROKEN),
    "gzip cut short": (lambda: [http(gzip.compress(b"Id\n1\n" * 100)[:-9], GZIP)], UNREADABLE),
    "gzip that is none": (lambda: [http(b"Id\n1\n", GZIP)], UNREADABLE),
    "packed otherwise": (lambda: [http(b"Id\n1\n", "Content-Encoding: br")], UNREADABLE),
    "an end that nobody can tell": (lambda: [http(b"Id\n1\n", length=False)], UNREADABLE),
    "one byte too many": (lambda: [http(b"x" * (MOST + 1))], UNREADABLE),
    "gzip that unpacks to more": (lambda: [http(bomb(), GZIP)], UNREADABLE),
    "chunks without an end": (lambda: endless(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n"), UNREADABLE),
    "a head without an end": (lambda: endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000), BROKEN),
    "byte by byte": (lambda: slowly(CHUNKED + b"5\r\n    "), "READ_TIMEOUT"),
    "no answer": (lambda: [b""], BROKEN),
}


@pytest.mark.parametrize(("answer", "code"), NOT_WHOLE.values(), ids=NOT_WHOLE.keys())
def test_of_an_answer_that_does_not_come_whole_nothing_is_in_the_file(
    server: RawServer, answer: Callable[[], Iterable[bytes]], code: str
) -> None:
    server.answer = answer
    session = session_at(server.url, read_timeout=0.3 if code == "READ_TIMEOUT" else 60)
    file = io.BytesIO(b"before, and what is cut")
    file.seek(6)
    with pytest.raises(OutcomeUnknownError) as raised:
        session.download(RESULTS, to=file, most=MOST)
    assert raised.value.code == code
    assert file.getvalue().startswith(b"before")
    assert len(file.getvalue()) in (6, 23), "as it was, or cut where the answer was to begin"
    assert len(server.requests) == session.api_calls == 4, "reading again does no harm"


def test_an_answer_may_have_as_many_bytes_as_was_said(server: RawServer) -> None:
    server.answer = lambda: [http(b"x" * MOST)]
    file = io.BytesIO()
    session_at(server.url).download(RESULTS, to=file, most=MOST)
    assert file.getvalue() == b"x" * MOST


REFUSED: dict[str, tuple[str, bytes, type[CallError], str]] = {
    "gone": ("404 Not Found", b'[{"errorCode": "NOT_FOUND", "message": "no"}]', RequestRefusedError, "NOT_FOUND"),
    "held": ("400 No", b'[{"errorCode": "UNABLE_TO_LOCK_ROW"}]', TransientCallError, "UNABLE_TO_LOCK_ROW"),
    "several": ("300 Multiple Choices", b"[]", CallError, ""),
    "moved": ("302 Found", b"", RequestRefusedError, "REDIRECTED"),
}


@pytest.mark.parametrize(("status", "body", "error", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_is_the_error_of_any_call_and_not_in_the_file(
    server: RawServer, status: str, body: bytes, error: type[CallError], code: str
) -> None:
    server.answer = lambda: [http(body, status=status)]
    file = io.BytesIO()
    with pytest.raises(error) as raised:
        session_at(server.url).download(RESULTS, to=file, most=10)
    assert raised.value.code == code or not code
    assert file.getvalue() == b""


def test_a_later_try_leaves_nothing_of_an_earlier_one(server: RawServer) -> None:
    answers = iter([CHUNKED + chunk(b"a" * 100_000), http(b"Id\n1\n")])
    server.answer = lambda: [next(answers)]
    file = io.BytesIO()
    session_at(server.url).download(RESULTS, to=file, most=MOST)
    assert file.getvalue() == b"Id\n1\n"


def test_after_a_new_login_an_answer_is_asked_for_again(canned_org: Any, reply: Any) -> None:
    grant = {"access_token": "new", "instance_url": canned_org.url, "id": "https://x/id/00D5g000004XXXXEA4/"}
    canned_org.answers(reply(200, grant), path="/services/oauth2/token")
    canned_org.answers(reply(401, [{"errorCode": "INVALID_SESSION_ID"}]), reply(200, b"Id\n"), path="/services/data")
    app = {"consumer_key": "k", "consumer_secret": "hidden", "domain": "acme.my", "loopback_org": canned_org.url}
    file = io.BytesIO()
    SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, app)).download(RESULTS, to=file, most=9)
    assert file.getvalue() == b"Id\n"


class Full(io.BytesIO):
    """A disk that has no room; unbuffered, it takes a part first."""

    def __init__(self, takes: int | None) -> None:
        super().__init__()
        self._takes = takes

    def write(self, content: Any) -> int:
        if self._takes is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content[: self._takes])


@pytest.mark.parametrize("takes", [None, 3], ids=["buffered", "unbuffered"])
def test_a_file_that_cannot_be_written_is_said_to_be_the_reason_at_once(server: RawServer, takes: int | None) -> None:
    server.answer = lambda: [http(b"Id\n1\n")]
    session, file = session_at(server.url), Full(takes)
    with pytest.raises(FileUnreachableError, match="cannot be written"):
        session.download(RESULTS, to=file, most=MOST)
    assert file.getvalue() == b""
    assert len(server.requests) == session.api_calls == 1


def test_a_closed_gate_keeps_a_file_from_going_out_or_coming_in(canned_org: Any) -> None:
    def closed() -> None:
        raise OwnLimitReachedError("budget")

    session = session_at(canned_org.url).gated(closed)
    with pytest.raises(OwnLimitReachedError):
        session.upload(JOB, io.BytesIO(b"Id"), content_type=CSV)
    with pytest.raises(OwnLimitReachedError):
        session.download(RESULTS, to=io.BytesIO(), most=MOST)
    assert canned_org.requests == []


@pytest.mark.parametrize("length", [30, 112], ids=["short", "as Salesforce's"])
@pytest.mark.parametrize("before", [0, 65_500, 65_530, 131_000], ids=str)
def test_a_token_that_is_sent_back_is_in_no_file_wherever_it_stands(
    server: RawServer, length: int, before: int
) -> None:
    token = "".join(Random(length).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))
    head, tail = b"x" * before + b"HEADER WAS ", b", IT SAID" + b"Y" * 70_000
    server.answer = lambda: [http(head + token.encode() + tail, f"X-Echo: {token}")]
    file = io.BytesIO()
    headers = session_at(server.url, access_token=token).download(RESULTS, to=file, most=MOST)
    written = file.getvalue().decode()
    assert not [at for at in range(length - 11) if token[at : at + 12] in written + repr(headers)]
    assert written.startswith(head.decode() + "***")
    assert written.endswith(tail.decode())
    assert len(written) < len(head) + len(tail) + 20


def test_after_a_large_answer_any_other_is_bounded_as_before(server: RawServer) -> None:
    session = session_at(server.url)
    server.answer = lambda: [http(b"Id\n")]
    session.download(RESULTS, to=io.BytesIO(), most=100 * MEGABYTE)
    server.answer = lambda: endless(http(b"", length=False), b"x" * 65_536)
    with pytest.raises(OutcomeUnknownError, match="larger than"):
        session.rest("GET", "limits", repeatable=False)
