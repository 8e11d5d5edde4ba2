"""Who is in the file, and who of them does the org already know? Made by Faker, the same for the same seed.

The truth is known because it is made here: :class:`Held` says which rows of the file a record of the org *is*.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from faker import Faker

KEY_FIELD = "External_Id__c"

#: How many rows in 5,000 the org knows in which way: 1,200 in all.
KNOWN = {
    "same_email": 830,
    "fuzzy_name": 240,
    "as_contact": 40,
    "held_twice": 30,
    "under_another_key": 30,
    "two_keys": 20,
    "moved_on": 10,
}
#: Rows in 5,000 that a rule takes for somebody else: colleagues who share a mailbox.
SHARED_MAILBOX = 10

#: Locale and its share of the people.
_LOCALES = {"en_US": 30, "en_GB": 15, "de_DE": 20, "fr_FR": 12, "es_ES": 10, "pl_PL": 6, "sv_SE": 5, "ja_JP": 2}
_COUNTRIES = {"US": "United States", "GB": "United Kingdom", "DE": "Germany", "FR": "France", "ES": "Spain"}
_COUNTRIES |= {"PL": "Poland", "SE": "Sweden", "JP": "Japan"}

_NICKNAMES = {
    "Robert": "Bob",
    "William": "Bill",
    "Richard": "Rick",
    "Elizabeth": "Liz",
    "Katherine": "Kate",
    "Michael": "Mike",
    "James": "Jim",
    "Thomas": "Tom",
    "Joseph": "Joe",
    "Charles": "Charlie",
    "Daniel": "Dan",
    "David": "Dave",
    "Christopher": "Chris",
    "Matthew": "Matt",
    "Jennifer": "Jenny",
}
#: Left out as often as not, and by which other form a company goes.
_LEGAL_FORMS = {"Inc": "", "LLC": "", "Ltd": "", "PLC": "", "GmbH": "", "AG": "", "S.A.": "SA", "S.L.": "SL"}
_LEGAL_FORMS |= {"S.A.R.L.": "SARL", "S.A.S.": "SAS"}
_USUAL_FORM = {
    "United States": "Inc.",
    "United Kingdom": "Ltd",
    "Germany": "GmbH",
    "Sweden": "AB",
    "Japan": "Co., Ltd.",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A lead as somebody typed it."""

    first_name: str
    last_name: str
    company: str
    email: str
    phone: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class Held:
    """A record that the org holds before the load."""

    sobject: str
    fields: Mapping[str, Any]
    #: Numbers of the rows that are this very person, from 1.
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Morning:
    """The file and the org on the morning of the load."""

    leads: tuple[Mapping[str, str], ...]
    held: tuple[Held, ...]
    #: Row number to the way the org knows it.
    kinds: Mapping[int, str] = field(default_factory=dict)


def morning(rows: int, seed: int) -> Morning:
    """So many leads, and an org that knows about a quarter of them."""
    return _Maker(random.Random(seed), seed).make(rows)  # noqa: S311 - people, not secrets


