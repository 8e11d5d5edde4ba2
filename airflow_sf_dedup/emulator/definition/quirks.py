"""What Salesforce does where nobody outside has been able to confirm it.

Each is a setting under ``quirks:`` in the org file. A default stands on the side that is harder for a client,
so that a client which works here works whichever way the question is settled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from airflow_sf_dedup.emulator.errors import OrgFileError
from airflow_sf_dedup.emulator.suggesting import no_such


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
    #: Rows that a subquery in SELECT gives at once; the others are asked for by its own locator.
    child_rows_in_a_page: int = 200
    #: ``ALL ROWS``, a clause of Apex, is a part of SOQL in the API too.
    all_rows_in_api: bool = False
    #: ORDER BY knows the aliases of SELECT in a grouped query.
    aliases_in_order_by: bool = False
    #: ``Id > ''`` is true of every record; else it is refused.
    ids_follow_empty_text: bool = False
    #: An empty element in a SOAP record: ``ignored`` or ``null`` (clears the field).
    soap_empty_element: str = "ignored"
    #: Rules with the ``report`` operation see the other rows of one save, to which ``block`` and ``alert`` are blind.
    report_sees_rows_of_one_save: bool = True
    #: What a record has in common with several sets of one rule becomes one set.
    report_joins_sets: bool = True
    #: An item that a caller makes is a record of the sobject that its duplicate record set is about.
    record_sets_of_one_sobject: bool = True
    #: A caller cannot put a record twice into one duplicate record set.
    record_sets_have_a_record_once: bool = True
    #: readMetadata shows ``objectMapping`` and ``duplicateRuleFilter`` as nil where there is none, as retrieved files
    #: do. zeep and jsforce read nil as an empty mapping or filter, which they then cannot send back.
    read_metadata_shows_nil: bool = False
    #: Cases can be merged (SOAP documents Account, Contact and Lead; Apex merges Cases too).
    merge_cases: bool = False
    #: The code of a merge whose records cannot be merged with each other: ``MERGE_FAILED`` or ``INVALID_MERGE_RECORD``.
    merge_refused_code: str = "MERGE_FAILED"
    #: The message of such a merge; ``{reason}`` says what is wrong with it.
    merge_refused_message: str = "A merge operation failed: {reason}"
    #: Duplicate rules run on what convertLead creates (seen in an answer; it depends on a setting of the org).
    lead_conversion_runs_duplicate_rules: bool = True
    #: Records that were merged into a record which is then merged itself point at the last master.
    merge_moves_earlier_victims: bool = False
    #: What findDuplicates says about a rule without a match: ``size_zero`` (a match result of size 0) or ``empty``.
    find_duplicates_no_match: str = "size_zero"
    #: The code of emptyRecycleBin for a record that is not in the recycle bin.
    empty_recycle_bin_code: str = "INVALID_ID_FIELD"
    #: The duplicate-rule header of the request that creates a Bulk 2.0 job has an effect.
    bulk_honours_duplicate_header: bool = False
    #: Columns of Bulk 2.0 results: ``alphabetical`` or as in the ``upload``.
    bulk_result_columns: str = "alphabetical"
    #: The header of Bulk 2.0 results quotes its own columns only (``sf__columns``) or ``all``.
    bulk_result_header_quotes: str = "sf__columns"
    #: The rows of Bulk 2.0 results have another order than the upload.
    bulk_results_shuffled: bool = True
    #: The Content-Type of Bulk CSV names its charset.
    bulk_results_name_charset: bool = False
    #: A line break inside quotes has to be the job's lineEnding too.
    bulk_quoted_line_endings_checked: bool = True
    #: A second upload to a Bulk 2.0 job is refused at once (``upload``) or when the job is closed (``close``).
    bulk_second_upload_refused_at: str = "upload"
    #: Users may hard delete; it takes a permission that is off by default.
    bulk_hard_delete_permitted: bool = True

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
    "merge_refused_code": ("MERGE_FAILED", "INVALID_MERGE_RECORD"),
    "find_duplicates_no_match": ("size_zero", "empty"),
    "bulk_result_columns": ("alphabetical", "upload"),
    "bulk_result_header_quotes": ("sf__columns", "all"),
    "bulk_second_upload_refused_at": ("upload", "close"),
}


def _check(name: str, value: Any, defaults: Quirks) -> None:
    known = [each.name for each in fields(Quirks)]
    if name not in known:
        raise OrgFileError(f"quirks.{name}", no_such("quirk", name, known))
    if name in _CHOICES and value not in _CHOICES[name]:
        raise OrgFileError(f"quirks.{name}", f"{value!r} should be one of: {', '.join(_CHOICES[name])}")
    wanted = type(getattr(defaults, name))
    if not isinstance(value, wanted):
        raise OrgFileError(f"quirks.{name}", f"{value!r} should be a {wanted.__name__}")
