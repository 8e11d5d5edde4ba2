"""What is an API of the org made of? The doors where requests to it come in, and its resources of REST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_sf_dedup.emulator.call_names import OTHER, Identity
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.json_shapes import refused
from airflow_sf_dedup.emulator.wire.routes import Path, Route


def bearer(request: Request) -> str | None:
    return request.headers.get("authorization", "").partition(" ")[2].strip() or None


def _unnamed(request: Request) -> Identity:
    return Identity.of(OTHER, bearer(request))


def _in_json(request: Request, error: ApiError) -> Response:
    return refused(error)


@dataclass(frozen=True, slots=True)
class Door:
    #: The first segments of the paths that lead here, in lower case.
    path: Path
    #: Answers a request; the text is where the emulator is reached, without a trailing slash.
    answer: Callable[[Org, Request, str], Response]
    #: Says which call a request is, by the request alone.
    identify: Callable[[Request], Identity] = _unnamed
    #: Says in the words of the API that a whole request is refused.
    refuse: Callable[[Request, ApiError], Response] = _in_json
    #: Whether there is nothing further down the path.
    last: bool = False

    def leads(self, path: Path) -> bool:
        begin = path if self.last else path[: len(self.path)]
        return tuple(each.lower() for each in begin) == self.path


@dataclass(frozen=True, slots=True)
class Wing:
    """One API. It knows no other one, so that the org is the same without it, but for its calls."""

    doors: tuple[Door, ...] = ()
    #: Under ``/services/data/vXX.X``.
    routes: tuple[Route, ...] = ()
