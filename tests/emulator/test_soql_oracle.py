"""The same questions to the emulator and to SQLite, which nobody here wrote."""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import Org
from airflow_sf_dedup.emulator.query.querying import run
from airflow_sf_dedup.emulator.soql.parsing import parse

ORG = {
    "sobjects": {
        "Box__c": {"fields": {"Name": "text(20) name", "Rank__c": "int"}},
        "Thing__c": {
            "fields": {
                "Name": "text(20) name",
                "Key__c": "text(20) external_id",
                "Size__c": "number(8,2)",
                "Count__c": "int",
                "Flag__c": "checkbox",
                "Day__c": "date",
                "Box__c": "reference(Box__c)",
            }
        },
    }
}
TEXTS = st.text(alphabet="abAB%_'\\", min_size=1, max_size=3)
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, -1.25, 2.75])
DAYS = st.dates(min_value=date(2025, 12, 30), max_value=date(2026, 1, 3))
DAY_TEXTS = DAYS.map(lambda day: day.isoformat())


class Both(NamedTuple):
    """One question in the two languages."""

    soql: str
    sql: str


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def sql_quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


#: Field of SOQL, column of SQL.
TEXT_FIELDS = st.sampled_from([("Name", "t.name"), ("Key__c", "t.key"), ("Box__r.Name", "b.name")])
NUMBER_FIELDS = st.sampled_from([("Size__c", "t.size"), ("Count__c", "t.count"), ("Box__r.Rank__c", "b.rank")])
OPERATORS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def compared(field: tuple[str, str], operator: str, soql: str, sql: str, *, text: bool = False) -> Both:
    column = f"lower({field[1]})" if text else field[1]
    value = f"lower({sql})" if text else sql
    of_null = 1 if operator == "!=" else 0
    return Both(f"{field[0]} {operator} {soql}", f"coalesce({column} {operator} {value}, {of_null})")


@st.composite
def text_comparisons(draw: Any) -> Both:
    field, operator, text = draw(TEXT_FIELDS), draw(OPERATORS), draw(TEXTS)
    return compared(field, operator, quoted(text), sql_quoted(text), text=True)


@st.composite
def number_comparisons(draw: Any) -> Both:
    field, operator, number = draw(NUMBER_FIELDS), draw(OPERATORS), draw(NUMBERS)
    return compared(field, operator, str(number), str(number))


@st.composite
def day_comparisons(draw: Any) -> Both:
    operator, day = draw(OPERATORS), draw(DAY_TEXTS)
    return compared(("Day__c", "t.day"), operator, day, f"'{day}'")


@st.composite
def lists(draw: Any) -> Both:
    (field, column), texts = draw(TEXT_FIELDS), draw(st.lists(TEXTS, min_size=1, max_size=3))
    negated = draw(st.booleans())
    inside = f"lower({column}) IN ({', '.join(f'lower({sql_quoted(text)})' for text in texts)})"
    soql = f"{field} {'NOT ' if negated else ''}IN ({', '.join(map(quoted, texts))})"
    return Both(soql, f"NOT coalesce({inside}, 0)" if negated else f"coalesce({inside}, 0)")


PIECES = st.lists(st.sampled_from(["a", "B", "%", "_", "\\%", "\\_", "'", "\\\\"]), min_size=1, max_size=4)


@st.composite
def patterns(draw: Any) -> Both:
    (field, column), pieces = draw(TEXT_FIELDS), draw(PIECES)
    soql = "".join("\\'" if each == "'" else each for each in pieces)
    sql = "".join("''" if each == "'" else each for each in pieces)
    return Both(f"{field} LIKE '{soql}'", f"coalesce({column} LIKE '{sql}' ESCAPE '\\', 0)")


NULLS = st.sampled_from(
    [
        Both(f"{field} {operator} null", f"{column} {test} NULL")
        for field, column in (("Name", "t.name"), ("Size__c", "t.size"), ("Box__c", "t.box"), ("Box__r.Name", "b.name"))
        for operator, test in (("=", "IS"), ("!=", "IS NOT"))
    ]
)
FLAGS = st.sampled_from([Both("Flag__c = true", "t.flag = 1"), Both("Flag__c != true", "t.flag <> 1")])
YEARS = st.integers(2025, 2026).map(
    lambda year: Both(f"CALENDAR_YEAR(Day__c) = {year}", f"coalesce(strftime('%Y', t.day) = '{year}', 0)")
)
JOINS = st.sampled_from(
    [
        Both(
            f"Box__c {negation}IN (SELECT Id FROM Box__c WHERE Rank__c > 1)",
            f"{negation}coalesce(t.box IN (SELECT id FROM box WHERE rank > 1), 0)",
        )
        for negation in ("", "NOT ")
    ]
)
LEAVES = st.one_of(
    text_comparisons(), number_comparisons(), day_comparisons(), lists(), patterns(), NULLS, FLAGS, YEARS
)


def joined(conditions: list[Both], word: str) -> Both:
    soql, sql = (f" {word} ".join(f"({each})" for each in side) for side in zip(*conditions, strict=True))
    return Both(soql, sql)


CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.lists(inner, min_size=2, max_size=3), st.sampled_from(["AND", "OR"])).map(
            lambda each: joined(*each)
        ),
        inner.map(lambda each: Both(f"NOT ({each.soql})", f"NOT ({each.sql})")),
    ),
    max_leaves=6,
)
#: A condition with a subquery stands under no OR.
WHERES = CONDITIONS | st.tuples(JOINS, CONDITIONS).map(lambda each: joined(list(each), "AND"))
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(
            [("Name", "lower(t.name)"), ("Size__c", "t.size"), ("Day__c", "t.day"), ("Box__r.Rank__c", "b.rank")]
        ),
        st.sampled_from(["", " ASC", " DESC"]),
        st.sampled_from(["FIRST", "LAST"]),
    ),
    max_size=2,
    unique_by=lambda each: each[0],
).map(
    lambda keys: Both(
        "".join(f"{soql}{way} NULLS {nulls}, " for (soql, _), way, nulls in keys),
        "".join(f"{sql}{way} NULLS {nulls}, " for (_, sql), way, nulls in keys),
    )
)
MAYBE = lambda values: st.none() | values  # noqa: E731
BOXES = st.lists(st.fixed_dictionaries({"Name": MAYBE(TEXTS), "Rank__c": MAYBE(st.integers(0, 3))}), max_size=3)
THINGS = st.lists(
    st.fixed_dictionaries(
        {
            "Name": MAYBE(TEXTS),
            "Key__c": MAYBE(TEXTS),
            "Size__c": MAYBE(NUMBERS),
            "Count__c": MAYBE(st.integers(-3, 3)),
            "Flag__c": st.booleans(),
            "Day__c": MAYBE(DAY_TEXTS),
        }
    ),
    max_size=8,
)
_ORG = Org.read(ORG)


class World:
    """The same records on both sides."""

    def __init__(self, boxes: list[dict[str, Any]], things: list[dict[str, Any]], links: list[int]) -> None:
        self.org = _ORG
        self.org.reset()
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE TABLE box (id TEXT, name TEXT, rank INT)")
        self.database.execute(
            "CREATE TABLE thing (id TEXT, name TEXT, key TEXT, size REAL, count INT, flag INT, day TEXT, box TEXT)"
        )
        ids = self.org.seed("Box__c", boxes)
        for box_id, box in zip(ids, boxes, strict=True):
            self.database.execute("INSERT INTO box VALUES (?, ?, ?)", (box_id, box["Name"], box["Rank__c"]))
        for thing, link in zip(things, links, strict=False):
            box = ids[link] if link < len(ids) else None
            (thing_id,) = self.org.seed("Thing__c", [{**thing, "Box__c": box}])
            values = [thing[name] for name in ("Name", "Key__c", "Size__c", "Count__c", "Flag__c", "Day__c")]
            self.database.execute("INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (thing_id, *values, box))

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.database.execute(text).fetchall()

    def ids(self, soql: str) -> list[str]:
        return [record["Id"] for record in run(self.org, parse(soql)).records]


WORLDS = st.builds(World, BOXES, THINGS, st.lists(st.integers(0, 3), min_size=8, max_size=8))
FROM = "FROM thing t LEFT JOIN box b ON t.box = b.id"


@settings(max_examples=200, deadline=None)
@given(WORLDS, WHERES, ORDERS, st.none() | st.integers(0, 5), st.integers(0, 3))
def test_the_same_records_in_the_same_order(
    world: World, where: Both, order: Both, limit: int | None, offset: int
) -> None:
    soql = f"SELECT Id FROM Thing__c WHERE {where.soql} ORDER BY {order.soql}Id"
    sql = f"SELECT t.id {FROM} WHERE {where.sql} ORDER BY {order.sql}t.id"
    if limit is not None:
        soql += f" LIMIT {limit} OFFSET {offset}"
        sql += f" LIMIT {limit} OFFSET {offset}"
    assert world.ids(soql) == [row[0] for row in world.sql(sql)]


@settings(max_examples=150, deadline=None)
@given(WORLDS, CONDITIONS)
def test_the_same_counts_sums_and_extremes(world: World, where: Both) -> None:
    soql = (
        "SELECT COUNT(Id) n, COUNT(Size__c) c, COUNT_DISTINCT(Name) d, SUM(Size__c) s, AVG(Count__c) a, "
        f"MIN(Day__c) earliest, MAX(Count__c) most FROM Thing__c WHERE {where.soql}"
    )
    sql = (
        "SELECT count(*), count(t.size), count(DISTINCT lower(t.name)), sum(t.size), avg(t.count), "
        f"min(t.day), max(t.count) {FROM} WHERE {where.sql}"
    )
    (row,) = run(world.org, parse(soql)).aggregates or []
    assert tuple(row.values()) == world.sql(sql)[0]


@settings(max_examples=150, deadline=None)
@given(WORLDS, st.integers(0, 3))
def test_the_same_groups(world: World, least: int) -> None:
    soql = (
        "SELECT Flag__c, Box__r.Rank__c r, CALENDAR_YEAR(Day__c) y, COUNT(Id) n FROM Thing__c "
        f"GROUP BY Flag__c, Box__r.Rank__c, CALENDAR_YEAR(Day__c) HAVING COUNT(Id) > {least}"
    )
    sql = (
        f"SELECT t.flag, b.rank, CAST(strftime('%Y', t.day) AS INT), count(*) {FROM} "
        f"GROUP BY 1, 2, 3 HAVING count(*) > {least}"
    )
    rows = [tuple(row.values()) for row in run(world.org, parse(soql)).aggregates or []]
    assert sorted(rows, key=repr) == sorted(((bool(row[0]), *row[1:]) for row in world.sql(sql)), key=repr)


@settings(max_examples=100, deadline=None)
@given(WORLDS, st.integers(1, 3))
def test_the_same_children(world: World, limit: int) -> None:
    answer = run(world.org, parse(f"SELECT Id, (SELECT Id FROM Things__r ORDER BY Id DESC LIMIT {limit}) FROM Box__c"))
    (children,) = answer.columns[1:]
    for box in answer.records:
        expected = world.sql(f"SELECT id FROM thing WHERE box = '{box['Id']}' ORDER BY id DESC LIMIT {limit}")
        assert [(child["Id"],) for child in children.of(box)] == expected  # type: ignore[union-attr]
