"""What does a SOQL text ask for? Text in, a Query out; names are not looked up here.

The subset that clients of the data APIs need: one sObject, parent fields by dots, COUNT() and COUNT(field),
FIELDS(ALL|STANDARD|CUSTOM), conditions, GROUP BY of plain fields, ORDER BY, LIMIT, OFFSET, ALL ROWS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.values import read_date, read_datetime

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2}))
    | (?P<date>\d{4}-\d{2}-\d{2})
    | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)
    | (?P<word>[A-Za-z_][\w.]*(?::\d+)?)
    | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
#: Stands before an escaped wildcard in a literal's value, where a backslash would be one of the text's own.
ESCAPED = "\0"

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_RESERVED = frozenset(
    ("and", "or", "not", "from", "where", "order", "group", "limit", "offset", "asc", "desc", "nulls", "in", "like")
)
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Path:
    """A field, or the field of a parent: ``Account.Owner.Name``."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """COUNT() has no path; others are COUNT, COUNT_DISTINCT, MIN, MAX, SUM, AVG of a field."""

    function: str
    path: Path | None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Fields:
    which: str


@dataclass(frozen=True, slots=True)
class Literal:
    #: string, number, date, datetime, boolean, null or range (TODAY, LAST_N_DAYS:3)
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compare:
    path: Path
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class In:
    path: Path
    literals: tuple[Literal, ...]
    negated: bool
    #: ``in``, or ``includes`` for multi-select picklists.
    operator: str = "in"


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class Both:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    conditions: tuple[Condition, ...]


Condition = Compare | In | Not | Both | Either
Selected = Path | Aggregate | Fields


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    selected: tuple[Selected, ...]
    sobject: str
    alias: str | None = None
    where: Condition | None = None
    group_by: tuple[Path, ...] = ()
    order_by: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False
    text: str = field(default="", compare=False)


class Token(NamedTuple):
    kind: str
    text: str
    position: int


def malformed_query(message: str) -> ApiError:
    return ApiError("MALFORMED_QUERY", message)


def parse(text: str) -> Query:
    """:raises ApiError: MALFORMED_QUERY, with the place where reading stopped."""
    return _Parser(text).query()


def _tokens(text: str) -> list[Token]:
    tokens = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if not found or found.lastgroup is None:
            raise malformed_query(f"{_around(text, position)}unexpected token: '{text[position:].strip()[:1]}'")
        tokens.append(Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
        position = found.end()
    return tokens


def _around(text: str, position: int) -> str:
    """The line and column of an error with the text around it, as Salesforce shows them."""
    shown = text[max(0, position - 30) : position + 30].replace("\n", " ")
    pointer = " " * min(position, 30) + "^"
    return f"\n{shown}\n{pointer}\nERROR at Row:1:Column:{position + 1}\n"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.at = 0
        self.depth = 0

    # --- reading tokens ---

    def peek(self) -> Token:
        if self.at < len(self.tokens):
            return self.tokens[self.at]
        return Token("end", "<EOF>", len(self.text))

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def fail(self, token: Token | None = None) -> ApiError:
        token = token or self.peek()
        return malformed_query(f"{_around(self.text, token.position)}unexpected token: '{token.text}'")

    def accept(self, *words: str) -> bool:
        """Takes the words if they come next, in any case."""
        ahead = self.tokens[self.at : self.at + len(words)]
        if [token.text.lower() for token in ahead] != list(words) or ahead[0].kind == "string":
            return False
        self.at += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.fail()

    def word(self) -> str:
        token = self.next()
        if token.kind != "word" or token.text.lower() in _RESERVED:
            raise self.fail(token)
        return token.text

    def whole_number(self) -> int:
        token = self.next()
        if token.kind != "number" or not token.text.isdigit():
            raise self.fail(token)
        return int(token.text)

    def listed(self, read: Any) -> tuple[Any, ...]:
        found = [read()]
        while self.accept(","):
            found.append(read())
        return tuple(found)

    # --- the parts of a query ---

    def query(self) -> Query:
        self.expect("select")
        selected = self.listed(self.selected)
        self.expect("from")
        sobject, alias = self.word(), self.alias()
        where = self.either() if self.accept("where") else None
        group_by = self.listed(self.path) if self.accept("group", "by") else ()
        order_by = self.listed(self.order) if self.accept("order", "by") else ()
        limit = self.whole_number() if self.accept("limit") else None
        offset = self.whole_number() if self.accept("offset") else 0
        all_rows = self.accept("all", "rows")
        if self.peek().kind != "end":
            raise self.fail()
        return Query(selected, sobject, alias, where, group_by, order_by, limit, offset, all_rows, self.text)

    def alias(self) -> str | None:
        self.accept("as")
        token = self.peek()
        if token.kind != "word" or token.text.lower() in {*_RESERVED, "all"}:
            return None
        return self.next().text

    def selected(self) -> Selected:
        name = self.word()
        if not self.accept("("):
            return _path(name)
        return self.function(name.upper())

    def function(self, name: str) -> Selected:
        if name == "FIELDS":
            which = self.word().upper()
            self.expect(")")
            return Fields(which)
        if name not in ("COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"):
            raise malformed_query(f"unknown function {name}")
        path = None if self.peek().text == ")" else self.path()
        self.expect(")")
        if path is None and name != "COUNT":
            raise self.fail()
        return Aggregate(name, path, self.alias())

    def path(self) -> Path:
        return _path(self.word())

    def order(self) -> Order:
        path = self.path()
        descending = self.accept("desc")
        if not descending:
            self.accept("asc")
        nulls_last = self.accept("nulls", "last")
        if not nulls_last:
            self.accept("nulls", "first")
        return Order(path, descending, nulls_last)

    # --- conditions ---

    def either(self) -> Condition:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise malformed_query("conditions are nested too deep")
        conditions = [self.both()]
        while self.accept("or"):
            conditions.append(self.both())
        self.depth -= 1
        return conditions[0] if len(conditions) == 1 else Either(tuple(conditions))

    def both(self) -> Condition:
        conditions = [self.one()]
        while self.accept("and"):
            conditions.append(self.one())
        return conditions[0] if len(conditions) == 1 else Both(tuple(conditions))

    def one(self) -> Condition:
        negations = 0
        while self.accept("not"):
            negations += 1
        if self.accept("("):
            condition = self.either()
            self.expect(")")
        else:
            condition = self.comparison()
        return Not(condition) if negations % 2 else condition

    def comparison(self) -> Condition:
        path = self.path()
        for words, negated in ((("in",), False), (("not", "in"), True)):
            if self.accept(*words):
                return In(path, self.literals(), negated)
        for word, negated in (("includes", False), ("excludes", True)):
            if self.accept(word):
                return In(path, self.literals(), negated, "includes")
        return Compare(path, self.operator(), self.literal())

    def operator(self) -> str:
        token = self.next()
        if token.kind == "sign" and token.text in ("=", "!=", "<>", "<", ">", "<=", ">="):
            return "!=" if token.text == "<>" else token.text
        if token.kind == "word" and token.text.lower() == "like":
            return "like"
        raise self.fail(token)

    def literals(self) -> tuple[Literal, ...]:
        self.expect("(")
        found: tuple[Literal, ...] = self.listed(self.literal)
        self.expect(")")
        return found

    def literal(self) -> Literal:
        token = self.next()
        try:
            return _literal(token)
        except ValueError:
            raise self.fail(token) from None


def _path(text: str) -> Path:
    names = tuple(text.split("."))
    if not all(names) or ":" in text:
        raise malformed_query(f"unexpected token: '{text}'")
    return Path(names)


def _literal(token: Token) -> Literal:
    if token.kind == "string":
        return Literal("string", _unescaped(token.text[1:-1]))
    if token.kind == "number":
        number = float(token.text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(token.text)
        return Literal("number", int(token.text) if token.text.lstrip("+-").isdigit() else number)
    if token.kind == "date":
        return Literal("date", read_date(token.text))
    if token.kind == "datetime":
        return Literal("datetime", read_datetime(token.text))
    return _named_literal(token)


def _named_literal(token: Token) -> Literal:
    name = token.text.lower()
    if token.kind == "word" and name in ("true", "false"):
        return Literal("boolean", name == "true")
    if token.kind == "word" and name == "null":
        return Literal("null", None)
    if token.kind == "word" and re.fullmatch(r"today|yesterday|tomorrow|(last|next)_n_days:\d{1,4}", name):
        return Literal("range", name)
    raise ValueError(token.text)


def _unescaped(text: str) -> str:
    """:raises ValueError: an escape that SOQL does not have."""

    def replace(found: re.Match[str]) -> str:
        escaped = found[1]
        if escaped.startswith("u") and len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped.lower() in _ESCAPES:
            return _ESCAPES[escaped.lower()]
        # \% and \_ stay escaped: LIKE tells them from its wildcards.
        if escaped in "%_":
            return ESCAPED + escaped
        if escaped in "'\"\\":
            return escaped
        raise ValueError(escaped)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", replace, text, flags=re.DOTALL)