def shares(rows: int) -> dict[str, int]:
    """How many of so many rows are known in which way."""
    counts = {kind: max(1, round(share * rows / 5000)) for kind, share in KNOWN.items()}
    counts["two_keys"] = max(2, counts["two_keys"] // 2 * 2)
    return counts | {"shared_mailbox": max(1, round(SHARED_MAILBOX * rows / 5000))}


class _Maker:
    def __init__(self, chance: random.Random, seed: int) -> None:
        self._chance = chance
        self._fakers = {locale: Faker(locale, use_weighting=False) for locale in _LOCALES}
        for faker in self._fakers.values():
            faker.seed_instance(seed)
        self._emails: set[str] = set()
        self._held: list[Held] = []

    def make(self, rows: int) -> Morning:
        people = {number: self._person() for number in range(1, rows + 1)}
        kinds = self._kinds(rows)
        waiting: int | None = None
        for number, kind in kinds.items():
            if kind == "two_keys":
                waiting = self._pair(people, waiting, number)
            elif kind == "shared_mailbox":
                people[number] = self._share_mailbox(people[number])
            else:
                self._held += _HOLDS[kind](self, people[number], number)
        return Morning(tuple(_row(number, person) for number, person in people.items()), tuple(self._held), kinds)

    def _kinds(self, rows: int) -> dict[int, str]:
        counts = shares(rows)
        numbers = self._chance.sample(range(1, rows + 1), sum(counts.values()))
        kinds = (kind for kind, count in counts.items() for _ in range(count))
        return dict(sorted(zip(numbers, kinds, strict=True)))

    def _person(self) -> Person:
        locale = self._chance.choices([*_LOCALES], weights=[*_LOCALES.values()])[0]
        faker = self._fakers[locale]
        first, last, company = faker.first_name(), faker.last_name(), faker.company()
        return Person(
            first_name=first,
            last_name=last,
            company=company,
            email=self._email(f"{_ascii(first)}.{_ascii(last)}".strip(".") or "mail", company),
            phone=faker.phone_number(),
            city=faker.city(),
            country=_COUNTRIES[locale[-2:]],
        )

    def _email(self, name: str, company: str) -> str:
        """An address of a domain that nobody can own (RFC 2606), given to one person only."""
        domain = _ascii(company)[:30].strip("-") or "kaisha"
        address, number = f"{name}@{domain}.example", 1
        while address in self._emails:
            number += 1
            address = f"{name}{number}@{domain}.example"
        self._emails.add(address)
        return address

    def same_email(self, person: Person, number: int) -> Iterator[Held]:
        """As it stands in most orgs: the address is right, the rest is older."""
        known = self._variant(person) if self._chance.random() < 0.3 else person
        email = person.email.title() if self._chance.random() < 0.1 else person.email
        yield _lead(replace(known, email=email, phone=""), number)

    def fuzzy_name(self, person: Person, number: int) -> Iterator[Held]:
        """Another address, and the name as somebody heard it."""
        yield _lead(self._elsewhere(self._variant(person)), number)

    def as_contact(self, person: Person, number: int) -> Iterator[Held]:
        """A customer already."""
        fields = {"FirstName": person.first_name, "LastName": person.last_name, "Email": person.email}
        yield Held("Contact", fields, (number,))

    def held_twice(self, person: Person, number: int) -> Iterator[Held]:
        """The org has this person twice itself."""
        yield _lead(person, number)
        yield _lead(replace(self._variant(person), phone=""), number)

    def under_another_key(self, person: Person, number: int) -> Iterator[Held]:
        """Loaded by another system, under its own key."""
        held = _lead(person, number)
        yield replace(held, fields={**held.fields, KEY_FIELD: f"WEB-{number:06d}"})

    def moved_on(self, person: Person, number: int) -> Iterator[Held]:
        """Married, employed elsewhere, with a new address: the same person, and no rule can know."""
        then = self._person()
        yield _lead(replace(then, first_name=person.first_name, country=person.country), number)

    def _pair(self, people: dict[int, Person], other: int | None, number: int) -> int | None:
        """Two rows of the file, with two keys, that are one lead of the org."""
        if other is None:
            return number
        people[number] = replace(people[other], phone=people[number].phone)
        held = _lead(people[other], other)
        self._held.append(replace(held, rows=(other, number)))
        return None

    def _share_mailbox(self, person: Person) -> Person:
        """A third colleague behind an address under which the org knows two others."""
        mailbox = self._email("info", person.company)
        for colleague in (self._person(), self._person()):
            known = replace(colleague, company=person.company, email=mailbox, country=person.country)
            self._held.append(Held("Lead", _fields(known)))
        return replace(person, email=mailbox)

    def _variant(self, person: Person) -> Person:
        """The same person in another spelling."""
        ways: list[Callable[[Person], Person]] = [_other_legal_form, _short_first_name, _misspelt, _shouted]
        changed = person
        for way in self._chance.sample(ways, 2):
            changed = way(changed)
        return changed

    def _elsewhere(self, person: Person) -> Person:
        return replace(person, email=self._email(_ascii(person.last_name) or "private", "webmail"))


_HOLDS: Mapping[str, Callable[[_Maker, Person, int], Iterator[Held]]] = {
    "same_email": _Maker.same_email,
    "fuzzy_name": _Maker.fuzzy_name,
    "as_contact": _Maker.as_contact,
    "held_twice": _Maker.held_twice,
    "under_another_key": _Maker.under_another_key,
    "moved_on": _Maker.moved_on,
}


def _fields(person: Person) -> dict[str, str]:
    fields = {
        "FirstName": person.first_name,
        "LastName": person.last_name,
        "Company": person.company,
        "Email": person.email,
        "Phone": person.phone,
        "City": person.city,
        "Country": person.country,
    }
    return {name: value for name, value in fields.items() if value}


def _row(number: int, person: Person) -> dict[str, str]:
    return {KEY_FIELD: f"CRM-{number:06d}", **_fields(person)}


def _lead(person: Person, number: int) -> Held:
    return Held("Lead", _fields(person), (number,))


def _ascii(text: str) -> str:
    """Text as it stands in an address: lower case, without accents; nothing is left of other scripts."""
    folded = text.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ø", "o").replace("Ø", "O")
    plain = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _other_legal_form(person: Person) -> Person:
    name, _, form = person.company.rpartition(" ")
    if name and form in _LEGAL_FORMS:
        return replace(person, company=f"{name} {_LEGAL_FORMS[form]}".strip())
    usual = _USUAL_FORM.get(person.country, "SA")
    return person if person.company.endswith(f" {usual}") else replace(person, company=f"{person.company} {usual}")


def _short_first_name(person: Person) -> Person:
    if not person.first_name.isascii():
        return person
    return replace(person, first_name=_NICKNAMES.get(person.first_name, f"{person.first_name[0]}."))


def _misspelt(person: Person) -> Person:
    """An accent lost or a letter doubled, never the first one."""
    first, rest = person.last_name[:1], person.last_name[1:]
    plain = "".join(c for c in unicodedata.normalize("NFKD", rest) if not unicodedata.combining(c))
    if plain == rest:
        plain = re.sub(r"(?<=[aeiou])([lnrst])(?![lnrst])", r"\1\1", rest, count=1)
    return replace(person, last_name=unicodedata.normalize("NFC", first + plain))


def _shouted(person: Person) -> Person:
    return replace(person, last_name=person.last_name.upper(), company=person.company.upper())
