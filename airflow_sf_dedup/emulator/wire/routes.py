"""Which function answers which request, and under which name is it counted?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from airflow_sf_dedup.emulator.http import Response

Handler = Callable[..., Response]
Path = tuple[str, ...]


class Route(NamedTuple):
    method: str
    #: The path after the version; segments in braces are handed to the handler.
    path: Path
    handler: Handler
    #: What stands before the path in the call's name.
    under: str = ""
    #: Jobs and deployments say themselves which formats they read; everything else reads JSON.
    any_media_type: bool = False
    #: A batch is not counted itself: its subrequests are.
    counted: bool = True

    @property
    def name(self) -> str:
        """Under which the call is counted: ``PATCH /composite/sobjects/{sobject}/{field}``."""
        return f"{self.method} {self.under}/{'/'.join(self.path)}"


def route(
    method: str, path: str, handler: Handler, *, under: str = "", any_media_type: bool = False, counted: bool = True
) -> Route:
    """:param path: ``sobjects/{sobject}/{id}``."""
    return Route(method, tuple(path.split("/")) if path else (), handler, under, any_media_type, counted)


class Routes:
    """Routes by the length of their paths."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_length: dict[int, list[Route]] = {}
        for each in routes:
            self._by_length.setdefault(len(each.path), []).append(each)

    def fitting(self, path: Path) -> list[tuple[Route, list[str]]]:
        """The routes of any method for a path, each with the segments that it captures; in their order."""
        pairs = ((each, _captured(each.path, path)) for each in self._by_length.get(len(path), ()))
        return [(each, captured) for each, captured in pairs if captured is not None]


def _captured(pattern: Path, path: Path) -> list[str] | None:
    captured = []
    for wanted, found in zip(pattern, path, strict=True):
        if wanted[0] == "{":
            captured.append(found)
        elif wanted.lower() != found.lower():
            return None
    return captured
