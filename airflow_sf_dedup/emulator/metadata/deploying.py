"""Carrying out deployments and retrievals: what a package does to the org's rules, and the rules as a package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.metadata.rule_changes import KINDS, MATCHING_RULE, MATCHING_RULES, Kind, record_id_of
from airflow_sf_dedup.emulator.metadata.rule_elements import MetadataProblem
from airflow_sf_dedup.emulator.metadata.zip_files import (
    MANIFEST,
    Package,
    PackageProblem,
    document,
    manifest,
    read_package,
    write_package,
)
from airflow_sf_dedup.emulator.rules.book import ACTIVATING, ACTIVE, RuleBook
from airflow_sf_dedup.emulator.state.metadata_jobs import (
    CANCELED,
    FAILED,
    SUCCEEDED,
    SUCCEEDED_PARTIAL,
    Deployment,
    DeployMessage,
    DeployOptions,
    Retrieval,
    RetrievedFile,
)
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.xml_reading import local, parse

_WILDCARD = "*"
#: Matching rules go first: duplicate rules refer to them.
_ORDER = (MATCHING_RULES, "DuplicateRule")


def change_rules(org: Org, book: RuleBook) -> None:
    """Puts a changed book in place, as the Metadata API does: saves hear of it later."""
    physics = org.physics
    org.rules.change(book, cached_for=physics.stale_rules, share=physics.stale_rules_share)
    activating = [name for name, each in book.matching.items() if each.status == ACTIVATING]
    if activating:
        due = org.clock() + timedelta(seconds=physics.activate_matching_rule)
        org.agenda.add(due, lambda: _activate(org, activating))


def _activate(org: Org, names: list[str]) -> None:
    book = org.rules.book
    for name in names:
        matching = book.matching.get(name)
        if matching is not None and matching.status == ACTIVATING:
            book = book.with_matching(replace(matching, status=ACTIVE))
    org.rules.change(book)


# --- deploy -----------------------------------------------------------------------------------------------


def start_deployment(org: Org, package: bytes, options: DeployOptions, user_id: str) -> Deployment:
    with org.lock:
        now = org.clock()
        takes = org.physics.deploy
        job = Deployment(
            org.metadata_jobs.new_id("0Af"),
            user_id,
            options,
            package,
            created=now,
            starts=now + timedelta(seconds=takes / 2),
        )
        org.metadata_jobs.add_deployment(job)
        org.agenda.add(now + timedelta(seconds=takes), lambda: _deploy(org, job))
        return job


def cancel(org: Org, job: Deployment) -> None:
    """A deployment that is not done yet changes nothing."""
    if not job.done:
        job.status, job.completed = CANCELED, org.clock()


def _deploy(org: Org, job: Deployment) -> None:
    if job.done:
        return
    try:
        package = read_package(job.package, single=job.options.single_package)
        book, job.messages = _changed(org, package, job.options)
    except PackageProblem as problem:
        name = problem.file_name or MANIFEST
        book, job.messages = org.rules.book, [DeployMessage(name, name, problem=problem.message)]
    job.completed = org.clock()
    job.status = _status(job)
    if job.succeeded and not job.options.check_only and book is not org.rules.book:
        change_rules(org, book)


def _status(job: Deployment) -> str:
    if not job.failures:
        return SUCCEEDED
    some = any(each.success and each.kind for each in job.messages)
    return SUCCEEDED_PARTIAL if some and not job.options.rollback_on_error else FAILED


def _changed(org: Org, package: Package, options: DeployOptions) -> tuple[RuleBook, list[DeployMessage]]:
    """The org's rules with the package's components, and a message for each component and file."""
    messages = list(_unknown_types(package))
    book = org.rules.book
    listed = {name: set(members) for name, members in package.members.items()}
    for kind, full_name, file_name in _files(package):
        if not _is_listed(kind, full_name, listed):
            messages.append(DeployMessage(file_name, full_name, kind.name, problem="Not in package.xml"))
            continue
        book, further = _deploy_file(org, book, package, kind, full_name, file_name)
        messages += further
    messages += _strangers(package)
    if not options.allow_missing_files:
        messages += _missing(package, messages)
    return book, [DeployMessage(MANIFEST, MANIFEST), *messages]


def _unknown_types(package: Package) -> Iterator[DeployMessage]:
    for name in package.members:
        if name not in KINDS:
            problem = f"Unknown type name '{name}' specified in package.xml"
            yield DeployMessage(MANIFEST, MANIFEST, problem=problem)


def _files(package: Package) -> Iterator[tuple[Kind, str, str]]:
    """Each component file that the org understands: its type, full name and path."""
    for name in _ORDER:
        kind = KINDS[name]
        for path in package.files:
            directory, _, file_name = path.rpartition("/")
            full_name, dot, suffix = file_name.rpartition(".")
            if directory == kind.directory and suffix == kind.suffix and full_name and dot:
                yield kind, full_name, path


def _is_listed(kind: Kind, full_name: str, listed: dict[str, set[str]]) -> bool:
    members = listed.get(kind.name, set())
    if full_name in members or _WILDCARD in members:
        return True
    children = listed.get(kind.child or "", set())
    return _WILDCARD in children or any(each.startswith(f"{full_name}.") for each in children)


def _deploy_file(
    org: Org, book: RuleBook, package: Package, kind: Kind, full_name: str, file_name: str
) -> tuple[RuleBook, list[DeployMessage]]:
    try:
        root = _root(package.files[file_name], kind)
        changed, done = kind.save(book, org.schema, full_name, root)
    except MetadataProblem as problem:
        return book, [DeployMessage(file_name, full_name, kind.name, problem=problem.message)]
    return changed, [
        DeployMessage(file_name, each.full_name, each.kind, each.record_id or None, each.created, each.changed)
        for each in done
    ]


def _root(content: bytes | None, kind: Kind) -> Element:
    if content is None:
        raise MetadataProblem("LIMIT_EXCEEDED", "The file is too large")
    try:
        root = parse(content)
    except ValueError as error:
        raise MetadataProblem("INVALID_FIELD", f"Error parsing file: {error}") from None
    if local(root) != kind.name:
        message = f"Error parsing file: the root should be {kind.name}, not {local(root)}"
        raise MetadataProblem("INVALID_FIELD", message)
    return root


def _strangers(package: Package) -> Iterator[DeployMessage]:
    known = {path for _, _, path in _files(package)}
    for path in package.files:
        if path not in known:
            name = path.rpartition("/")[2].partition(".")[0]
            yield DeployMessage(path, name or path, problem=f"Unknown file or type of metadata: {path}")


def _missing(package: Package, messages: list[DeployMessage]) -> Iterator[DeployMessage]:
    """What the manifest names and the zip does not have."""
    had = {(each.kind, each.full_name) for each in messages}
    parsed = {each.full_name for each in messages if each.kind == MATCHING_RULES}
    for name, members in package.members.items():
        for full_name in members:
            if name not in KINDS or full_name == _WILDCARD or (name, full_name) in had:
                continue
            if name == MATCHING_RULE and full_name.partition(".")[0] in parsed and _failed(messages, full_name):
                continue
            named = f"An object '{full_name}' of type {name} was named in package.xml"
            problem = f"{named}, but was not found in zipped directory"
            yield DeployMessage(MANIFEST, full_name, name, problem=problem)


def _failed(messages: list[DeployMessage], full_name: str) -> bool:
    """Whether the file that a matching rule would be in has failed as a whole."""
    stem = full_name.partition(".")[0]
    return any(each.kind == MATCHING_RULES and each.full_name == stem and not each.success for each in messages)


# --- retrieve ---------------------------------------------------------------------------------------------


def start_retrieval(
    org: Org, wanted: dict[str, list[str]], *, single_package: bool, version: str, user_id: str
) -> Retrieval:
    with org.lock:
        now = org.clock()
        job_id = org.metadata_jobs.new_id("09S")
        job = Retrieval(job_id, user_id, wanted, single_package, version, created=now)
        org.metadata_jobs.add_retrieval(job)
        org.agenda.add(now + timedelta(seconds=org.physics.deploy), lambda: _retrieve(org, job))
        return job


def _retrieve(org: Org, job: Retrieval) -> None:
    book = org.rules.book
    folder = "" if job.single_package else "unpackaged/"
    files: dict[str, bytes] = {}
    members: dict[str, list[str]] = {}
    for name, full_name in _wanted(job, book):
        kind = KINDS[name]
        members.setdefault(name, []).append(full_name)
        file_name = folder + kind.file_name(full_name)
        whole = KINDS[MATCHING_RULES] if name == MATCHING_RULE else kind
        stem = full_name.partition(".")[0] if name == MATCHING_RULE else full_name
        files.setdefault(file_name, document(whole.name, whole.xml(book, stem)))
        job.files.append(RetrievedFile(file_name, full_name, name, record_id_of(book, name, full_name)))
    files[folder + MANIFEST] = manifest(members, job.version)
    job.files.append(RetrievedFile(folder + MANIFEST, folder + MANIFEST, "Package", ""))
    job.package = write_package(files)
    job.done = True


def _wanted(job: Retrieval, book: RuleBook) -> Iterator[tuple[str, str]]:
    for name, members in job.wanted.items():
        kind = KINDS.get(name)
        if kind is None:
            job.problems.append((MANIFEST, f"Unknown type name '{name}' specified in package.xml"))
            continue
        names = kind.names(book)
        chosen = names if _WILDCARD in members else list(dict.fromkeys(members))
        for full_name in chosen:
            if full_name in names:
                yield name, full_name
            else:
                problem = f"Entity of type '{name}' named '{full_name}' cannot be found"
                job.problems.append((MANIFEST, problem))
