"""What to do about a duplicate? A policy looks at a case and chooses a decision, or passes.

Policies compose with ``|``: the first that claims a case decides it. What none claims goes to a
reviewer, so no row is ever without a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from airflow_sf_dedup.core.decisions import Ask, Decision, DuplicateCase, Pass, Skip


@runtime_checkable
class Policy(Protocol):
    """One way to deal with a blocked row. Its ``repr`` is its spelling in the grammar."""

    #: The word that stands for it in strings and YAML.
    name: ClassVar[str]

    def decide(self, case: DuplicateCase) -> Decision | Pass:
        """Choose what happens to the row, or pass with the reason in one word."""


class Composable:
    """Gives a policy ``|`` and a ``repr`` that the grammar reads back."""

    name: ClassVar[str]

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        return {}

    def __or__(self, other: Policy | Chain) -> Chain:
        return Chain((self,)) | other  # type: ignore[arg-type]

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{self.name}({arguments})" if arguments else self.name


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and where in the chain it was made, so that a refused one goes on from there."""

    decision: Decision
    position: int


@dataclass(frozen=True, repr=False)
class Chain:
    """Policies in the order they are asked."""

    policies: tuple[Policy, ...]

    def decide(self, case: DuplicateCase, *, start: int = 0, reason: str | None = None) -> Decided:
        """Ask the policies from ``start`` on; a reviewer gets what they all pass.

        :param reason: why an earlier decision on the case could not be carried out.
        """
        for position, policy in enumerate(self.policies[start:], start):
            decision = policy.decide(case)
            if not isinstance(decision, Pass):
                return Decided(_because(decision, reason), position)
            reason = reason or decision.reason
        return Decided(Ask(reason or "no_policy_claims_it"), len(self.policies))

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The fields that policies name; a load has to carry them."""
        return tuple(name for policy in self.policies for name in getattr(policy, "named_fields", ()))

    def __or__(self, other: Policy | Chain) -> Chain:
        return Chain(self.policies + (other.policies if isinstance(other, Chain) else (other,)))

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.policies))


def _because(decision: Decision, reason: str | None) -> Decision:
    """A row that is left alone says why the policies before did not act."""
    return type(decision)(reason) if isinstance(decision, Ask | Skip) and reason else decision
