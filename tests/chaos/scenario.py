"""What happens in a run, drawn from a seed: rows, what the org holds before, faults, processes and kills.

Values only. The same seed draws the same scenario; when the processes of a run meet each other is up to the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18

MARKER = "Marker__c"
ORDER = "Changed_At"
PARENT = "Parent__c"
KINDS = ("plain", "killed", "concurrent", "ordered", "decided", "kin", "modes", "taken_back")

#: The kinds that a seed chooses among first.
_FIRST_KINDS = ("plain", "killed", "concurrent")

#: Share of seeds that choose ``ordered`` instead: several loads of few keys go by ``newer_than`` while processes are
#: killed, newer rows are refused or await a person, and strangers create records of keys that are not unique.
_ORDERED = 0.25

#: Seconds that a client waits for an answer where calls hang; else as long as it takes.
SHORT_READ_TIMEOUT = 0.25
LONG_READ_TIMEOUT = 20.0
#: Seconds that a call hangs: longer than its client waits.
HANG = 0.4

#: Faults after which nobody knows what became of a call.
LOSE_ANSWERS = ("hang", "reset", "html", "truncate", "drop_results", "unknown_error", "unavailable")

LONG_AGO = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), "2020-01-01T00:00:00.000+0000")
_FIELDS = ("Title", "City", "FirstName", "NumberOfEmployees")

#: What a policy writes of a row to a contact.
CONTACT_FIELDS = ("LastName", "Title", "Email", "City", MARKER)

_ON_REPEAT = ("last", "last", "first", "merge_fields", "in_order", "in_order", "in_order")
_POLICIES = (
    "ask_reviewer",
    "update_existing | ask_reviewer",
    "update_existing | save_anyway | skip",
    "save_anyway",
    "save_anyway | update_existing",
    "skip",
)


@dataclass(frozen=True, slots=True)
class KeyField:
    """The external-ID field of all loads of a scenario."""

    name: str
    unique: bool = True
    case_sensitive: bool = False

    def fold(self, key: str) -> str:
        """Keys that the org takes for one are one."""
        return key if self.case_sensitive else key.lower()


KEY_FIELDS = (
    KeyField("Folded_Key__c"),
    KeyField("Exact_Key__c", case_sensitive=True),
    KeyField("Loose_Key__c", unique=False, case_sensitive=True),
)


def parent_column(key_field: KeyField) -> str:
    """The column in which a row names another one as its parent."""
    return f"{PARENT.removesuffix('c')}r.{key_field.name}"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load: what its source holds and what its tasks are told."""

    name: str
    #: As in the source; ``Marker__c`` is the row's own, ``Changed_At`` says how new it is.
    rows: tuple[Mapping[str, Any], ...]
    partitions: int
    on_repeat: str
    policy: str
    newer_than: bool
    group_by: str | None
    max_in_flight: int
    rows_per_chunk: int
    chunks_per_call: int
    #: As an upsert is told them.
    twin_fields: tuple[Any, ...] = ()
    mode: str = "upsert"
    field_rules: Mapping[str, str] = field(default_factory=dict)

    def marker(self, row_number: int) -> str:
        """What the row of this number writes and no other row does."""
        return f"{self.name}/{row_number}"


