"""SOAP calls that change records one by one: create, update, upsert, delete, undelete, emptyRecycleBin, convertLead."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.results import Refused, RowResult
from airflow_sf_dedup.emulator.saving.converting import ConvertResult, LeadConvert, convert
from airflow_sf_dedup.emulator.saving.deleting import delete, empty_recycle_bin, undelete
from airflow_sf_dedup.emulator.saving.saving import save
from airflow_sf_dedup.emulator.saving.targets import Create, Update, Upsert, Verb
from airflow_sf_dedup.emulator.soap import shapes
from airflow_sf_dedup.emulator.soap.context import (
    Answer,
    Context,
    Operation,
    check_limit,
    ids,
    read_drafts,
    sobject_elements,
)
from airflow_sf_dedup.emulator.soap.partner_wsdl import parts
from airflow_sf_dedup.emulator.wire.soap_calls import SoapClientFault, check_names
from airflow_sf_dedup.emulator.xml_reading import is_nil, local, text_of
from airflow_sf_dedup.emulator.xml_writing import element

_MOST_CONVERTED = 100
_BYPASSES = {"Account": "bypassAccountDedupeCheck", "Contact": "bypassContactDedupeCheck"}


def _create(context: Context) -> Answer:
    return _saved(context, Create())


def _update(context: Context) -> Answer:
    return _saved(context, Update())


def _saved(context: Context, verb: Verb) -> Answer:
    return _rows(save(context.org, _drafts(context), verb, context.options))


def _rows(results: list[RowResult]) -> Answer:
    return Answer("".join(map(shapes.save_result, results)), len(results))


def _upsert(context: Context) -> Answer:
    drafts = _drafts(context)
    name = (context.call.text("externalIDFieldName") or "").strip()
    key = _key_field(drafts[0].sobject, name) if drafts else None
    if key is None:
        return Answer("")
    results = save(context.org, drafts, Upsert(key), context.options)
    says_created = context.org.quirks.refused_rows_say_created
    shown = (shapes.upsert_result(each, refused_says_created=says_created) for each in results)
    return Answer("".join(shown), len(results))


def _key_field(sobject: Sobject, name: str) -> Field:
    if not name:
        raise ApiError("MISSING_ARGUMENT", "External ID field name is required for upsert")
    found = sobject.find(name)
    if found is None or not (found.upsert_key or found.kind == "id"):
        wanted = f"an External ID, Salesforce Id, or indexed field for {sobject.name}"
        message = f"Field name provided, {name} does not match {wanted}"
        raise ApiError("INVALID_FIELD", message)
    return found


def _drafts(context: Context) -> list[Draft]:
    """The drafts of the call's sObjects.

    :raises ApiError: too many, none such, several types for an upsert, or a field that there is not.
    """
    elements = sobject_elements(context)
    check_limit(len(elements))
    drafts = read_drafts(context, elements)
    if len({draft.sobject.name for draft in drafts}) > 1 and context.call.operation == "upsert":
        raise ApiError("INVALID_TYPE", "upsert accepts records of one type only")
    return drafts


def _delete(context: Context) -> Answer:
    return _rows(delete(context.org, ids(context), user_id=context.user_id, all_or_none=context.all_or_none))


def _undelete(context: Context) -> Answer:
    return _rows(undelete(context.org, ids(context), user_id=context.user_id, all_or_none=context.all_or_none))


def _empty_recycle_bin(context: Context) -> Answer:
    return _rows(empty_recycle_bin(context.org, ids(context), user_id=context.user_id))


# --- leads ------------------------------------------------------------------------------------------------


def _convert_lead(context: Context) -> Answer:
    elements = [each for each in context.call.body if local(each) == "leadConverts"]
    if len(elements) > _MOST_CONVERTED:
        raise ApiError("EXCEEDED_LEAD_CONVERT_LIMIT", f"cannot convert more than {_MOST_CONVERTED} leads in one call")
    context.org.sobject("Lead")
    requests = [_lead_convert(each) for each in elements]
    results = convert(context.org, requests, context.options)
    return Answer("".join(map(_convert_result, results)), len(results))


def _lead_convert(element: Element) -> LeadConvert:
    check_names(element, parts("LeadConvert"))
    given = {local(each): text_of(each).strip() for each in element if not is_nil(each)}
    for each in element:
        if len(each):
            raise SoapClientFault(f"Element {each.tag} invalid at this location")
    return LeadConvert(
        lead_id=given.get("leadId", ""),
        status=given.get("convertedStatus", ""),
        account_id=given.get("accountId") or None,
        contact_id=given.get("contactId") or None,
        opportunity_id=given.get("opportunityId") or None,
        opportunity_name=given.get("opportunityName") or None,
        owner_id=given.get("ownerId") or None,
        no_opportunity=given.get("doNotCreateOpportunity") in ("true", "1"),
        bypassed=frozenset(name for name in ("Account", "Contact") if given.get(_BYPASSES[name]) in ("true", "1")),
        overwrite_lead_source=given.get("overwriteLeadSource") in ("true", "1"),
    )


def _convert_result(result: ConvertResult) -> str:
    if isinstance(result, Refused):
        nothing = element("accountId", None) + element("contactId", None)
        errors = shapes.errors(result.errors)
        rest = element("leadId", result.record_id) + element("opportunityId", None)
        return f"<result>{nothing}{errors}{rest}<success>false</success></result>"
    facts = (
        ("accountId", result.account_id),
        ("contactId", result.contact_id),
        ("leadId", result.lead_id),
        ("opportunityId", result.opportunity_id),
        ("success", True),
    )
    return f"<result>{''.join(element(name, value) for name, value in facts)}</result>"


OPERATIONS: dict[str, Operation] = {
    "create": _create,
    "update": _update,
    "upsert": _upsert,
    "delete": _delete,
    "undelete": _undelete,
    "emptyRecycleBin": _empty_recycle_bin,
    "convertLead": _convert_lead,
}
