"""A lead becomes an account, a contact and, unless told otherwise, an opportunity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import ROLLED_BACK, Refused
from airflow_sf_dedup.emulator.saving.changing import Changing, full_id
from airflow_sf_dedup.emulator.saving.saving import SaveOptions, commit, plan
from airflow_sf_dedup.emulator.saving.targets import CONVERTED, Create, Verb, refused
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.related import Related
from airflow_sf_dedup.emulator.state.row_refusals import by_fault
from airflow_sf_dedup.emulator.state.together import Step
from airflow_sf_dedup.emulator.state.two_steps import in_two_steps

_ADDRESS = ("Street", "City", "State", "PostalCode", "Country")
_TO_ACCOUNT = {
    **dict.fromkeys(["Phone", "Website", "Industry", "AnnualRevenue", "NumberOfEmployees", "Rating"]),
    "Company": "Name",
    **{each: f"Billing{each}" for each in _ADDRESS},
}
_SAME_ON_CONTACT = ("FirstName", "LastName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "LeadSource")
_KEPT_ON_CONTACT = ("DoNotCall", "HasOptedOutOfEmail", "Description")
_TO_CONTACT = {
    **dict.fromkeys((*_SAME_ON_CONTACT, *_KEPT_ON_CONTACT)),
    **{each: f"Mailing{each}" for each in _ADDRESS},
}


@dataclass(frozen=True, slots=True)
class LeadConvert:
    lead_id: str
    status: str
    account_id: str | None = None
    contact_id: str | None = None
    opportunity_id: str | None = None
    opportunity_name: str | None = None
    owner_id: str | None = None
    no_opportunity: bool = False
    overwrite_lead_source: bool = False
    #: The sobjects whose duplicate rules are not asked.
    bypassed: frozenset[str] = frozenset()

    @property
    def record_id(self) -> str | None:
        return full_id(self.lead_id)


@dataclass(frozen=True, slots=True)
class Converted:
    lead_id: str
    account_id: str
    contact_id: str
    opportunity_id: str | None


ConvertResult = Converted | Refused


def convert(org: Org, requests: Sequence[LeadConvert], options: SaveOptions) -> list[ConvertResult]:
    """The result of every request, in order."""

    def planned() -> Step:
        rows: list[LeadConvert | Refused] = [_refusal(org, each) or each for each in requests]
        return Step(_by_faults(org, rows), lambda row: frozenset({row.record_id}))

    def carried_out(rows: list[LeadConvert | Refused]) -> list[ConvertResult]:
        with org.tables.transaction() as transaction:
            related = Related(org)
            results = [_one(org, request, row, options, related) for request, row in zip(requests, rows, strict=True)]
            if options.all_or_none and any(isinstance(each, Refused) for each in results):
                transaction.roll_back()
                return [
                    each if isinstance(each, Refused) else Refused((ROLLED_BACK,), each.lead_id) for each in results
                ]
            return results

    return in_two_steps(org, planned, carried_out)


def _by_faults(org: Org, rows: list[LeadConvert | Refused]) -> list[LeadConvert | Refused]:
    candidates = [number for number, row in enumerate(rows) if isinstance(row, LeadConvert)]
    for number, firing in current().refused_rows(candidates).items():
        record_id = getattr(rows[number], "record_id", None)
        lead = org.sobject("Lead")
        error = by_fault(firing, lead, record_id, (), names_holder=org.quirks.duplicate_value_names)
        rows[number] = Refused((error,), record_id)
    return rows


def _refusal(org: Org, request: LeadConvert) -> Refused | None:
    lead_id = request.record_id
    lead = org.record(lead_id) if lead_id else None
    if lead_id is None:
        return refused("MALFORMED_ID", f"malformed id {request.lead_id}")
    if lead is None or org.schema.by_prefix[lead_id[:3]].name != "Lead":
        return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", record_id=lead_id)
    if lead["IsDeleted"]:
        return refused("ENTITY_IS_DELETED", "entity is deleted", record_id=lead_id)
    if lead.get("IsConverted"):
        return Refused((CONVERTED,), lead_id)
    if request.status not in org.sobject("Lead").fields["Status"].converted:
        return refused("INVALID_STATUS", f"invalid convertedStatus: {request.status}", record_id=lead_id)
    return _bad_reference(org, request, lead_id)


def _bad_reference(org: Org, request: LeadConvert, lead_id: str) -> Refused | None:
    wanted = {"Account": request.account_id, "Contact": request.contact_id, "User": request.owner_id}
    wanted["Opportunity"] = request.opportunity_id
    for name, given in wanted.items():
        if given is None:
            continue
        record_id = full_id(given)
        sobject = org.schema.find(name)
        if record_id is None or sobject is None or org.table(sobject.name).live(record_id) is None:
            return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", record_id=lead_id)
    if request.contact_id and not request.account_id:
        message = "account id is required when contact id is specified"
        return refused("INVALID_CROSS_REFERENCE_KEY", message, record_id=lead_id)
    return None


def _one(
    org: Org, request: LeadConvert, row: LeadConvert | Refused, options: SaveOptions, related: Related
) -> ConvertResult:
    with org.tables.transaction() as transaction:
        converting = _Converting(org, options.user_id, transaction.changes, related)
        result = row if isinstance(row, Refused) else _refusal(org, request) or converting.convert(request, options)
        if isinstance(result, Refused):
            transaction.forget()
            _Converting(org, options.user_id, transaction.changes, related).refused(request.lead_id, result)
        return result


class _Stopped(Exception):
    def __init__(self, refusal: Refused) -> None:
        super().__init__()
        self.refusal = refusal


class _Converting(Changing):
    def convert(self, request: LeadConvert, options: SaveOptions) -> ConvertResult:
        rules = self.org.quirks.lead_conversion_runs_duplicate_rules
        self._options = {
            name: replace(options, assign=False, duplicate_rules=rules and name not in request.bypassed)
            for name in ("Account", "Contact", "Opportunity")
        }
        lead_id = str(request.record_id)
        lead = self.org.record(lead_id) or {}
        owner_id = full_id(request.owner_id or "") or lead.get("OwnerId")
        try:
            account_id = full_id(request.account_id or "") or self._account(lead, owner_id)
            contact_id = self._contact(request, lead, account_id, owner_id)
            opportunity_id = self._opportunity(request, lead, account_id, owner_id)
        except _Stopped as stopped:
            return Refused(stopped.refusal.errors, lead_id)
        self._move_activities(lead_id, contact_id)
        lead_fields = self.org.sobject("Lead").fields
        facts = {
            "IsConverted": True,
            "Status": request.status,
            "ConvertedDate": self.org.clock().date().isoformat(),
            "ConvertedAccountId": account_id,
            "ConvertedContactId": contact_id,
            "ConvertedOpportunityId": opportunity_id,
        }
        self.change(lead_id, "updated", **{name: value for name, value in facts.items() if name in lead_fields})
        return Converted(lead_id, account_id, contact_id, opportunity_id)

    def _account(self, lead: Record, owner_id: Any) -> str:
        return self._create("Account", {**_mapped(lead, _TO_ACCOUNT), "OwnerId": owner_id})

    def _contact(self, request: LeadConvert, lead: Record, account_id: str, owner_id: Any) -> str:
        values = _mapped(lead, _TO_CONTACT)
        contact_id = full_id(request.contact_id or "")
        if contact_id is None:
            return self._create("Contact", {**values, "AccountId": account_id, "OwnerId": owner_id})
        known = self.org.record(contact_id) or {}
        source = {"LeadSource"} if request.overwrite_lead_source else set()
        fields = self.org.sobject("Contact").fields
        open_fields = {name for name in fields if known.get(name) is None} | source
        added = {name: value for name, value in values.items() if name in open_fields}
        self.change(contact_id, "updated", **added)
        return contact_id

    def _opportunity(self, request: LeadConvert, lead: Record, account_id: str, owner_id: Any) -> str | None:
        sobject = self.org.schema.find("Opportunity")
        if request.opportunity_id:
            return full_id(request.opportunity_id)
        if request.no_opportunity or sobject is None:
            return None
        stages = sobject.fields["StageName"].values if "StageName" in sobject.fields else ()
        values = {
            "Name": request.opportunity_name or f"{lead.get('Company')}-",
            "AccountId": account_id,
            "CloseDate": _end_of_quarter(self.org.clock()),
            "StageName": stages[0] if stages else None,
            "LeadSource": lead.get("LeadSource"),
            "OwnerId": owner_id,
        }
        return self._create(sobject.name, values)

    def _create(self, name: str, values: dict[str, Any]) -> str:
        sobject = self.org.sobject(name)
        known = {field: value for field, value in values.items() if field in sobject.fields and value is not None}
        verb: Verb = Create()
        options = replace(self._options[name], all_or_none=False)
        drafts = [Draft(sobject, known)]
        (row,) = plan(self.org, drafts, verb, options)
        (saved,) = commit(self.org, drafts, [row], options)
        if isinstance(saved, Refused):
            raise _Stopped(saved)
        return saved.record_id

    def _move_activities(self, lead_id: str, contact_id: str) -> None:
        for child in list(self.related.children(lead_id)):
            if child.sobject.name in ("Task", "Event") and "Contact" in child.field.reference_to:
                self.change(child.record_id, "updated", **{child.field.name: contact_id})


def _mapped(lead: Record, mapping: dict[str, str | None]) -> dict[str, Any]:
    return {target or name: lead[name] for name, target in mapping.items() if lead.get(name) is not None}


def _end_of_quarter(now: datetime) -> str:
    month = 3 * ((now.month - 1) // 3) + 4
    first_of_next = now.replace(year=now.year + (month > 12), month=(month - 1) % 12 + 1, day=1)
    return (first_of_next - timedelta(days=1)).date().isoformat()
