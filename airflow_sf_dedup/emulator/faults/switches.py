"""Which faults are switched on, and which of them happen to a call? Draws only; nothing is broken here.

Each fault draws from a generator of its own, seeded by the seed and its place in the list, so that its n-th matching
call meets the same draw whatever the other faults do. What a fault draws when it happens comes from another generator,
seeded by the seed, the place and n.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from airflow_sf_dedup.emulator.call_names import NAMES, Identity
from airflow_sf_dedup.emulator.errors import SettingError
from airflow_sf_dedup.emulator.faults.kinds import KINDS
from airflow_sf_dedup.emulator.setting_values import number, optional, shown, whole

_GROUPS = ("any", "write", "read", "login")
_COMMON = ("kind", "on", "rate", "calls", "times")


@dataclass(frozen=True)
class Fault:
    """One fault to inject: ``Fault("hang", on="write", calls=(1,), parameters={"after_commit": True})``.

    :raises SettingError: a kind, parameter or value that there is not.
    """

    kind: str
    #: ``any``, ``write``, ``read``, ``login``, or a call's name as the accounting has it; or several of those.
    on: str | tuple[str, ...] = "any"
    #: Share of the matching calls, 0 to 1; without ``rate`` and ``calls`` every matching call.
    rate: float | None = None
    #: Which matching calls, counted from 1.
    calls: tuple[int, ...] = ()
    #: How often at most.
    times: int | None = None
    #: What the kind can be told; ``KINDS`` has the names and defaults.
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingError("kind", f"{self.kind!r} should be one of: {', '.join(KINDS)}")
        _check_on(self.on)
        _read("rate", self.rate, optional(number(0, 1)))
        _read("times", self.times, optional(whole(0)))
        for each in _listed("calls", self.calls):
            _read("calls", each, whole(1))
        if self.rate is not None and self.calls:
            raise SettingError("calls", "give either rate or calls")
        object.__setattr__(self, "parameters", _parameters(self.kind, self.parameters))

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Fault:
        """From its form in JSON or YAML, with the parameters beside the other settings."""
        if not isinstance(settings, Mapping):
            raise SettingError("fault", "should be a mapping with a kind")
        common = {name: settings[name] for name in _COMMON if name in settings}
        if not isinstance(common.get("kind"), str):
            raise SettingError("kind", f"is required; one of: {', '.join(KINDS)}")
        for name in ("on", "calls"):
            if isinstance(common.get(name), list):
                common[name] = tuple(common[name])
        rest = {name: value for name, value in settings.items() if name not in _COMMON}
        return cls(**common, parameters=rest)

    def matches(self, call: Identity) -> bool:
        wanted = (self.on,) if isinstance(self.on, str) else self.on
        named = "any" in wanted or call.group in wanted or call.name in wanted
        return named and KINDS[self.kind].touches(call, self.parameters)

    def settings(self) -> dict[str, Any]:
        """The form that ``read`` takes, with the defaults filled in."""
        found: dict[str, Any] = {"kind": self.kind, "on": self.on if isinstance(self.on, str) else list(self.on)}
        found |= {"rate": self.rate} if self.rate is not None else {}
        found |= {"calls": list(self.calls)} if self.calls else {}
        found |= {"times": self.times} if self.times is not None else {}
        return found | {name: shown(value) for name, value in self.parameters.items()}


def _check_on(on: Any) -> None:
    for each in _listed("on", (on,) if isinstance(on, str) else on):
        if each not in _GROUPS and each not in NAMES:
            choices = ", ".join([*_GROUPS, *sorted(NAMES)])
            raise SettingError("on", f"{each!r} should be one of, or a list of: {choices}")


def _listed(name: str, found: Any) -> tuple[Any, ...]:
    if not isinstance(found, tuple | list):
        raise SettingError(name, f"{found!r} should be a list")
    return tuple(found)


def _read(name: str, given: Any, reader: Any) -> Any:
    try:
        return reader(given)
    except ValueError as wanted:
        raise SettingError(name, f"{given!r} should be {wanted}") from None


def _parameters(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    known = KINDS[kind].parameters
    for name in given:
        if name not in known:
            raise SettingError(name, f"{kind} has no such setting; there are: {', '.join([*_COMMON, *known])}")
    return {name: _read(name, given.get(name, each.default), each.read) for name, each in known.items()}


@dataclass(frozen=True)
class Firing:
    """A fault that happens to one call."""

    fault: Fault
    #: For what is drawn while it happens.
    random: Random

    @property
    def kind(self) -> str:
        return self.fault.kind

    def __getitem__(self, parameter: str) -> Any:
        return self.fault.parameters[parameter]


class _Switched:
    """A fault that is on, with its generator and its counters."""

    def __init__(self, fault: Fault, seed: int, place: int) -> None:
        self.fault = fault
        self.looked_at = 0
        self.fired = 0
        self._name = f"{seed}/{place}"
        self._draws = Random(self._name)  # noqa: S311

    def meet(self) -> Firing | None:
        self.looked_at += 1
        if not self._chosen(self._draws.random()) or self.fired == self.fault.times:
            return None
        self.fired += 1
        return Firing(self.fault, Random(f"{self._name}/{self.looked_at}"))  # noqa: S311

    def _chosen(self, draw: float) -> bool:
        if self.fault.calls:
            return self.looked_at in self.fault.calls
        return self.fault.rate is None or draw < self.fault.rate

    def shown(self) -> dict[str, Any]:
        return {**self.fault.settings(), "looked_at": self.looked_at, "fired": self.fired}


class Faults:
    """The faults that are switched on. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seed = 0
        self._switched: tuple[_Switched, ...] = ()

    def replace(self, faults: Iterable[Fault | Mapping[str, Any]], *, seed: int = 0) -> None:
        """Switches these on and all others off; counting starts anew.

        :raises SettingError: naming the setting (``faults[0].rate``); nothing is changed.
        """
        read = read_faults(faults)
        with self._lock:
            self._seed = seed
            self._switched = tuple(_Switched(each, seed, place) for place, each in enumerate(read))

    def clear(self) -> None:
        self.replace(())

    def plan(self) -> FaultPlan:
        """What is switched on."""
        with self._lock:
            return FaultPlan(tuple(each.fault for each in self._switched), self._seed)

    def add(self, faults: Iterable[Fault | Mapping[str, Any]], *, seed: int | None = None) -> None:
        """Switches these on beside those that are on; counting starts anew.

        :param seed: None leaves it as it is.
        :raises SettingError: naming the setting; nothing is changed.
        """
        on = self.plan()
        self.replace((*on.faults, *read_faults(faults)), seed=on.seed if seed is None else seed)

    def __bool__(self) -> bool:
        return bool(self._switched)

    def meet(self, call: Identity) -> tuple[Firing, ...]:
        """What happens to a call that has just come in, in the order of the list."""
        with self._lock:
            met = [each.meet() for each in self._switched if each.fault.matches(call)]
        return tuple(each for each in met if each is not None)

    def shown(self) -> dict[str, Any]:
        """``{"seed": 7, "faults": [{"kind": …, "looked_at": 12, "fired": 3}]}``."""
        with self._lock:
            return {"seed": self._seed, "faults": [each.shown() for each in self._switched]}


def read_faults(faults: Any) -> tuple[Fault, ...]:
    if isinstance(faults, str | Mapping) or not isinstance(faults, Iterable):
        raise SettingError("faults", "should be a list of faults")
    return tuple(_read_fault(place, each) for place, each in enumerate(faults))


def _read_fault(place: int, found: Any) -> Fault:
    if isinstance(found, Fault):
        return found
    try:
        return Fault.read(found)
    except SettingError as error:
        raise SettingError(f"faults[{place}].{error.setting}", error.problem) from None


@dataclass(frozen=True)
class FaultPlan:
    """What an org file or a request switches on."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0

    @classmethod
    def read(cls, settings: Any) -> FaultPlan:
        """From ``{"seed": 7, "faults": [...]}`` or from the list alone.

        :raises SettingError: naming the setting.
        """
        found = {"faults": settings} if isinstance(settings, list) else settings
        if not isinstance(found, Mapping):
            raise SettingError("faults", "should be a mapping with seed and faults")
        for name in found:
            if name not in ("seed", "faults"):
                raise SettingError(str(name), "no such setting; there are: seed, faults")
        seed = _read("seed", found.get("seed", 0), whole(0))
        return cls(read_faults(found.get("faults", [])), seed)
