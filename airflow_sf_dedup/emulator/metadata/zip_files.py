"""The zip of a deployment or retrieval: bytes in, a package out, and back. Nothing is ever written to a disk.

What a zip claims to be is not believed: how much comes out of it is limited, and names are only compared.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from airflow_sf_dedup.emulator.xml_reading import children, parse, text, texts

MANIFEST = "package.xml"
NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
#: Salesforce: 10,000 files and 400 MB in a package (Metadata API Developer Guide, "Metadata Limits").
_MOST_FILES = 10_000
_MOST_BYTES = 400 * 1024 * 1024
#: Of one file that is read.
_LARGEST_FILE = 4 * 1024 * 1024
_EPOCH = (2020, 1, 1, 0, 0, 0)


class PackageProblem(Exception):
    """The zip as a whole cannot be deployed; the message says why."""

    def __init__(self, file_name: str, message: str) -> None:
        super().__init__(message)
        self.file_name = file_name
        self.message = message


Members = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Package:
    #: Type and members as the manifest has them.
    members: Members
    #: Contents by path below the package's folder, without its manifests; None for one that is too large.
    files: Mapping[str, bytes | None]


def read_package(data: bytes, *, single: bool) -> Package:
    """:param single: the manifest is at the top of the zip; otherwise in the folder of the package.
    :raises PackageProblem: it is no zip, is too large, or has no manifest that can be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            return _read(opened, single=single)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, OSError, EOFError, ValueError) as error:
        raise PackageProblem("", f"The zip file cannot be read: {error}") from None
    except (NotImplementedError, RuntimeError, IndexError, OverflowError, MemoryError) as error:
        raise PackageProblem("", f"The zip file cannot be read: {error}") from None


def _read(opened: zipfile.ZipFile, *, single: bool) -> Package:
    infos = [each for each in opened.infolist() if not each.is_dir()]
    if len(infos) > _MOST_FILES:
        raise PackageProblem("", f"Maximum number of files in a package exceeded: {_MOST_FILES}")
    if sum(each.file_size for each in infos) > _MOST_BYTES:
        raise PackageProblem("", f"Maximum size of a package exceeded: {_MOST_BYTES} bytes uncompressed")
    folder = "" if single else _folder(infos)
    contents = {each.filename[len(folder) :]: each for each in infos if each.filename.startswith(folder)}
    manifest = contents.pop(MANIFEST, None)
    if manifest is None:
        raise PackageProblem(MANIFEST, "No package.xml found")
    left = _MOST_BYTES
    files: dict[str, bytes | None] = {}
    for name, info in contents.items():
        found = _content(opened, info)
        left -= len(found or b"")
        if left < 0:
            raise PackageProblem("", f"Maximum size of a package exceeded: {_MOST_BYTES} bytes uncompressed")
        files[name] = found
    return Package(_manifest(_content(opened, manifest), MANIFEST), files)


def _folder(infos: Iterable[zipfile.ZipInfo]) -> str:
    """The folder with the package's manifest; the zip's top where the manifest is there."""
    places = [each.filename[: -len(MANIFEST)] for each in infos if each.filename.endswith(MANIFEST)]
    fitting = [each for each in places if each == "" or (each.endswith("/") and each.count("/") == 1)]
    if not fitting:
        raise PackageProblem(MANIFEST, "No package.xml found")
    return min(fitting, key=len)


def _content(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | None:
    with opened.open(info) as file:
        found = file.read(_LARGEST_FILE + 1)
    return found if len(found) <= _LARGEST_FILE else None


def _manifest(content: bytes | None, name: str) -> dict[str, list[str]]:
    if content is None:
        raise PackageProblem(name, "The file is too large")
    try:
        root = parse(content)
    except ValueError as error:
        raise PackageProblem(name, f"Error parsing file: {error}") from None
    return members_of(root)


def members_of(package: Element) -> dict[str, list[str]]:
    """The members of a Package element, by type."""
    members: dict[str, list[str]] = {}
    for each in children(package, "types"):
        members.setdefault(text(each, "name") or "", []).extend(texts(each, "members"))
    return members


# --- writing ----------------------------------------------------------------------------------------------


def document(kind: str, content: str) -> bytes:
    """A component's file."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{kind} xmlns="{NAMESPACE}" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{content}</{kind}>\n'
    ).encode()


def manifest(members: Members, version: str) -> bytes:
    types = "".join(
        f"<types>{''.join(f'<members>{escape(each)}</members>' for each in names)}<name>{escape(kind)}</name></types>"
        for kind, names in members.items()
    )
    return document("Package", f"{types}<version>{escape(version)}</version>")


def write_package(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
