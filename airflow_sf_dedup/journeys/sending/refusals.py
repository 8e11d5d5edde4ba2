"""What an answer that is no success says: will it pass, was it the row's own fault, may the row be in the org?"""

from __future__ import annotations

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.printable import printable
from airflow_sf_dedup.errors import CallError, RequestRefusedError
from airflow_sf_dedup.salesforce.http.answers import error_for
from airflow_sf_dedup.salesforce.http.leaving import TEXT_LENGTH
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused
from airflow_sf_dedup.salesforce.wire.duplicate_value import DuplicateValue, kind_of
from airflow_sf_dedup.salesforce.wire.error_codes import Handling, rule_for

#: Statuses of a refusal that may be one row's fault; SOAP faults all have 500. Others speak of the resource.
_OF_A_ROW = frozenset({None, 400, 413, 500})

#: What Salesforce says of a parent's key that no record holds, under ``INVALID_FIELD``, which has other causes as well;
#: and the codes that say it by themselves.
_NO_SUCH_KEY = "foreign key external id"
_NO_SUCH_RECORD = ("INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED")

_REFUSED = (Failed, DuplicatesFound, KeyHeldByMany)

#: A repeat of the key in one call passes once its rows are sent apart.
_PASSING_KINDS = (DuplicateValue.RACE, DuplicateValue.REPEATED_IN_CALL)


def fails_for_now(outcome: Outcome, external_id_field: str | None) -> bool:
    """Whether the same row may succeed a little later.

    :param external_id_field: ``None`` when the row is not written by its key, so that no race for it can be lost.
    """
    if not isinstance(outcome, Failed):
        return False
    if outcome.code == "DUPLICATE_VALUE":
        return external_id_field is not None and kind_of(outcome.message, external_id_field) in _PASSING_KINDS
    return rule_for(outcome.code, outcome.message).handling in (Handling.RETRY_ROW, Handling.RETRY_CALL)


def misses_a_record(outcome: Outcome) -> bool:
    """Whether the row names a record that is not there, by its key or its id."""
    if not isinstance(outcome, Failed):
        return False
    by_key = outcome.code == "INVALID_FIELD" and _NO_SUCH_KEY in outcome.message.lower()
    return by_key or outcome.code in _NO_SUCH_RECORD


def may_be_a_row(error: CallError) -> bool:
    """Whether a value of one row may have spoilt the request; otherwise any other request meets the same."""
    rule = rule_for(error.code, str(error))
    return (
        isinstance(error, RequestRefusedError)
        and rule.handling is Handling.PERMANENT
        and (rule.listed or error.status in _OF_A_ROW)
    )


def as_one(answer: ChunkAnswer) -> ChunkAnswer:
    """A chunk all of whose rows are refused alike, for what the org has or has not, was refused as one."""
    first = answer[0] if isinstance(answer, list) and answer else None
    if not isinstance(first, Failed) or not rule_for(first.code, first.message).of_the_org:
        return answer
    assert isinstance(answer, list)  # noqa: S101 - narrows the union
    alike = all(isinstance(each, Failed) and each.code == first.code for each in answer)
    return ChunkRefused(first.code, first.message, any(map(is_in_doubt, answer))) if alike else answer


def unanswered(refused: Failed) -> Unanswered:
    """The outcome of a row that is refused now, and of which an earlier call got no answer."""
    message = own_words(refused) if refused.of_many else refused.message
    return Unanswered(f"{refused.code}, after a call without an answer: {message}")


def named_fields(refused: Failed) -> tuple[str, ...]:
    """The fields that a refusal is about: what looks like no name may be a value."""
    return tuple(name for name in refused.fields if all(map(is_api_name, name.split("."))))


def own_words(refused: Failed) -> str:
    """Why a row was refused, without a word of Salesforce's but the names of fields."""
    names = named_fields(refused)
    return rule_for(refused.code, refused.message).reason + (f"; fields: {', '.join(names)}" if names else "")


def is_in_doubt(outcome: Outcome) -> bool:
    """Whether the row may be in the org although it is not saved."""
    return isinstance(outcome, Unanswered) or (isinstance(outcome, _REFUSED) and outcome.in_doubt)


def was_lost(outcome: Outcome) -> bool:
    """Whether the call was repeated after an answer was lost."""
    if isinstance(outcome, _REFUSED):
        return outcome.in_doubt
    return type(outcome) is Saved and outcome.created is None


def error_of(refusal: ChunkRefused) -> CallError:
    """What the refusal of a chunk means for a call; one without a code is named by its HTTP status."""
    word, _, status = refusal.code.partition("_")
    by_status = int(status) if word == "HTTP" and status.isdecimal() else None
    return error_for(refusal.code, printable(refusal.message, TEXT_LENGTH), status=by_status)


def took_too_long(error: CallError) -> bool:
    return error.code == "READ_TIMEOUT" or rule_for(error.code, str(error)).fewer_rows_help


def is_too_much(outcome: Outcome) -> bool:
    """Whether the row was one too many for a transaction of the org."""
    return isinstance(outcome, Failed) and rule_for(outcome.code, outcome.message).fewer_rows_help


def is_repeat(outcome: Outcome) -> bool:
    """Whether Salesforce took the row's key for the key of another row of the chunk."""
    return (
        isinstance(outcome, Failed)
        and outcome.code == "DUPLICATE_VALUE"
        and kind_of(outcome.message, "") is DuplicateValue.REPEATED_IN_CALL
    )
