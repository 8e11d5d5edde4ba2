"""Other sObjects are described once a load, whatever its tasks are."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.staging.descriptions import Descriptions, keep_description

CONTACT = SObject("Contact", (Field("Email", "Email", "email", length=80), Field("Key__c", "Key", "string")), "003")


class Org:
    """Describes contacts, and says how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def describe(self, name: str) -> SObject:
        self.asked.append(name)
        if name.lower() != "contact":
            raise PreflightError(f"sobject: the org has no {name!r}", setting="sobject")
        return CONTACT


@pytest.fixture
def org() -> Org:
    return Org()


def test_the_first_task_asks_and_the_others_read_what_it_left(org: Org, tmp_path: Path) -> None:
    first, second = (Descriptions(str(tmp_path), org.describe) for _ in range(2))
    assert [first("Contact"), first("CONTACT"), second("contact")] == [CONTACT] * 3
    assert org.asked == ["Contact"]


def test_what_the_partition_task_described_no_other_task_asks_for(org: Org, tmp_path: Path) -> None:
    keep_description(str(tmp_path), CONTACT)
    assert Descriptions(str(tmp_path), org.describe)("Contact") == CONTACT
    assert org.asked == []


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"checksum": "0", "content": {}}'], ids=["cut off", "nothing in it", "changed"]
)
def test_one_that_cannot_be_read_is_asked_for_and_kept_anew(org: Org, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "described-contact.json").write_bytes(content)
    assert Descriptions(str(tmp_path), org.describe)("Contact") == CONTACT
    assert Descriptions(str(tmp_path), org.describe)("Contact") == CONTACT
    assert org.asked == ["Contact"]


def test_no_load_fails_where_none_can_be_kept(org: Org, tmp_path: Path) -> None:
    """As when its folder was removed meanwhile, and a file stands in its place."""
    (tmp_path / "load").write_text("")
    described = Descriptions(str(tmp_path / "load"), org.describe)
    assert [described("Contact"), described("Contact")] == [CONTACT] * 2
    assert org.asked == ["Contact"]


def test_one_that_the_user_may_not_see_is_not_kept(org: Org, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(PreflightError):
            Descriptions(str(tmp_path), org.describe)("Secret__c")
    assert org.asked == ["Secret__c"] * 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../load", "a/b", ""])
def test_what_is_no_api_name_leads_to_no_file(org: Org, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "load"
    folder.mkdir()
    keep_description(str(tmp_path), CONTACT)
    with pytest.raises(PreflightError):
        Descriptions(str(folder), org.describe)(name)
    assert org.asked == [name]
