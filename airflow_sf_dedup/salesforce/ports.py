"""How to talk to an org, in the words of a load. Each port is one need, not one API of Salesforce.

What an answer to a port promises is asked of it by a contract: ``airflow_sf_dedup.testing.contracts`` has
``write_apis``, ``lookups``, ``readers``, ``undeletes``, ``deletes``, ``rules``, ``rule_switches`` and ``finders``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome
from airflow_sf_dedup.core.record_state import Deletion, RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject


@dataclass(frozen=True, slots=True)
class ChunkRefused:
    """Salesforce refused a whole chunk, as it does when one value in it is malformed."""

    code: str
    message: str
    #: An earlier sending of the chunk got no answer: its rows may be in the org all the same.
    in_doubt: bool = False


#: The answer to one chunk: an outcome a row, in the order sent, or the refusal of all of it.
ChunkAnswer = list[Outcome] | ChunkRefused


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """New values for a record known by its id."""

    #: 18 characters.
    record_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as the org holds it."""

    #: 18 characters.
    record_id: str
    values: Mapping[str, Any]
    is_deleted: bool = False
    #: Of a record in the recycle bin.
    deletion: Deletion | None = None

    @property
    def state(self) -> RecordState:
        """What it was when it was read."""
        if self.is_deleted:
            is_merged = self.deletion is not None and self.deletion.merged_into is not None
            return RecordState.MERGED_AWAY if is_merged else RecordState.DELETED
        return RecordState.CONVERTED if self.values.get("IsConverted") is True else RecordState.LIVE


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds keys: each key, as asked for, to the ids of records. A key without a holder is absent."""

    live: Mapping[str, tuple[str, ...]]
    #: In the recycle bin.
    deleted: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Origin:
    """When and by whom a record was created, and last written.

    Times are UTC, by the org's clock; Salesforce tells whole seconds. Users have 18 characters. ``None``: the org
    does not say.
    """

    created_at: datetime | None
    created_by: str | None
    modified_at: datetime | None = None
    modified_by: str | None = None


#: An element of a rule with all that is in it; none holds another one of its own name.
_ELEMENT = re.compile(r"<(\w+)[^>]*?(?:/>|>.*?</\1>)", re.DOTALL)
#: Whether a rule is on, and its place among the others, are no part of what it does. Elements inside others are.
_NO_PART_OF_A_RULE = frozenset({"isActive", "sortOrder"})


@dataclass(frozen=True, slots=True)
class RuleDefinition:
    """A duplicate rule with all that it is."""

    sobject: str
    #: DeveloperName.
    name: str
    active: bool
    #: Its elements in the Metadata API but for its name, in their order, as text.
    elements: str

    def is_alike(self, elements: str) -> bool:
        """Whether it is the rule that these elements describe, active or not, wherever it stands among the others."""
        return _parts(self.elements) == _parts(elements)


def _parts(elements: str) -> list[str]:
    return [found[0] for found in _ELEMENT.finditer(elements) if found[1] not in _NO_PART_OF_A_RULE]


def nobody() -> None:
    """Tells nobody."""


class ChunkApi(Protocol):
    """Writes rows, call by call. Answered by :class:`.CollectionsApi`.

    A row that is refused is an outcome; a call that did not do its work raises. What is sent again within a call is
    sent again here; rows that may be sent again later are the caller's business.

    A row is upserted by its key, unless it says what the org has of it (:attr:`.Record.known`): then it is written by
    the id of that record, which creates nothing, or inserted, which updates nothing. The rows of a chunk are all
    written in one of these three ways.

    Calls take ``on_late``: called when a sending of the call was given up and sent again although it may still be
    carried out; in the thread that sends. Then what is updated now may have been created a moment ago, so that
    ``Saved.created`` is ``None``, and what is refused now may have been saved: it is ``in_doubt``.
    """

    #: Rows of one chunk; Salesforce answers or refuses a chunk as a whole.
    rows_per_chunk: int
    #: Chunks that one call can carry.
    chunks_per_call: int
    #: Whether rows of unknown outcome may be sent again at once: their key is unique.
    repeatable: bool

    def upsert(
        self, chunks: Sequence[Sequence[Record]], *, allow_save: bool = False, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Write the chunks in one call, each row in its own way; an answer a chunk, in the order sent.

        :param chunks: at most :attr:`chunks_per_call`, each of at most :attr:`rows_per_chunk`. Rows of one key
            go in calls apart.
        :param allow_save: override duplicate rules that only alert; never those that block.
        :param on_late: see above.
        :raises CallError: the call as a whole did not do its work.
        :raises OutcomeUnknownError: no answer came, and it may have been carried out. A call that is not
            :attr:`repeatable`, or whose answer did not come in time, is not sent again here.
        """

    def update(
        self, chunks: Sequence[Sequence[RecordUpdate]], *, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Update records by id in one call, duplicate rules in force, assignment rules off.

        The same values twice do no harm, so that a call without an answer may be sent again.

        :param chunks: as for :meth:`upsert`; updates of one record go in calls apart.
        :param on_late: see above.
        :raises CallError: as for :meth:`upsert`.
        """


class DuplicateLookup(Protocol):
    """Says which records block a row. Answered by :class:`.SoapUpsertLookup`, :class:`.RestUpsertLookup`,
    :class:`.FindDuplicatesLookup` and :class:`.PredupeLookup`.
    """

    #: Rows that one call can carry.
    rows_per_call: int
    #: It is a write: a row that nothing blocks any more is saved by it.
    writes: bool

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """One outcome a row, in the order asked for.

        ``DuplicatesFound`` with its matches and what the rule lets one do. Where nothing blocks the row any more, a
        look-up that writes answers ``Saved``, or what else the org says of it; one that does not, ``DuplicatesFound``
        with ``nothing_found``: by this look-up, so that only a save tells. No duplicate rule is overridden.

        One that writes nothing asks about each row as if it were new: among the matches may be the row's own record.

        :param records: at most :attr:`rows_per_call`; none: no call.
        :param on_late: as for :class:`ChunkApi`; never called by a look-up that writes nothing.
        :raises CallError: the call as a whole did not do its work. A row that spoils a call of several is found by
            asking for fewer.
        :raises OutcomeUnknownError: no answer came, and rows of it may have been saved. Never, where nothing is
            written.
        """


class DuplicateRules(Protocol):
    """Says which duplicate rules an org has. Answered by :class:`.OrgRules`."""

    def states(self, sobject: str) -> Mapping[str, bool] | None:
        """DeveloperName of each rule of an sObject to whether it is active, as the org states it.

        Rules are cached: for some minutes an inactive one may still block rows. ``None``: this user may not know.

        :raises CallError: the org does not answer.
        """


class DuplicateRuleSwitches(Protocol):
    """Switches duplicate rules on and off, for all users of an org. Answered by :class:`.MetadataRuleSwitches`."""

    def definitions(self, sobject: str, names: Sequence[str]) -> Mapping[str, RuleDefinition]:
        """DeveloperName to the rule as the org has it now; one that it has not is absent.

        :param names: as the org spells them; none: no call.
        :raises CallError: the org does not say, as where the user may not *Customize Application*.
        """

    def switch(self, definitions: Sequence[RuleDefinition], *, active: bool) -> None:
        """Write the rules back as they were read, but active, or inactive. The same once more does no harm.

        Whatever somebody changed since they were read is lost: the API knows no condition. So read right before.

        :param definitions: of one sObject; none: no call.
        :raises CallError: one was not saved, whose name it says; others may have been.
        """


class RunningRules(Protocol):
    """Says which duplicate rules calls of this user meet now. Answered by :class:`.ProbedRules`.

    Rules are cached: for some minutes that is not what the org states (``DuplicateRules``).
    """

    def running(self, sobject: str) -> frozenset[str]:
        """DeveloperNames of the rules that one call met. Another one may come to a server that knows others.

        A rule whose filter leaves this user out need not be among them. Nothing is written.

        :raises CallError: the org does not say.
        """


class DuplicateFinder(Protocol):
    """Says which records are duplicates of records of the org. Answered by :class:`.SoapDuplicateFinder`."""

    #: Records of one call.
    ids_per_call: int

    def find(self, record_ids: Sequence[str]) -> list[DuplicatesFound | Failed]:
        """One answer a record, in the order asked for; without matches where no active rule finds another record.

        ``Failed``: the record cannot be asked about, as one that was deleted. Nothing is written.

        :param record_ids: at most :attr:`ids_per_call`, of one sObject, of 18 characters each; none: no call.
        :raises CallError: the call as a whole did not do its work: no rule is active, or the org answers no SOAP.
        """


class RecordReader(Protocol):
    """Reads records in bulk. Answered by :class:`.OrgReader`.

    Every method raises ``CallError`` where the org does not answer; what the user may not read is absent.
    """

    def describe(self, sobject: str) -> SObject:
        """The sObject as the org describes it to this user.

        :raises PreflightError: there is no such sObject, or the user may not see it.
        """

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        """The records the user can read, by 18-character id, deleted ones included and marked as such.

        :param record_ids: any number, of 18 characters each.
        :param fields: those that the values of a live record have at least. Of the load's own sObject a deleted one
            has its key, as text, and those of its values that a query tells, and says when and by whom it was deleted,
            and what it was merged into.
        """

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Key, as asked for, to the ids of the live records that hold it, by the field's own case rule.

        A key without a holder is absent, as is one that cannot be asked for.
        """

    def deleted_holders(self, keys: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The same for records in the recycle bin."""

    def all_holders(self, keys: Sequence[str]) -> Holders:
        """Both at once; live ones alone where the user may not look into the recycle bin."""

    def origins(self, record_ids: Sequence[str]) -> Mapping[str, Origin]:
        """When and by whom live records were created, by 18-character id; those that cannot be read are absent."""


class RecordUndeletes(Protocol):
    """Takes records out of the recycle bin. Answered by :class:`.SoapUndeletes`."""

    #: Records of one call.
    ids_per_call: int

    def undelete(self, record_ids: Sequence[str], *, on_late: Callable[[], None] = nobody) -> list[Outcome]:
        """One outcome a record, in the order asked for: ``Saved`` where it is live again, else the refusal.

        A record that is not in the recycle bin, since it is live or gone for good, is refused; so a call without an
        answer does no harm when it is sent again. An org that has no such call refuses each record, with
        ``API_DISABLED_FOR_ORG``.

        :param record_ids: at most :attr:`ids_per_call`, of 18 characters each; none: no call.
        :param on_late: as for :class:`ChunkApi`.
        :raises CallError: the call as a whole did not do its work.
        :raises OutcomeUnknownError: no answer came, and records of it may be live.
        """


class RecordDeletes(Protocol):
    """Puts records into the recycle bin. Answered by :class:`.CollectionsDeletes`."""

    #: Records of one chunk, and chunks of one call.
    rows_per_chunk: int
    chunks_per_call: int

    def delete(self, chunks: Sequence[Sequence[str]], *, on_late: Callable[[], None] = nobody) -> list[ChunkAnswer]:
        """One outcome a record, in the order asked for: ``Saved`` where it is in the recycle bin, else the refusal.

        What hangs on a record goes with it, as Salesforce has it, and comes back with it. A record that is deleted
        already is refused; so a call without an answer does no harm when it is sent again.

        :param chunks: at most :attr:`chunks_per_call`, each of at most :attr:`rows_per_chunk` ids of 18 characters.
        :param on_late: as for :class:`ChunkApi`.
        :raises CallError: the call as a whole did not do its work.
        :raises OutcomeUnknownError: no answer came, and records of it may be deleted.
        """
