"""Which records block a row? A REST upsert of it alone, whose refusal says: answers the port ``DuplicateLookup``.

One call a row, for orgs without SOAP (REST guide, "Insert or Update (Upsert) a Record Using an External ID"; only the
answer to a single record has the duplicate result, which older releases spell ``duplicateResut``). Like SOAP's it is a
write under the same duplicate rules: a row that nothing blocks any more is saved, as was wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.retrying import LostSendings
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, nobody
from airflow_sf_dedup.salesforce.wire import rest
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions


class RestUpsertLookup:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateLookup` by REST upserts of single records.

    :param repeatable: False for a key that is not unique: two upserts of it at once create two records.
    """

    rows_per_call = 1
    writes = True

    def __init__(
        self,
        session: SalesforceSession,
        *,
        sobject: SObject,
        external_id_field: str,
        options: WriteOptions = WriteOptions(),  # noqa: B008
        repeatable: bool = True,
    ) -> None:
        self._session = session
        self._sobject = sobject
        self._key_field = api_name(external_id_field, "external_id_field")
        self._options = options
        self._repeatable = repeatable

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """Upsert the one row; a row whose key a URL cannot carry stays without matches."""
        return [self._upsert(each, on_late) if _can_carry(each.key) else _CANNOT_BE_ASKED for each in records]

    def _upsert(self, record: Record, on_late: Callable[[], None]) -> Outcome:
        lost = LostSendings(on_late)
        outcome: Outcome = self._session.rest(
            "PATCH",
            f"sobjects/{api_name(self._sobject.name, 'sobject')}/{self._key_field}/{quote(record.key, safe='')}",
            body=self._body(record),
            headers=self._options.headers(),
            repeatable=self._repeatable,
            retry_timeouts=False,
            bad_request_is_data=True,
            read=self._read,
            on_retry=lost,
        )
        return rest.in_doubt(outcome) if lost.in_doubt else outcome

    def _body(self, record: Record) -> Mapping[str, Any]:
        """The key stands in the URL; in the body as well, it refuses the call."""
        own = self._key_field.lower()
        return {name: value for name, value in record.fields.items() if name.lower() != own}

    def _read(self, answer: Any) -> Outcome:
        [outcome] = rest.with_right_ids([rest.read_single(answer)], lambda _, saved: self._sobject.has_id(saved))
        return outcome


def _can_carry(key: str) -> bool:
    """Whether a URL means that key and no other.

    Dots alone lead to another place, and whether Salesforce takes ``.json`` for a format is not documented.
    """
    return key.strip(".") != "" and not key.lower().endswith((".json", ".xml"))


_CANNOT_BE_ASKED: Outcome = DuplicatesFound("blocked; its key cannot stand in a URL", ())
