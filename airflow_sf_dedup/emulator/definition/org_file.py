"""What does an org file say? YAML in, a definition out; nothing is started here.

Whatever is wrong raises an OrgFileError that begins with the path of the setting (``sobjects.Lead.fields.Email``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.definition.extending import extended, with_whole_paths
from airflow_sf_dedup.emulator.definition.physics import Physics
from airflow_sf_dedup.emulator.definition.quirks import Quirks
from airflow_sf_dedup.emulator.definition.rules import read_duplicate_rules
from airflow_sf_dedup.emulator.definition.seed_files import Rows, UnreadableRows, read_rows
from airflow_sf_dedup.emulator.definition.sobjects import read_schema
from airflow_sf_dedup.emulator.errors import OrgFileError, SettingError
from airflow_sf_dedup.emulator.faults.switches import FaultPlan
from airflow_sf_dedup.emulator.records.schema import Schema
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.suggesting import did_you_mean, no_such

Setting = TypeVar("Setting")
HERE = Path(__file__).parent
DEFAULT_ORG = HERE / "default_org.yaml"


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    username: str
    last_name: str
    first_name: str | None = None
    password: str | None = None
    security_token: str = ""
    email: str | None = None

    def accepts(self, password: str) -> bool:
        """A password is followed by the user's security token, as for callers from an unknown network."""
        return self.password is not None and password == self.password + self.security_token


@dataclass(frozen=True, slots=True)
class Client:
    """A connected app: who may ask for a token, and as whom."""

    client_id: str
    client_secret: str | None = None
    run_as: str | None = None
    #: PEM text of a public key or certificate; JWTs are verified when there is one.
    public_key: str | None = None
    #: Where a browser may be sent with a code or token; ``None``: to this machine, at any port and path.
    redirect_uris: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AssignmentRule:
    record_id: str
    owner_id: str


@dataclass(frozen=True)
class Definition:
    org_id: str
    org_name: str
    daily_api_requests: int
    #: The org answers SOAP calls.
    soap_api: bool
    #: What the org says of itself in ``Organization.IsSandbox``.
    sandbox: bool
    schema: Schema
    users: tuple[User, ...]
    clients: tuple[Client, ...]
    duplicate_rules: tuple[DuplicateRule, ...]
    assignment_rules: Mapping[str, AssignmentRule]
    quirks: Quirks
    physics: Physics = field(default_factory=Physics)
    #: Switched on from the start.
    faults: FaultPlan = field(default_factory=FaultPlan)
    #: Records to start with, in the order in which they are put.
    records: tuple[tuple[str, Rows], ...] = ()

    def user(self, username: str | None) -> User | None:
        return next((user for user in self.users if user.username.lower() == (username or "").lower()), None)

    def user_by_id(self, user_id: str | None) -> User | None:
        return next((user for user in self.users if user.user_id == user_id), None)

    def client(self, client_id: str | None) -> Client | None:
        return next((client for client in self.clients if client.client_id == client_id), None)


_SETTINGS = (
    "extends",
    "organization",
    "users",
    "clients",
    "sobjects",
    "duplicate_rules",
    "assignment_rules",
    "quirks",
    "physics",
    "faults",
    "records",
)


def read_org(org: Path | str | Mapping[str, Any] | None = None) -> Definition:
    """The definition in an org file, in its parsed form, or (with None) of the bundled default org.

    :raises OrgFileError: naming the setting that cannot be used.
    """
    if org is None:
        return _default()
    if isinstance(org, Mapping):
        return define(org, Path.cwd())
    path = Path(org)
    return define(_load(path), path.parent, (path.resolve(),))


