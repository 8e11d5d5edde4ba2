"""Which field of a record of another sObject says the same as a field of the row?

What Salesforce itself writes where it converts a lead (Help: "Lead Conversion Field Mapping") comes first, both ways;
for all other fields it is the one of the same API name. Fields whose values cannot be compared do not correspond.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sf_dedup.core.sobjects import Field, SObject

_ADDRESS = ("Street", "City", "State", "StateCode", "PostalCode", "Country", "CountryCode")

#: Lead field to the field that the conversion writes, where their names differ.
_LEAD_TO: Mapping[str, Mapping[str, str]] = {
    "contact": {part: f"Mailing{part}" for part in _ADDRESS},
    "account": {
        **{part: f"Billing{part}" for part in _ADDRESS},
        "Company": "Name",
        "CompanyDunsNumber": "DunsNumber",
        "LeadSource": "AccountSource",
    },
}

#: sObject of the row and of the record, in lower case, to the fields that correspond, in lower case.
_NAMED_OTHERWISE: Mapping[tuple[str, str], Mapping[str, str]] = {
    **{("lead", other): {a.lower(): b.lower() for a, b in fields.items()} for other, fields in _LEAD_TO.items()},
    **{(other, "lead"): {b.lower(): a.lower() for a, b in fields.items()} for other, fields in _LEAD_TO.items()},
}

#: Every record has its own: they say nothing of whom it is about.
_OF_THE_RECORD = frozenset(
    {
        *("id", "recordtypeid", "masterrecordid", "isdeleted", "createddate", "createdbyid", "lastmodifieddate"),
        *("lastmodifiedbyid", "systemmodstamp", "lastactivitydate", "lastvieweddate", "lastreferenceddate"),
    }
)

#: An account's name is that of a company; those of leads and contacts are people's.
_NAMES_A_COMPANY = frozenset({"account"})

_TEXTS = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "combobox"})
_NUMBERS = frozenset({"int", "long", "double", "currency", "percent"})
_AS_THEY_ARE = frozenset({"boolean", "date", "datetime", "time", "multipicklist"})


def counterpart(of: SObject, field: Field, other: SObject) -> Field | None:
    """The field of another sObject that says the same; ``None``: it has none, or none that can be compared.

    :param of: the sObject of the field.
    """
    own, name = of.name.lower(), field.name.lower()
    if name in _OF_THE_RECORD:
        return None
    named_otherwise = _NAMED_OTHERWISE.get((own, other.name.lower()), {}).get(name)
    if named_otherwise is None and name == "name" and _is_company(own) != _is_company(other.name.lower()):
        return None
    found = other.field(named_otherwise or name)
    return found if found is not None and comparable(field, found) else None


def comparable(a: Field, b: Field) -> bool:
    """Whether a value of one field can be held against one of the other."""
    if "reference" in (a.type, b.type):
        return a.type == b.type and bool(_lower(a.reference_to) & _lower(b.reference_to))
    kinds = (_TEXTS, _NUMBERS)
    return any(a.type in kind and b.type in kind for kind in kinds) or (a.type == b.type and a.type in _AS_THEY_ARE)


def _is_company(sobject: str) -> bool:
    return sobject in _NAMES_A_COMPANY


def _lower(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(str.lower, names))
