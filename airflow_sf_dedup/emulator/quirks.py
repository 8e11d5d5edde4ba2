"""What Salesforce does where nobody outside has been able to confirm it.

Each is a setting under ``quirks:`` in the org file. A default stands on the side that is harder for a client,
so that a client which works here works whichever way the question is settled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from airflow_sf_dedup.emulator.errors import OrgFileError


@dataclass(frozen=True, slots=True)
class Quirks:
    #: ``old``: single-record REST says ``duplicateResut``; ``new``: ``duplicateResult``.
    duplicate_result_spelling: str = "old"
    #: A single-record subrequest of /composite carries the duplicate result in its error.
    composite_carries_duplicate_result: bool = False
    #: The duplicate-rule header has an effect on sObject Collections.
    collections_honour_duplicate_header: bool = True
    #: Which fields ``includeRecordDetails`` shows: ``compact_layout`` or ``all``.
    record_details: str = "compact_layout"
    #: Duplicate rules match records in the recycle bin.
    deleted_records_match: bool = True
    #: A record in the recycle bin keeps its unique values to itself.
    deleted_records_hold_unique_values: bool = True
    #: How DUPLICATE_VALUE names the holder: ``id15``, ``id18`` or ``unknown`` (both parts masked).
    duplicate_value_names: str = "id15"
    #: ``Duplicate external id specified`` shows the value of a case-insensitive field in lower case.
    repeated_key_lower_cased: bool = True
    #: A refused row of an upsert says ``created: true`` (SOAP; Collections when all rows are rolled back).
    refused_rows_say_created: bool = True
    #: A row that allOrNone rolls back keeps the id it would have had.
    rolled_back_rows_keep_id: bool = True
    #: The message of MISSING_ARGUMENT for an upsert row without its key; ``{field}`` is the key field.
    missing_key_message: str = "{field} not specified"
    #: ``updateOnly=true`` without a record: ``object`` (a bare object) or ``list`` (a list of errors).
    update_only_not_found: str = "object"
    #: A key in the URL that ends in ``.json`` or ``.xml`` loses that ending.
    format_suffix_in_url: bool = True
    #: An empty element in a SOAP record: ``ignored`` or ``null`` (clears the field).
    soap_empty_element: str = "ignored"
    #: The Tooling API knows DuplicateRule, as the data API does.
    tooling_has_duplicate_rules: bool = False
    #: readMetadata shows ``objectMapping`` as nil where there is none, as retrieved files do. zeep reads nil as an
    #: empty mapping, which it then cannot send back.
    read_metadata_shows_nil_mapping: bool = False

    @classmethod
    def read(cls, settings: dict[str, Any]) -> Quirks:
        """:raises OrgFileError: a name that is no quirk, or a value that is none of its choices."""
        defaults = cls()
        for name, value in settings.items():
            _check(name, value, defaults)
        return cls(**settings)


_CHOICES = {
    "duplicate_result_spelling": ("old", "new"),
    "record_details": ("compact_layout", "all"),
    "duplicate_value_names": ("id15", "id18", "unknown"),
    "update_only_not_found": ("object", "list"),
    "soap_empty_element": ("ignored", "null"),
}


def _check(name: str, value: Any, defaults: Quirks) -> None:
    known = [each.name for each in fields(Quirks)]
    if name not in known:
        raise OrgFileError(f"quirks.{name}", f"no such quirk; there are: {', '.join(known)}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise OrgFileError(f"quirks.{name}", f"{value!r} should be one of: {', '.join(_CHOICES[name])}")
    wanted = type(getattr(defaults, name))
    if not isinstance(value, wanted):
        raise OrgFileError(f"quirks.{name}", f"{value!r} should be a {wanted.__name__}")