@lru_cache(maxsize=1)
def _default() -> Definition:
    return define(_load(DEFAULT_ORG), HERE)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506
    except OSError as error:
        raise OrgFileError(str(path), f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise OrgFileError(str(path), f"is no YAML: {error}") from error
    if not isinstance(settings, dict):
        raise OrgFileError(str(path), "should be a mapping")
    return settings


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def define(settings: Mapping[str, Any], folder: Path, read: tuple[Path, ...] = ()) -> Definition:
    """:param folder: where relative paths in ``settings`` start.
    :param read: the files that led here by ``extends``.
    """
    settings = _with_base(settings, folder, read)
    organization = section(settings, "organization")
    _check_names(organization, "organization", ("id", "name", "daily_api_requests", "soap_api", "sandbox"))
    quirks = Quirks.read(section(settings, "quirks"))
    schema = read_schema({**section(_system(), "sobjects")}, _own_sobjects(settings, quirks))
    users = _read_users(settings.get("users") or [{"username": "admin@example.com", "password": "password"}])
    return Definition(
        org_id=_read_id(organization.get("id", "00D5g0000000001EAA"), "organization.id"),
        org_name=str(organization.get("name", "Emulated Org")),
        daily_api_requests=_read_daily_calls(organization.get("daily_api_requests", 15_000)),
        soap_api=_read_flag(organization.get("soap_api", True), "organization.soap_api"),
        sandbox=_read_flag(organization.get("sandbox", False), "organization.sandbox"),
        schema=schema,
        users=users,
        clients=_read_clients(settings.get("clients") or [], users, folder),
        duplicate_rules=read_duplicate_rules(section(settings, "duplicate_rules"), schema),
        assignment_rules=_read_assignment_rules(section(settings, "assignment_rules"), users, schema),
        quirks=quirks,
        physics=_named(lambda: Physics().changed(section(settings, "physics"))),
        faults=_named(lambda: FaultPlan.read(settings.get("faults") or [])),
        records=_read_records(section(settings, "records"), schema, folder),
    )


def _own_sobjects(settings: Mapping[str, Any], quirks: Quirks) -> dict[str, Any]:
    sobjects = dict(section(settings, "sobjects"))
    case = sobjects.get("Case")
    if quirks.merge_cases and isinstance(case, Mapping):
        sobjects["Case"] = {**case, "mergeable": True}
    return sobjects


def _with_base(settings: Mapping[str, Any], folder: Path, read: tuple[Path, ...]) -> dict[str, Any]:
    """The settings on top of those that they extend."""
    for name in settings:
        if name not in _SETTINGS:
            raise OrgFileError(str(name), no_such("setting", name, _SETTINGS))
    own = with_whole_paths(settings, folder)
    base = own.pop("extends", None)
    if base is None:
        return own
    if not isinstance(base, str):
        raise OrgFileError("extends", "should be 'default' or the path of an org file")
    path = DEFAULT_ORG if base == "default" else (folder / base).resolve()
    if path in read:
        raise OrgFileError("extends", f"{path.name} extends itself")
    return extended(_with_base(_load(path), path.parent, (*read, path)), own)


def _check_names(found: Mapping[str, Any], setting: str, known: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            raise OrgFileError(f"{setting}.{name}", no_such("setting", name, known))


@lru_cache(maxsize=1)
def _system() -> Mapping[str, Any]:
    return _load(HERE / "system_sobjects.yaml")


def _named(read: Callable[[], Setting]) -> Setting:
    try:
        return read()
    except SettingError as error:
        raise OrgFileError(error.setting, error.problem) from None


def section(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The mapping under ``name``, empty when it is absent."""
    found = settings.get(name) or {}
    if not isinstance(found, Mapping):
        raise OrgFileError(name, "should be a mapping")
    return dict(found)


def _read_id(text: Any, setting: str) -> str:
    try:
        return to_18(str(text))
    except ValueError as error:
        raise OrgFileError(setting, str(error)) from None


def _read_daily_calls(found: Any) -> int:
    if type(found) is not int or found < 0:
        raise OrgFileError("organization.daily_api_requests", f"{found!r} should be a whole number, 0 or more")
    return found


def _read_flag(found: Any, setting: str) -> bool:
    if not isinstance(found, bool):
        raise OrgFileError(setting, f"{found!r} should be true or false")
    return found


def _entries(entries: Any, setting: str, known: tuple[str, ...]) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise OrgFileError(setting, "should be a list of mappings")
    for position, entry in enumerate(entries):
        _check_names(entry, f"{setting}[{position}]", known)
    return entries


def _read_users(entries: Any) -> tuple[User, ...]:
    known = ("username", "password", "security_token", "first_name", "last_name", "email", "id")
    users = []
    for position, entry in enumerate(_entries(entries, "users", known)):
        if "username" not in entry:
            raise OrgFileError(f"users[{position}].username", "is required")
        record_id = _read_id(entry["id"], f"users[{position}].id") if "id" in entry else make_id("005", position + 1)
        rest = {name: str(value) for name, value in entry.items() if name != "id" and value is not None}
        users.append(User(user_id=record_id, **{"last_name": "User", **rest}))
    return tuple(users)


def _read_clients(entries: Any, users: tuple[User, ...], folder: Path) -> tuple[Client, ...]:
    known = ("client_id", "client_secret", "run_as", "public_key", "public_key_file", "redirect_uris")
    clients = []
    for position, entry in enumerate(_entries(entries, "clients", known)):
        setting = f"clients[{position}]"
        if "client_id" not in entry:
            raise OrgFileError(f"{setting}.client_id", "is required")
        if "run_as" in entry:
            _user(entry["run_as"], users, f"{setting}.run_as")
        attributes = dict(entry)
        if "public_key_file" in entry:
            attributes["public_key"] = _read_text(folder / attributes.pop("public_key_file"), setting)
        if "redirect_uris" in entry:
            attributes["redirect_uris"] = _read_uris(entry["redirect_uris"], f"{setting}.redirect_uris")
        clients.append(Client(**attributes))
    return tuple(clients)


def _read_uris(given: Any, setting: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(each, str) and ":" in each for each in given):
        raise OrgFileError(setting, "should be a list of URLs")
    return tuple(given)


def _user(username: Any, users: tuple[User, ...], setting: str) -> User:
    found = next((user for user in users if user.username == username), None)
    if found is None:
        near = did_you_mean(username, (user.username for user in users))
        raise OrgFileError(setting, f"no user {username!r} among users{near}")
    return found


def _sobject_name(name: Any, schema: Schema, setting: str) -> str:
    found = schema.find(str(name))
    if found is None:
        raise OrgFileError(setting, "no such sobject" + did_you_mean(name, schema.sobjects))
    return found.name


def _read_text(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise OrgFileError(setting, f"cannot read {path}: {error.strerror}") from error


def _read_assignment_rules(
    settings: dict[str, Any], users: tuple[User, ...], schema: Schema
) -> dict[str, AssignmentRule]:
    rules = {}
    for number, (name, rule) in enumerate(settings.items(), start=1):
        setting = f"assignment_rules.{name}"
        sobject = _sobject_name(name, schema, setting)
        given = rule if isinstance(rule, dict) else {"owner": rule}
        _check_names(given, setting, ("owner", "id"))
        user = _user(given.get("owner"), users, f"{setting}.owner")
        record_id = _read_id(given["id"], f"{setting}.id") if given.get("id") else make_id("01Q", number)
        rules[sobject] = AssignmentRule(record_id, user.user_id)
    return rules


def _read_records(settings: dict[str, Any], schema: Schema, folder: Path) -> tuple[tuple[str, Rows], ...]:
    """Every sobject has a list of rows or a file; after ``extends``, a list of rows and files."""
    records: list[tuple[str, Rows]] = []
    for name, source in settings.items():
        setting = f"records.{name}"
        sobject = _sobject_name(name, schema, setting)
        sources = source if isinstance(source, list) else [source]
        rows = Rows.of([each for each in sources if not isinstance(each, str)], setting)
        if rows.rows:
            records.append((sobject, rows))
        records += [(sobject, _read_file(folder / each, setting)) for each in sources if isinstance(each, str)]
    return tuple(records)


def _read_file(path: Path, setting: str) -> Rows:
    try:
        rows = read_rows(path)
    except UnreadableRows as error:
        raise OrgFileError(setting, str(error)) from None
    return replace(rows, source=f"{setting}: {rows.source}")
