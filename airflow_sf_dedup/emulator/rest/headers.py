"""What the ``Sforce-…`` request headers ask for."""

from __future__ import annotations

from airflow_sf_dedup.emulator.http import Call
from airflow_sf_dedup.emulator.saving.saving import SaveOptions
from airflow_sf_dedup.emulator.wire.http_rules import header_options

#: The duplicate-rule header exists from this version on (REST API Developer Guide, "Duplicate Rule Header").
_DUPLICATE_HEADER_SINCE = 52.0


def save_options(call: Call, *, all_or_none: bool = False, collection: bool = False) -> SaveOptions:
    """How the records of this request are to be saved."""
    duplicates = _duplicate_options(call, collection=collection)
    return SaveOptions(
        user_id=call.user_id,
        allow_save=duplicates.get("allowsave") == "true",
        include_record_details=duplicates.get("includerecorddetails") == "true",
        all_or_none=all_or_none,
        assign=_assigns(call),
    )


def _duplicate_options(call: Call, *, collection: bool) -> dict[str, str]:
    if call.version < _DUPLICATE_HEADER_SINCE:
        return {}
    if collection and not call.org.quirks.collections_honour_duplicate_header:
        return {}
    return header_options(call.request.headers.get("sforce-duplicate-rule-header", ""))


def _assigns(call: Call) -> bool:
    """REST runs the default assignment rules on create and on update unless told not to."""
    return call.request.headers.get("sforce-auto-assign", "true").strip().lower() != "false"
