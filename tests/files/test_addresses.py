"""A path in a message shows where a file is, and nothing that opens it."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.files.addresses import has_password, shown, without_secrets

SHOWN = {
    "local": ("/data/leads.csv", "/data/leads.csv"),
    "relative": ("leads of 2026.csv", "leads of 2026.csv"),
    "file URL": ("file:///data/my%20leads.csv", "file:///data/my%20leads.csv"),
    "a connection": ("s3://my_conn@bucket/leads.csv", "s3://my_conn@bucket/leads.csv"),
    "a port": ("webhdfs://namenode:9870/leads.csv", "webhdfs://namenode:9870/leads.csv"),
    "a connection and a port": ("hdfs://conn@namenode:9870/a@b.csv", "hdfs://conn@namenode:9870/a@b.csv"),
    "an @ and a colon in a key": ("s3://bucket/12:30@home.csv", "s3://bucket/12:30@home.csv"),
    "password": ("https://user:SECRET@host/leads.csv", "https://user@host/leads.csv"),
    "password alone": ("redis://:SECRET@host/leads.csv", "redis://@host/leads.csv"),
    "user with an @": ("sftp://me@corp.example:SECRET@host/a.csv", "sftp://me@corp.example@host/a.csv"),
    "signature": ("https://host/leads.csv?X-Amz-Signature=SECRET", "https://host/leads.csv"),
    "password and signature": (
        "https://user:SECRET@host/leads.csv?X-Amz-Signature=SECRET",
        "https://user@host/leads.csv",
    ),
    "signature in a fragment": ("https://host/leads.csv#sig=SECRET", "https://host/leads.csv"),
    "both": ("s3://AKIA:SECRET@bucket/leads.csv?sig=SECRET", "s3://AKIA@bucket/leads.csv"),
    "an @ in the query": ("https://host/a.csv?mail=me@corp.example&sig=SECRET", "https://host/a.csv"),
    "password, and an @ in the query": ("https://user:SECRET@host/a.csv?mail=a@b&sig=SECRET", "https://user:…"),
    "password with a slash": ("s3://AKIA:SEC/SECRET@bucket/leads.csv", "s3://AKIA:…@bucket/leads.csv"),
    "password of digits and a slash": ("s3://AKIA:12/SECRET@bucket/a.csv", "s3://AKIA:…@bucket/a.csv"),
    "password with an @ and a slash": ("s3://AKIA:SEC@RET/SECRET@bucket/a.csv", "s3://AKIA:…@bucket/a.csv"),
    "password with a question mark": ("s3://AKIA:SEC?SECRET@bucket/a.csv", "s3://AKIA:…"),
    "password with a number sign": ("s3://AKIA:SEC#SECRET@bucket/a.csv", "s3://AKIA:…"),
    "blanks before": (" s3://AKIA:SECRET@bucket/a.csv?sig=SECRET", " s3://AKIA@bucket/a.csv"),
    "a slash too few": ("s3:/AKIA:SECRET@bucket/a.csv?sig=SECRET", "s3:/AKIA@bucket/a.csv"),
    "a slash too many": ("s3:///AKIA:SECRET@bucket/a.csv", "s3:///AKIA@bucket/a.csv"),
    "no colon": ("s3//AKIA:SECRET@bucket/a.csv", "s3//AKIA:…@bucket/a.csv"),
    "no colon, a signature": ("https//host/a.csv?sig=SECRET", "https//host/a.csv?…"),
    "of another machine": ("file://user:SECRET@host/a.csv", "file://user@host/a.csv"),
    "brackets": ("https://[bad/x.csv", "https://[bad/x.csv"),
    "control characters": ("a\0\x1b[31m\nb.csv", "a\ufffd\ufffd[31m b.csv"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("path", "expected"), SHOWN.values(), ids=SHOWN.keys())
def test_a_message_shows_no_password_no_signature_and_no_control_character(path: str, expected: str) -> None:
    assert shown(path) == expected
    assert "SECRET" not in shown(path)


def test_a_long_path_is_shown_by_its_beginning_and_its_end() -> None:
    text = shown("/data/" + "x" * 5000 + ".csv")
    assert len(text) < 310
    assert text.startswith("/data/xxx")
    assert text.endswith("xxx.csv")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://my_conn@bucket/a.csv", False),
        ("s3://bucket/12:30@home.csv", False),
        ("hdfs://namenode:9870/a@b.csv", False),
        ("hdfs://conn@namenode:9870/a@b.csv", False),
        ("s3://AKIA:SECRET@bucket/a.csv", True),
        ("s3://:SECRET@bucket/a.csv", True),
        ("s3://AKIA:SEC/RET@bucket/a.csv", True),
    ],
)
def test_what_stands_before_the_host_is_a_name_or_a_password(url: str, expected: bool) -> None:
    assert has_password(url) is expected


@pytest.mark.parametrize("path", ["/data/" + "x" * 5000, "s3:/bucket/a", "s3://conn@bucket/ä\u2028", "FILE:///data"])
def test_what_has_no_secret_stays_as_it_is(path: str) -> None:
    assert without_secrets(path) == path
