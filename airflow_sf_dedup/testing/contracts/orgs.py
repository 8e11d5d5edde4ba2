"""An org that a contract can arrange, so that the same promises are asked of any answer to the ports of Salesforce."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Protocol, TypeVar

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.ports import RecordUpdate
from airflow_sf_dedup.salesforce.reader import describe


class ArrangedOrg(Protocol):
    """An org of leads, by a unique key that is not case-sensitive. Each call arranges something of its own."""

    @property
    def sobject(self) -> SObject:
        """The leads, as the org describes them."""

    @property
    def key_rule(self) -> KeyRule:
        """How keys are told apart."""

    def row(self, **fields: Any) -> Record:
        """A row with a key of its own, which the org takes."""

    def blocked_row(self, *, alerts: bool = False) -> tuple[Record, str]:
        """A row that a duplicate rule refuses, and the id of the record that blocks it.

        :param alerts: the rule only alerts; otherwise it blocks.
        """

    def failing_row(self) -> Record:
        """A row that the org refuses for what is in it, and no other row with it."""

    def malformed_row(self) -> Record:
        """A row that the org cannot read, so that it refuses the whole chunk."""

    def record(self, *, key: str | None = None, is_deleted: bool = False) -> str:
        """The id of a new record, live or in the recycle bin, which holds the key."""

    def blocked_update(self) -> RecordUpdate:
        """An update that a duplicate rule refuses."""

    def values(self, record_id: str) -> Mapping[str, Any]:
        """What a record holds now."""

    def holds(self, key: str) -> bool:
        """Whether a live record holds a key."""

    def inactive_rule(self) -> str:
        """DeveloperName of a duplicate rule of leads that is switched off."""

    def lose_an_answer(self) -> None:
        """The next call is carried out and gets no answer; what comes after it does."""

    def refuse_a_call(self) -> None:
        """The next call is refused as a whole."""


#: The arranged org of a test class.
OrgT = TypeVar("OrgT", bound=ArrangedOrg)

#: A rule by which who has the phone number of a lead is alerted, and saved where the call says so.
ALERT_BY_PHONE: Mapping[str, Any] = {
    "sobject": "Lead",
    "action_on_insert": "allow",
    "action_on_update": "allow",
    "operations_on_insert": ["alert"],
    "operations_on_update": ["alert"],
    "matching": [{"rule": "Lead_Phone_Exact", "fields": {"Phone": "exact"}}],
}

#: Who has the e-mail address of a lead is blocked, who has its phone number is alerted; no other rule is on.
_ORG_FILE: Mapping[str, Any] = {
    "extends": "default",
    "duplicate_rules": {
        "Lead_Matches_Contact": None,
        "Standard_Lead_Duplicate_Rule": None,
        "Lead_City": {
            "sobject": "Lead",
            "active": False,
            "matching": [{"rule": "Lead_City_Exact", "fields": {"City": "exact"}}],
        },
        "Lead_Phone": ALERT_BY_PHONE,
    },
}


class OrgOnEmulator:
    """An :class:`ArrangedOrg` that is talked to over sockets, by :attr:`session`."""

    def __init__(self, org: EmulatedOrg) -> None:
        self._org = org
        self._numbers = count(1)
        #: For what is under test.
        self.session = _session_with(org)
        self.sobject = describe(self.session, "Lead")
        self.key_rule = KeyRule(self._key_field())

    def row(self, **fields: Any) -> Record:
        """A lead with a name, a company and a key."""
        number = next(self._numbers)
        values = {self.key_rule.field.name: f"key-{number}", **_lead(number), **fields}
        return Record(number, values[self.key_rule.field.name], values, row_hash(values))

    def blocked_row(self, *, alerts: bool = False) -> tuple[Record, str]:
        """By its e-mail address, or its phone number."""
        number = next(self._numbers)
        shared = {"Phone": f"+49 30 {number}"} if alerts else {"Email": f"person-{number}@example.com"}
        [blocker] = self._org.seed("Lead", [{**_lead(number), **shared}])
        return self.row(**shared), blocker

    def failing_row(self) -> Record:
        """A text that is too long."""
        return self.row(LastName="x" * 200)

    def malformed_row(self) -> Record:
        """A date that is none."""
        return self.row(Birthdate__c="no date")

    def record(self, *, key: str | None = None, is_deleted: bool = False) -> str:
        """Seeded; a deleted one is deleted by a call."""
        [record_id] = self._org.seed("Lead", [{**_lead(next(self._numbers)), self.key_rule.field.name: key}])
        if is_deleted:
            self.session.rest("DELETE", f"sobjects/Lead/{record_id}")
        return record_id

    def blocked_update(self) -> RecordUpdate:
        """It takes the e-mail address of another lead."""
        row, _ = self.blocked_row()
        return RecordUpdate(self.record(), {"Email": row.fields["Email"]})

    def values(self, record_id: str) -> Mapping[str, Any]:
        """As the org's own state has it."""
        return self._org.record(record_id) or {}

    def holds(self, key: str) -> bool:
        """As the org's own state has it."""
        field = self.key_rule.field.name
        return any(record[field] == key for record in self._org.records("Lead"))

    def duplicates(self) -> tuple[str, str]:
        """Two of one e-mail address."""
        mail = f"pair-{next(self._numbers)}@example.com"
        one, two = self._org.seed("Lead", [{**_lead(next(self._numbers)), "Email": mail} for _ in range(2)])
        return one, two

    def inactive_rule(self) -> str:
        """From the org file."""
        return "Lead_City"

    def lose_an_answer(self) -> None:
        """The connection is reset after the commit."""
        self._org.add_faults(Fault("reset", calls=(1,), parameters={"after_commit": True}))

    def refuse_a_call(self) -> None:
        """As what nobody can read is refused."""
        self._org.add_faults(Fault("refuse_request", calls=(1,)))

    def _key_field(self) -> Any:
        field = self.sobject.field("External_Id__c")
        if field is None:
            raise SettingError("the emulated org has no Lead.External_Id__c")
        return field


class OnEmulator:
    """For a test class that inherits a contract, before the contract: each of its tests has an emulated org."""

    @pytest.fixture(autouse=True)
    def _emulated(self) -> Iterator[None]:
        with EmulatedOrg.start(_ORG_FILE) as org:
            self._org = OrgOnEmulator(org)
            yield
            self._org.session.close()

    def make_org(self) -> OrgOnEmulator:
        """The org of this test."""
        return self._org


def _lead(number: int) -> dict[str, str]:
    return {"LastName": f"Name {number}", "Company": f"Company {number}"}


def _session_with(org: EmulatedOrg) -> SalesforceSession:
    extra = {"access_token": org.access_token, "instance_url": org.url}
    settings = from_parts("contract", "salesforce_dedup", None, None, None, extra)
    return SalesforceSession(settings, sleep=lambda seconds: None)
