"""What to do about a duplicate? A policy looks at a case and chooses a decision, or passes.

Policies are a tree. A leaf decides; a combinator, such as a :class:`Chain`, chooses whom to ask and hands on what they
say. Combinators ask by :func:`ask`: a policy whose decision Salesforce refused is not asked again, wherever in the
tree it stands, and the case goes on to what follows it there. What no policy claims goes to a reviewer where a
duplicate rule refused it, and stays failed where its key is held, so no row is ever without a decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

from airflow_sf_dedup.core.decisions import Ask, Decided, Decision, DuplicateCase, Fail, Pass, SkipRow

#: What only a policy that is for the sObject of the match says of it.
_OF_A_MATCH = frozenset({"match_unreadable", "match_carries_another_key", "confidence_too_low", "row_links_elsewhere"})


@runtime_checkable
class Policy(Protocol):
    """One way to deal with a blocked row. Its ``repr`` is its spelling in the grammar.

    A combinator has ``policies``, all that it may ask. A policy that names fields of the row has ``named_fields``,
    one that names duplicate rules ``named_rules``, one that writes to records of another sObject ``other_fields``, one
    that fills in a look-up field of the row ``lookup_field``, one that may overwrite some of a record and not all
    ``overwrites``: they are checked before anything is sent.
    """

    #: The word that stands for it in strings and YAML.
    name: ClassVar[str]

    def decide(self, case: DuplicateCase) -> Decision | Decided | Pass:
        """Choose what happens to the row, or pass with the reason in one word.

        A combinator answers what :func:`ask` told it.
        """


@dataclass(frozen=True, slots=True)
class OtherFields:
    """What a policy writes to records of another sObject, as it spells the names."""

    sobject: str
    #: Fields of the sObject.
    fields: tuple[str, ...]
    #: The field of it that remembers the row's key.
    stamp: str
    #: Fields of the row whose values are written.
    sources: tuple[str, ...] = ()


class Composable:
    """Gives a policy ``|`` and a ``repr`` that the grammar reads back."""

    name: ClassVar[str]

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        return {}

    def __or__(self, other: Policy) -> Chain:
        return Chain((self,)) | other  # type: ignore[arg-type]

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{self.name}({arguments})" if arguments else self.name


@dataclass(frozen=True, repr=False)
class Chain:
    """Policies in the order they are asked: the first that claims a case decides it."""

    policies: tuple[Policy, ...]
    name: ClassVar[str] = "chain"

    def decide(self, case: DuplicateCase) -> Decided | Pass:
        """A row that is left alone says why the policies before did not act."""
        passed = Pass(case.refused[-1].reason) if case.refused else None
        for policy in self.policies:
            answer = ask(policy, case)
            if isinstance(answer, Decided):
                return replace(answer, decision=_because(answer.decision, passed))
            if passed is None or _tells_more(answer, passed):
                passed = answer
        return passed or Pass("no_policy_claims_it")

    def __or__(self, other: Policy) -> Chain:
        return Chain((*self.policies, *(other.policies if isinstance(other, Chain) else (other,))))

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.policies))


def ask(policy: Policy, case: DuplicateCase) -> Decided | Pass:
    """What a policy says of a case; one whose decision was refused passes."""
    for refused in case.refused:
        if refused.by == policy:
            return Pass(refused.reason)
    answer = policy.decide(case)
    return answer if isinstance(answer, Decided | Pass) else Decided(answer, policy)


def decide(policy: Policy, case: DuplicateCase) -> Decided:
    """What happens to a row: what the policies say, and else a person is asked.

    A row whose key is held where it cannot be written stays failed unless a policy claims it: somebody has to mend the
    org, and a load that says nothing of it would be green every morning.
    """
    answer = ask(policy, case)
    if isinstance(answer, Decided):
        return answer
    return Decided(Fail() if case.obstacle.is_key else Ask(answer.reason), policy)


def named_fields(policy: Policy) -> tuple[str, ...]:
    """The fields that a policy and those below it name; a load has to carry them."""
    return tuple(name for each in every_policy(policy) for name in getattr(each, "named_fields", ()))


def other_fields(policy: Policy) -> tuple[OtherFields, ...]:
    """What a policy and those below it write to records of other sObjects."""
    return tuple(found for each in every_policy(policy) if (found := getattr(each, "other_fields", None)) is not None)


def other_sobjects(policy: Policy) -> frozenset[str]:
    """The other sObjects that a policy and those below it write to, in lower case."""
    return frozenset(each.sobject.lower() for each in other_fields(policy))


def lookup_fields(policy: Policy) -> tuple[str, ...]:
    """The look-up fields of the row that a policy and those below it fill in; a load need not carry them."""
    return tuple(found for each in every_policy(policy) if (found := getattr(each, "lookup_field", None)) is not None)


def _tells_more(then: Pass, first: Pass) -> bool:
    """Why nobody acted, the first policy says; unless it is not meant for such a case, or for such a match."""
    if then.tells and not first.tells:
        return True
    return first.reason == "match_is_another_sobject" and then.reason in _OF_A_MATCH


def named_rules(policy: Policy) -> tuple[str, ...]:
    """The duplicate rules that a policy and those below it name; the org has to have them."""
    return tuple(dict.fromkeys(name for each in every_policy(policy) for name in getattr(each, "named_rules", ())))


def needs_fresh_rules(policy: Policy) -> bool:
    """Whether a policy, or one below it, decides by every rule that refuses a row at the moment."""
    return any(getattr(each, "needs_fresh_rules", False) for each in every_policy(policy))


def needs_rule_states(policy: Policy) -> bool:
    """Whether a policy, or one below it, decides by which rules the org calls active."""
    return any(getattr(each, "needs_rule_states", False) for each in every_policy(policy))


def every_policy(policy: Policy) -> Iterator[Policy]:
    """A policy and all below it."""
    yield policy
    for each in getattr(policy, "policies", ()):
        yield from every_policy(each)


def _because(decision: Decision, passed: Pass | None) -> Decision:
    return replace(decision, reason=passed.reason) if isinstance(decision, Ask | SkipRow) and passed else decision
