"""Which parameters has an operator? What a Dag file misspells is refused when the file is parsed."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.operators.literal_settings import check_literals

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


class ChecksParameters:
    """Mixed into an operator, reads its literal settings also where they stand in ``.partial()``.

    Airflow makes no instance of a mapped task before it runs, so that ``__init__`` alone would find a mistake only
    when the rows are staged.
    """

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """As Airflow's own.

        :raises TypeError: there is no such parameter; names the nearest.
        :raises SettingError: a number or the policy cannot be what it says.
        """
        cls._check_names(kwargs)
        check_literals(kwargs)
        return super().partial(**kwargs)  # type: ignore[misc, no-any-return]

    @classmethod
    def _check_names(cls, given: Mapping[str, Any]) -> None:
        refuse_unknown(cls.__name__, given, parameters(cls))  # type: ignore[arg-type]


@cache
def parameters(operator: type[Any], *, own: bool = False) -> frozenset[str]:
    """The names of all parameters of an operator, its base classes' among them; ``own``: of its class alone."""
    classes = [operator] if own else operator.__mro__
    return frozenset(
        parameter.name
        for each in classes
        if "__init__" in vars(each)
        for parameter in inspect.signature(vars(each)["__init__"]).parameters.values()
        if parameter.name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )


def refuse_unknown(who: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse parameters that are not known.

    :param who: the function or class that is called.
    :raises TypeError: names each, and what it may have been meant to be.
    """
    names = sorted(known)
    # What Airflow hands to itself begins with an underscore.
    unknown = sorted(name for name in given.keys() - set(names) if not name.startswith("_"))
    if unknown:
        raise TypeError(f"{who} knows no " + ", ".join(f"{name!r}{_nearest(name, names)}" for name in unknown))


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=3)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
