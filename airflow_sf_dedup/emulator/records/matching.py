"""When are two values of a matching rule's field alike, and which records are worth comparing at all?

Each method has a blocking key, equal for any two values that could be alike, and a score in percent. The
limits follow Salesforce's "Matching Methods Used with Matching Rules": first name 85, last name 90, company
70, phone 80, city 85, street 80. The algorithms themselves only resemble Salesforce's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from jellyfish import jaro_winkler_similarity, metaphone
from rapidfuzz import fuzz

#: Names and cities come again and again.
remembered = lru_cache(maxsize=1 << 17)

_WORDS = re.compile(r"[^\W_]+")
_NO_DIGITS = re.compile(r"\D+")
_LEGAL_FORMS = frozenset(
    [
        "inc",
        "incorporated",
        "llc",
        "ltd",
        "limited",
        "co",
        "company",
        "corp",
        "corporation",
        "gmbh",
        "ag",
        "sa",
        "plc",
        "bv",
        "nv",
        "the",
    ]
)
_STREET_WORDS = {"street": "st", "avenue": "ave", "road": "rd", "drive": "dr", "boulevard": "blvd", "lane": "ln"}
_NICKNAMES = {
    nickname: name
    for name, nicknames in {
        "robert": "bob bobby rob robbie",
        "william": "bill billy will willie",
        "richard": "dick rick ricky rich",
        "elizabeth": "liz lizzie beth betty",
        "margaret": "maggie peggy meg",
        "katherine": "kate kathy katie catherine",
        "michael": "mike mick mickey",
        "james": "jim jimmy jamie",
        "john": "jack johnny",
        "thomas": "tom tommy",
        "joseph": "joe joey",
        "charles": "charlie chuck",
        "edward": "ed eddie ted",
        "alexander": "alex sandy",
        "daniel": "dan danny",
        "david": "dave",
        "christopher": "chris",
        "matthew": "matt",
        "anthony": "tony",
        "susan": "sue susie",
        "patricia": "pat patty",
        "jennifer": "jen jenny",
    }.items()
    for nickname in nicknames.split()
}


@dataclass(frozen=True)
class Method:
    name: str
    block: Callable[[str], str]
    score: Callable[[str, str], float]
    #: Percent from which two values count as alike.
    minimum: float


def _plain(text: str) -> str:
    return text.lower() if text.isalpha() else " ".join(_WORDS.findall(text.lower()))


def _alike(left: str, right: str) -> float:
    return 100.0 * float(jaro_winkler_similarity(left, right))


def _sound(text: str) -> str:
    return metaphone(text) or text


@remembered
def _first_name(text: str) -> str:
    name = _plain(text)
    return _NICKNAMES.get(name, name)


@remembered
def _first_name_block(text: str) -> str:
    return _first_name(text)[:1]


def _score_first_names(left: str, right: str) -> float:
    one, other = _first_name(left), _first_name(right)
    if one == other:
        return 100.0
    if 1 in (len(one), len(other)) and one[:1] == other[:1]:
        return 85.0
    return _alike(one, other)


@remembered
def _last_name_block(text: str) -> str:
    return _sound(_plain(text))[:4]


def _score_last_names(left: str, right: str) -> float:
    one, other = _plain(left), _plain(right)
    if one == other:
        return 100.0
    return max(_alike(one, other), 90.0 if _sound(one) == _sound(other) else 0.0)


@remembered
def _company(text: str) -> str:
    words = _plain(text).split()
    return " ".join(word for word in words if word not in _LEGAL_FORMS) or " ".join(words)


@remembered
def _company_block(text: str) -> str:
    return _sound(_company(text).split(" ")[0])[:5]


def _score_companies(left: str, right: str) -> float:
    return float(fuzz.token_sort_ratio(_company(left), _company(right)))


def _digits(text: str) -> str:
    """Without the extension: ``555-0100 x12`` is 5550100."""
    return _NO_DIGITS.sub("", text.lower().partition("x")[0])


def _phone_block(text: str) -> str:
    return _digits(text)[-7:]


def _score_phones(left: str, right: str) -> float:
    one, other = _digits(left), _digits(right)
    if one == other or (min(len(one), len(other)) >= 10 and one[-10:] == other[-10:]):
        return 100.0
    return 85.0 if one[-7:] == other[-7:] else 0.0


def _street(text: str) -> str:
    return " ".join(_STREET_WORDS.get(word, word) for word in _plain(text).split())


def _street_block(text: str) -> str:
    street = _street(text)
    number = re.search(r"\d+", street)
    return number[0] if number else _sound(street.split(" ")[0])[:4]


def _score_streets(left: str, right: str) -> float:
    return float(fuzz.token_sort_ratio(_street(left), _street(right)))


@remembered
def _city_block(text: str) -> str:
    return _sound(_plain(text))[:3]


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("exact", str.lower, lambda left, right: 100.0 if left.lower() == right.lower() else 0.0, 100.0),
        Method("first_name", _first_name_block, _score_first_names, 85.0),
        Method("last_name", _last_name_block, _score_last_names, 90.0),
        Method("company_name", _company_block, _score_companies, 70.0),
        Method("phone", _phone_block, _score_phones, 80.0),
        Method("street", _street_block, _score_streets, 80.0),
        Method("city", _city_block, lambda left, right: _alike(_plain(left), _plain(right)), 85.0),
    )
}
