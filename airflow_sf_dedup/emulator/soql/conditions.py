"""Reading the conditions of WHERE and HAVING.

A run of conditions has one of AND and OR; brackets tell which comes first where both are wanted. NOT stands before one
condition, alone or in brackets.
"""

from __future__ import annotations

from airflow_sf_dedup.emulator.soql.literals import IllegalEscape, literal
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.reader import TokenReader
from airflow_sf_dedup.emulator.soql.tree import (
    Both,
    Compare,
    Condition,
    Either,
    Expression,
    Function,
    In,
    Literal,
    Not,
    Query,
    SemiJoin,
)

_DEEPEST = 50
_OPERATORS = frozenset({"=", "!=", "<>", "<", ">", "<=", ">=", "like"})


class ConditionReader(TokenReader):
    depth = 0

    def query(self) -> Query:
        raise NotImplementedError

    def expression(self) -> Expression:
        """A field, or a function of one."""
        start = self.peek()
        if self.peek(1).text != "(" or start.kind != "word" or "." in start.text:
            return self.path()
        self.deeper()
        name = self.next()
        self.expect("(")
        argument = None if self.peek().text == ")" else self.expression()
        closing = self.peek()
        self.expect(")")
        self.depth -= 1
        written = self.text[start.position : closing.position + 1]
        return Function(name.text.upper(), argument, start.position, written)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise refusal(self.text, self.peek().position, "The query is nested too deep")

    def conditions(self) -> Condition:
        self.deeper()
        if self.accept("not"):
            condition: Condition = Not(self.condition())
        else:
            condition = self.joined(self.condition())
        self.depth -= 1
        return condition

    def joined(self, first: Condition) -> Condition:
        found = [first]
        word = self.peek().lower
        while word in ("and", "or") and self.accept(word):
            found.append(self.condition())
        if self.peek().lower in ("and", "or"):
            raise self.fail()
        if len(found) == 1:
            return first
        return Both(tuple(found)) if word == "and" else Either(tuple(found))

    def condition(self) -> Condition:
        if self.accept("("):
            condition = self.conditions()
            self.expect(")")
            return condition
        return self.comparison()

    def comparison(self) -> Condition:
        left = self.expression()
        for words, negated in ((("in",), False), (("not", "in"), True)):
            if self.accept(*words):
                return self.members(left, negated)
        for word, negated in (("includes", False), ("excludes", True)):
            if self.accept(word):
                return In(left, self.literals(), negated, "includes")
        token = self.next()
        if token.lower not in _OPERATORS:
            raise self.fail(token)
        operator = "!=" if token.text == "<>" else token.lower
        return Compare(left, operator, self.literal())

    def members(self, left: Expression, negated: bool) -> Condition:
        if self.peek().text == "(" and self.peek(1).lower == "select":
            self.expect("(")
            query = self.query()
            self.expect(")")
            return SemiJoin(left, query, negated)
        return In(left, self.literals(), negated)

    def literals(self) -> tuple[Literal, ...]:
        self.expect("(")
        found = self.listed(self.literal)
        self.expect(")")
        return found

    def literal(self) -> Literal:
        token = self.next()
        try:
            return literal(token)
        except IllegalEscape as error:
            raise refusal(self.text, token.position, str(error)) from None
        except ValueError:
            raise self.fail(token) from None
