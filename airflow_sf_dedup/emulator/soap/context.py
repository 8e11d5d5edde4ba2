"""What an operation of the SOAP API is given, and what it gives back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.drafts import Draft, TextRecord, read_text
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.saving.saving import SaveOptions
from airflow_sf_dedup.emulator.soap.sobjects import read_sobject
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.soap_calls import SoapCall
from airflow_sf_dedup.emulator.xml_reading import local, text_of

MOST_RECORDS = 200
_WITHOUT_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?")
#: Before this version what is too long was cut off without being asked for.
_TRUNCATED_BEFORE = 15.0
#: AllowFieldTruncationHeader names the types it is for.
_TRUNCATED = frozenset({"string", "textarea", "email", "phone", "picklist", "multipicklist", "encryptedstring"})


@dataclass(frozen=True, slots=True)
class Context:
    org: Org
    call: SoapCall
    user_id: str
    version: float
    #: Where the caller reaches the emulator.
    url: str
    #: Records are shown with types of their own, as the Enterprise WSDL has them.
    enterprise: bool = False

    @property
    def options(self) -> SaveOptions:
        call = self.call
        return SaveOptions(
            user_id=self.user_id,
            allow_save=call.flag("DuplicateRuleHeader", "allowSave"),
            include_record_details=self.include_record_details,
            all_or_none=self.all_or_none,
            assign=self._assigns,
        )

    @property
    def _assigns(self) -> bool:
        """:raises ApiError: INVALID_ASSIGNMENT_RULE, there is no such rule."""
        rule = self.call.header("AssignmentRuleHeader", "assignmentRuleId")
        known = {each.record_id[:15] for each in self.org.definition.assignment_rules.values()}
        if rule and rule[:15] not in known:
            raise ApiError("INVALID_ASSIGNMENT_RULE", f"invalid assignment rule: {rule}")
        return bool(rule) or self.call.flag("AssignmentRuleHeader", "useDefaultRule")

    @property
    def all_or_none(self) -> bool:
        return self.call.flag("AllOrNoneHeader", "allOrNone")

    @property
    def include_record_details(self) -> bool:
        return self.call.flag("DuplicateRuleHeader", "includeRecordDetails")

    @property
    def truncates(self) -> bool:
        asked = self.call.flag("AllowFieldTruncationHeader", "allowFieldTruncation")
        return asked or self.version < _TRUNCATED_BEFORE


@dataclass(frozen=True, slots=True)
class Answer:
    results: str
    rows: int = 0


Operation = Callable[[Context], Answer]


def ids(context: Context) -> list[str]:
    """The ids of the call as they were given; some clients call the parameter ``id``.

    :raises ApiError: EXCEEDED_ID_LIMIT.
    """
    found = [text_of(each).strip() for each in context.call.body if local(each) in ("ids", "id")]
    check_limit(len(found))
    return found


def check_limit(number: int, most: int = MOST_RECORDS) -> None:
    if number > most:
        message = f"record limit reached. cannot submit more than {most} records into this call"
        raise ApiError("EXCEEDED_ID_LIMIT", message)


def full_id(given: str) -> str:
    """:raises ApiError: MALFORMED_ID."""
    try:
        return to_18(given.strip())
    except ValueError:
        raise ApiError("MALFORMED_ID", f"malformed id {given}") from None


def sobject_elements(context: Context) -> list[Element]:
    return [each for each in context.call.body if local(each) in ("sObjects", "sobjects", "sObject")]


def read_drafts(context: Context, elements: list[Element]) -> list[Draft]:
    """A draft of each element.

    :raises ApiError: no such sobject, or a field that there is not.
    """
    empty_is_null = context.org.quirks.soap_empty_element == "null"
    records = [read_sobject(each, empty_is_null=empty_is_null) for each in elements]
    drafts = []
    for each in records:
        sobject = context.org.sobject(each.sobject)
        drafts.append(read_text(sobject, _as_read(sobject, each.record, truncates=context.truncates)))
    for error in (error for draft in drafts for error in draft.errors):
        if error.code == "INVALID_FIELD" and error.message.startswith("No such column"):
            raise ApiError(error.code, error.message)
    return drafts


def _as_read(sobject: Sobject, record: TextRecord, *, truncates: bool) -> TextRecord:
    fields = [(name, _text(sobject.find(name), text, truncates=truncates)) for name, text in record.fields]
    return TextRecord(fields, record.fields_to_null, record.parents)


def _text(field: Field | None, text: str, *, truncates: bool) -> str:
    if field is None:
        return text
    if field.kind == "datetime":
        return _with_zone(text)
    return text.strip()[: field.length] if truncates and field.kind in _TRUNCATED else text


def _with_zone(text: str) -> str:
    """A moment of XML without a time zone is one in UTC."""
    return f"{text.strip()}Z" if _WITHOUT_ZONE.fullmatch(text.strip()) else text
