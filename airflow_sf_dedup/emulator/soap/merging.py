"""The SOAP calls merge, findDuplicates and findDuplicatesByIds."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import Refused, RowError
from airflow_sf_dedup.emulator.saving.changing import full_id
from airflow_sf_dedup.emulator.saving.finding_duplicates import rules_of, with_rules_without_match, would_match
from airflow_sf_dedup.emulator.saving.merging import MergeRequest, MergeResult, merge
from airflow_sf_dedup.emulator.soap import shapes
from airflow_sf_dedup.emulator.soap.context import (
    Answer,
    Context,
    Operation,
    check_limit,
    read_drafts,
    sobject_elements,
)
from airflow_sf_dedup.emulator.soap.partner_wsdl import parts
from airflow_sf_dedup.emulator.wire.soap_calls import SoapClientFault, check_names
from airflow_sf_dedup.emulator.xml_reading import local, text_of
from airflow_sf_dedup.emulator.xml_writing import element

_MOST_LOOKED_UP = 50
#: The WSDL says ``request``, its documentation ``mergeRequests``; the real endpoint takes both.
_REQUESTS = ("request", "mergeRequests")


def _merge(context: Context) -> Answer:
    elements = [each for each in context.call.body if local(each) in _REQUESTS]
    check_limit(len(elements))
    masters = read_drafts(context, [_master(each) for each in elements])
    requests = [MergeRequest(master, _victims(element)) for master, element in zip(masters, elements, strict=True)]
    results = merge(context.org, requests, user_id=context.user_id)
    return Answer("".join(map(_merge_result, results)), len(results))


def _master(request: Element) -> Element:
    check_names(request, parts("MergeRequest"))
    found = next((each for each in request if local(each) == "masterRecord"), None)
    if found is None:
        raise SoapClientFault("Element {urn:partner.soap.sforce.com}masterRecord is missing in MergeRequest")
    return found


def _victims(request: Element) -> tuple[str, ...]:
    return tuple(text_of(each).strip() for each in request if local(each) == "recordToMergeIds")


def _merge_result(result: MergeResult) -> str:
    """MergeResult: errors, id, mergedRecordIds, success, updatedRelatedIds."""
    if isinstance(result, Refused):
        return shapes.save_result(result)
    merged = "".join(element("mergedRecordIds", each) for each in result.victims)
    related = "".join(element("updatedRelatedIds", each) for each in result.related)
    return f"<result>{element('id', result.record_id)}{merged}<success>true</success>{related}</result>"


# --- looking for duplicates -------------------------------------------------------------------------------


def _find_duplicates(context: Context) -> Answer:
    elements = sobject_elements(context)
    _check_size(len(elements))
    drafts = read_drafts(context, elements)
    with context.org.lock:
        _check_types(context, [draft.sobject for draft in drafts])
        return Answer("".join(_found(context, draft) for draft in drafts), len(drafts))


def _find_duplicates_by_ids(context: Context) -> Answer:
    given = [each.strip() for each in context.call.texts("ids")]
    _check_size(len(given))
    with context.org.lock:
        drafts = [_draft_of(context, each) for each in given]
        _check_types(context, [each.sobject for each in drafts if isinstance(each, Draft)])
        return Answer("".join(_found(context, each) for each in drafts), len(drafts))


def _check_size(number: int) -> None:
    if number > _MOST_LOOKED_UP:
        message = "Configuration error: The number of records to check is greater than the permitted batch size."
        raise ApiError("LIMIT_EXCEEDED", message)


def _check_types(context: Context, sobjects: list[Sobject]) -> None:
    """:raises ApiError: the records are of several types, or no rule of theirs is active."""
    by_name = {each.name: each for each in sobjects}
    if len(by_name) > 1:
        raise ApiError("INVALID_INPUT_COMBINATION", "All records to check must be of the same object type.")
    for sobject in by_name.values():
        if not rules_of(context.org, sobject):
            message = f"No active duplicate rules are defined for the [{sobject.name}] object type."
            raise ApiError("NO_ACTIVE_DUPLICATE_RULE", message)


def _draft_of(context: Context, given: str) -> Draft | RowError:
    record_id = full_id(given)
    record = context.org.record(record_id) if record_id else None
    if record_id is None:
        return RowError("MALFORMED_ID", f"malformed id {given}")
    if record is None:
        return RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if record["IsDeleted"]:
        return RowError("ENTITY_IS_DELETED", "entity is deleted")
    return Draft(context.org.schema.by_prefix[record_id[:3]], {"Id": record_id})


def _found(context: Context, draft: Draft | RowError) -> str:
    """FindDuplicatesResult: duplicateResults, errors, success."""
    if isinstance(draft, RowError):
        return shapes.outcome((draft.code, draft.message))
    if draft.errors:
        return f"<result>{shapes.errors(draft.errors)}<success>false</success></result>"
    details = context.include_record_details
    found = would_match(context.org, draft.sobject, draft.values, details=details)
    every = with_rules_without_match(context.org, draft.sobject, found)
    shown = "".join(shapes.duplicate_result(each, name="duplicateResults") for each in every)
    return f"<result>{shown}<success>true</success></result>"


OPERATIONS: dict[str, Operation] = {
    "merge": _merge,
    "findDuplicates": _find_duplicates,
    "findDuplicatesByIds": _find_duplicates_by_ids,
}