@dataclass(frozen=True, slots=True)
class Kill:
    """When a process is killed.

    :ivar event: ``time``: ``delay`` seconds after it was started. Else the ``nth`` time it is about to do, or has
        done, what the event says: ``call``, ``answer``, ``remember``, ``remembered``, ``claimed``, ``released``.
    """

    event: str
    nth: int = 1
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the tasks of a run are started. A round starts every unfinished task once, in real processes if ``own``."""

    #: Each task in a process of its own.
    own: bool
    #: Processes at the same time.
    together: int
    #: Rounds with faults; those after it have none.
    rounds_with_faults: int
    #: The kills that befall the first tries, in the order of their start; None: that one lives.
    kills: tuple[Kill | None, ...] = ()
    #: Share of tasks that are started twice in a round with faults.
    twins: float = 0.0
    #: Seconds between two starts, at most.
    stagger: float = 0.0
    #: Seeds what the machine does not decide.
    seed: int = 0
    #: The load is closed before the last rounds, as when its tasks are cleared after the verdict.
    closed_early: bool = False
    #: Share of rounds before which the claims that were left behind expire.
    claims_expire: float = 0.7
    #: Another client, which knows no claims, writes the same keys.
    stranger: bool = False
    #: It is another user than that of the loads, and creates records beside those that hold a key already.
    stranger_creates: bool = False


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The loads of a run are mirrored in the org, and then taken back."""

    #: Those that befall the first tries of each; None: that one lives.
    kills: tuple[Kill | None, ...] = ()
    seed: int = 0
    #: Share of the records that were there before that somebody else edits before the loads are taken back.
    edits: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole run."""

    seed: int
    kind: str
    database: str
    key_field: KeyField
    #: Leads that the org holds before, each with an ``Id`` of its own.
    held_before: tuple[Mapping[str, Any], ...]
    loads: tuple[LoadPlan, ...]
    faults: tuple[Mapping[str, Any], ...]
    physics: Mapping[str, Any]
    schedule: Schedule
    read_timeout: float = LONG_READ_TIMEOUT
    #: Calls may be carried out after their client has given them up.
    late_calls: bool = False
    #: Contacts that the org holds before, each with an ``Id`` of its own.
    contacts_before: tuple[Mapping[str, Any], ...] = ()
    #: Rules that are switched off, which the org's saves hear of when nothing goes wrong any more.
    stale_rules: tuple[str, ...] = ()
    #: Leads that are in the recycle bin before, each with an ``Id`` of its own.
    deleted_before: tuple[Mapping[str, Any], ...] = ()
    afterwards: Afterwards | None = None

    @property
    def before(self) -> tuple[Mapping[str, Any], ...]:
        """All records that rows may be written to, live ones and those in the recycle bin."""
        return (*self.held_before, *self.contacts_before, *self.deleted_before)

    @property
    def keys(self) -> list[str]:
        """Every key of the sources, as it is spelled there."""
        found = (row.get(self.key_field.name) for load in self.loads for row in load.rows)
        return sorted({key for key in found if key})

    @property
    def duplicate_value_is_injected(self) -> bool:
        """A fault refuses rows as if a race for their keys were lost."""
        return any(fault.get("code") == "DUPLICATE_VALUE" for fault in self.faults)


def draw(seed: int, kind: str = "all", *, key_field: KeyField | None = None) -> Scenario:
    """The scenario of a seed.

    :param kind: one of :data:`KINDS` that has no module of its own; ``all``: the seed chooses.
    :param key_field: by default, the seed chooses.
    """
    random = Random(f"chaos/{seed}")
    chosen = random.choice(_FIRST_KINDS)
    if kind == "all":
        kind = "ordered" if Random(f"chaos/ordered/{seed}").random() < _ORDERED else chosen
    drawn_field = random.choices(KEY_FIELDS, (2, 1, 1) if kind == "ordered" else (5, 3, 1))[0]
    key_field = key_field or drawn_field
    people = _people(random, key_field, _how_many_keys(random, kind))
    loads = tuple(_loads(random, kind, key_field, people))
    late = random.random() < 0.04
    faults = tuple(_faults(random, key_field, late=late))
    hangs = late or any(fault["kind"] == "hang" for fault in faults)
    return Scenario(
        seed=seed,
        kind=kind,
        database="postgres" if random.random() < 0.12 else "sqlite",
        key_field=key_field,
        held_before=tuple(_held_before(random, key_field, people)),
        loads=loads,
        faults=faults,
        physics=_physics(random),
        schedule=_schedule(random, kind, loads),
        read_timeout=SHORT_READ_TIMEOUT if hangs else LONG_READ_TIMEOUT,
        late_calls=hangs or any("later" in fault for fault in faults),
    )


# -- people, and what the org knows of them --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Person:
    keys: tuple[str, ...]
    email: str
    phone: str
    known: str = field(default="")


def _how_many_keys(random: Random, kind: str) -> int:
    if kind == "ordered":
        return random.choice((1, 2, 4))
    return random.choice((3, 8, 20, 40) if kind == "plain" else (2, 4, 8, 16))


def _people(random: Random, key_field: KeyField, count: int) -> list[_Person]:
    """Who the rows are about; some share an address with another, so that two keys want one lead."""
    known = random.choice((("",), ("", "", "held", "match"), ("match", "several", "other_key", "held_and_match", "")))
    people: list[_Person] = []
    for number in range(1, count + 1):
        spellings = (f"K-{number:03d}", f"k-{number:03d}")
        keys = spellings if random.random() < 0.2 else spellings[:1]
        twin = people[-1] if people and random.random() < 0.08 else None
        email = twin.email if twin else f"p{number}@example.com"
        phone = twin.phone if twin and random.random() < 0.5 else f"555{number:05d}"
        people.append(_Person(keys, email, phone, random.choice(known)))
    return people


def _held_before(random: Random, key_field: KeyField, people: list[_Person]) -> Iterator[Mapping[str, Any]]:
    number = 0
    for person in people:
        same = {"Email": person.email} if random.random() < 0.6 else {"Phone": person.phone}
        for values in _records_of(person, key_field.name, same):
            number += 1
            record_id = to_18(f"00Q5g0000{number:06d}")
            yield {"Id": record_id, "LastName": f"Held{number}", MARKER: f"before/{number}", **LONG_AGO, **values}


def _records_of(person: _Person, key_name: str, same: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    held = {key_name: person.keys[0]}
    known: Mapping[str, list[Mapping[str, Any]]] = {
        "": [],
        "held": [{**held, "Email": person.email, "Phone": person.phone}],
        "match": [same],
        "several": [same, same],
        "other_key": [{**same, key_name: f"X-{person.keys[0]}"}],
        "held_and_match": [held, same],
    }
    return known[person.known]


# -- loads -----------------------------------------------------------------------------------------


#: Kind to how many loads a run has.
_LOADS = {"plain": (1, 1, 2), "killed": (1, 1, 2), "concurrent": (1, 2, 2, 3), "ordered": (2, 2, 3)}


def _loads(random: Random, kind: str, key_field: KeyField, people: list[_Person]) -> Iterator[LoadPlan]:
    count = random.choice(_LOADS[kind])
    newer_than = random.random() < (1.0 if kind == "ordered" else 0.25)
    nameless = 0.15 if kind == "ordered" else 0.01
    for number in range(1, count + 1):
        name = f"load{number}"
        rows = random.randint(*((2, 8) if kind == "ordered" else (10, 110 if kind == "plain" else 40)))
        drawn = tuple(_row(random, key_field, people, f"{name}/{n}", newer_than, nameless) for n in range(1, rows + 1))
        yield LoadPlan(
            name=name,
            rows=drawn,
            partitions=random.randint(1, 4 if kind == "plain" else 3),
            on_repeat=random.choice(_ON_REPEAT),
            policy=random.choice(_POLICIES),
            newer_than=newer_than,
            group_by=_group_by(random, drawn),
            max_in_flight=random.choice((1, 2, 3)),
            rows_per_chunk=random.choice((1, 3, 5, 10)),
            chunks_per_call=random.choice((1, 2, 5)),
        )


def _group_by(random: Random, rows: tuple[Mapping[str, Any], ...]) -> str | None:
    """A column that some row has."""
    grouped = random.random() < 0.15
    return "Account__c" if grouped and any("Account__c" in row for row in rows) else None


def _row(
    random: Random, key_field: KeyField, people: list[_Person], marker: str, newer_than: bool, nameless: float
) -> Mapping[str, Any]:
    """A source row.

    :param nameless: share of rows without a last name, by which nothing can be created.
    """
    person = random.choice(people)
    row: dict[str, Any] = {key_field.name: random.choice(person.keys), MARKER: marker}
    row["LastName"] = f"Name {random.randint(1, 99)}"
    for name in _FIELDS:
        row[name] = _value(random, name)
    row["Email"] = person.email
    row["Phone"] = person.phone
    row["Account__c"] = account_id(random.randint(1, 3))
    for name in (*_FIELDS, "Email", "Phone", "Account__c"):
        if random.random() < 0.3:
            del row[name]
    if random.random() < nameless:
        del row["LastName"]
    if random.random() < 0.01:
        row[key_field.name] = random.choice((None, "", "  "))
    if newer_than:
        row[ORDER] = random.randint(1, 30)
    return row


def _value(random: Random, name: str) -> Any:
    if random.random() < 0.1:
        return None
    return random.randint(1, 999) if name == "NumberOfEmployees" else f"{name} {random.randint(1, 999)}"


def account_id(number: int) -> str:
    """The id of one of the accounts that every org has."""
    return to_18(f"0015g0000{number:06d}")


# -- what goes wrong -------------------------------------------------------------------------------


def _faults(random: Random, key_field: KeyField, *, late: bool) -> Iterator[Mapping[str, Any]]:
    if late:
        yield {"kind": "slow", "on": "write", "rate": 0.1, "seconds": [HANG, HANG], "times": 4}
    mix = random.choice((0, 1, 2, 3, 4, 6))
    for make in random.sample(_MAKERS, mix):
        yield make(random)


def _rate(random: Random) -> float:
    return random.choice((0.02, 0.05, 0.1, 0.2))


def _somewhere(random: Random) -> dict[str, Any]:
    return {"on": random.choice(("write", "write", "any", "read")), "rate": _rate(random)}


def _unavailable(random: Random) -> Mapping[str, Any]:
    body, status = random.choice(("json", "html", "empty")), random.choice((500, 502, 503, 504))
    later = _maybe_later(random) if status in (502, 504) else {}
    return {"kind": "unavailable", "status": status, "body": body, **later, **_somewhere(random)}


def _maybe_later(random: Random) -> Mapping[str, Any]:
    """Nobody heard the call end, and it is carried out when it has long been repeated."""
    return {"later": HANG, "times": 3} if random.random() < 0.25 else {}


def _reset(random: Random) -> Mapping[str, Any]:
    how, after = random.choice(("rst", "close")), random.random() < 0.6
    later = {} if after else _maybe_later(random)
    return {"kind": "reset", "after_commit": after, "how": how, **later, **_somewhere(random)}


def _hang(random: Random) -> Mapping[str, Any]:
    after = random.random() < 0.6
    return {"kind": "hang", "after_commit": after, "seconds": HANG, "on": "write", "rate": 0.05, "times": 3}


def _slow(random: Random) -> Mapping[str, Any]:
    when = random.choice(("before", "after"))
    return {"kind": "slow", "seconds": [0.0, 0.02], "when": when, **_somewhere(random)}


def _html(random: Random) -> Mapping[str, Any]:
    return {"kind": "html", "after_commit": random.random() < 0.6, **_somewhere(random)}


def _truncate(random: Random) -> Mapping[str, Any]:
    fraction = random.choice((0.0, 0.3, 0.9))
    return {"kind": "truncate", "fraction": fraction, "broken": random.random() < 0.5, **_somewhere(random)}


def _drop_results(random: Random) -> Mapping[str, Any]:
    of = random.choice(("subresponses", "rows"))
    return {"kind": "drop_results", "share": 0.5, "of": of, "on": "any", "rate": _rate(random)}


def _reorder(random: Random) -> Mapping[str, Any]:
    return {"kind": "reorder", "rate": random.choice((0.2, 1.0))}


def _unknown_error(random: Random) -> Mapping[str, Any]:
    return {"kind": "unknown_error", "after_commit": random.random() < 0.6, **_somewhere(random)}


def _refuse_request(random: Random) -> Mapping[str, Any]:
    subrequests = random.random() < 0.5
    return {"kind": "refuse_request", "on": "write", "rate": _rate(random), "subrequests": subrequests, "times": 6}


def _refuse_rows(random: Random) -> Mapping[str, Any]:
    codes = ("UNABLE_TO_LOCK_ROW", "UNABLE_TO_LOCK_ROW", "DUPLICATE_VALUE", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
    return {"kind": "refuse_rows", "code": random.choice(codes), "share": 0.4, "on": "write", "rate": _rate(random)}


def _request_limit(random: Random) -> Mapping[str, Any]:
    limit = random.choice(("daily", "concurrent"))
    return {"kind": "request_limit", "limit": limit, "rate": 0.03, "times": 2}


def _expire_session(random: Random) -> Mapping[str, Any]:
    return {"kind": "expire_session", "rate": _rate(random)}


def _login(random: Random) -> Mapping[str, Any]:
    return {"kind": random.choice(("unavailable", "reset", "html")), "on": "login", "rate": 0.3, "times": 4}


_MAKERS = (
    _unavailable,
    _reset,
    _hang,
    _slow,
    _html,
    _truncate,
    _drop_results,
    _reorder,
    _unknown_error,
    _refuse_request,
    _refuse_rows,
    _request_limit,
    _expire_session,
    _login,
)


def _physics(random: Random) -> Mapping[str, Any]:
    return {
        "commit_window": random.choice((0.0, 0.0, 0.003, 0.01)),
        "lock_wait": random.choice((0.0, 0.02, 0.1)),
        "lock_parents": random.random() < 0.5,
        "latency": random.choice(([0.0, 0.0], [0.0, 0.004])),
        "max_rows_per_transaction": random.choice((None, None, None, 4)),
    }


# -- how it is run ---------------------------------------------------------------------------------

_EVENTS = ("call", "answer", "remember", "remembered", "claimed", "released")


def _schedule(random: Random, kind: str, loads: tuple[LoadPlan, ...]) -> Schedule:
    seed, closed_early = random.randrange(2**32), random.random() < 0.15
    expire = random.choice((0.4, 0.8, 1.0))
    if kind == "plain":
        return Schedule(False, 1, random.choice((1, 2)), seed=seed, closed_early=closed_early, claims_expire=expire)
    if kind == "killed":
        kills = tuple(_kill(random) for _ in range(random.choice((1, 2, 3))))
        together = random.choice((1, 1, 2))
        return Schedule(
            True, together, 2, kills, seed=seed, closed_early=closed_early, claims_expire=expire, stagger=0.01
        )
    if kind == "ordered":
        return _schedule_of_ordered(random, seed, expire)
    return Schedule(
        own=True,
        together=random.choice((2, 3, 4)),
        rounds_with_faults=random.choice((1, 2)),
        kills=tuple(_kill(random) if random.random() < 0.5 else None for _ in range(random.choice((0, 0, 2, 4)))),
        twins=random.choice((0.0, 0.0, 0.5)),
        stagger=random.choice((0.0, 0.01, 0.03)),
        seed=seed,
        closed_early=closed_early,
        claims_expire=expire,
        stranger=random.random() < 0.1,
    )


def _schedule_of_ordered(random: Random, seed: int, expire: float) -> Schedule:
    stranger = random.random() < 0.35
    return Schedule(
        own=True,
        together=random.choice((1, 2, 3)),
        rounds_with_faults=random.choice((2, 3, 4)),
        kills=tuple(_kill(random) if random.random() < 0.6 else None for _ in range(random.choice((2, 4, 6)))),
        twins=random.choice((0.0, 0.0, 0.3)),
        stagger=random.choice((0.0, 0.02)),
        seed=seed,
        closed_early=random.random() < 0.3,
        claims_expire=expire,
        stranger=stranger,
        stranger_creates=stranger and random.random() < 0.8,
    )


def _kill(random: Random) -> Kill:
    if random.random() < 0.35:
        return Kill("time", delay=random.uniform(0.02, 0.15))
    delay = random.choice((0.0, 0.0, 0.002, 0.01))
    return Kill(random.choice(_EVENTS), nth=random.choice((1, 1, 2, 3, 4, 6)), delay=delay)
