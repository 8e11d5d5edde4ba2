"""Names disagree only where they cannot be one person's."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.core.person_names import disagree, person_name

Name = tuple[str | None, str | None]

SAME_PERSON: list[tuple[Name, Name]] = [
    (("Anna", "Kuhl"), ("Anna", "Kuhl")),
    (("Anna", "Kuhl"), ("KUHL", "anna")),
    (("Anna", "Kuhl"), ("Kuhl", "Anna")),
    ((None, "Kuhl"), ("Anna", "Kuhl")),
    ((None, "Anna Kuhl"), ("Anna", "Kuhl")),
    (("A.", "Kuhl"), ("Anna", "Kuhl")),
    (("Anna M.", "Kuhl"), ("Anna Maria", "Kuhl")),
    (("Dr. Anna", "Kuhl"), ("Anna", "Kuhl")),
    (("Jürgen", "Müller"), ("Juergen", "Mueller")),
    (("Jürgen", "Müller"), ("Jurgen", "Muller")),
    (("Søren", "Łukasz"), ("Soren", "Lukasz")),
    (("Anna-Maria", "Kuhl"), ("Annamaria", "Kuhl")),
    (("Zoë", "Strauß"), ("Zoe", "Strauss")),
    (("Anna", "Kuhl"), (None, None)),
    (("Anna", "Kuhl"), (None, "---")),
    (("王", "伟"), ("伟", "王")),
    (("Mary", "O'Neill"), ("Mary", "ONeill")),
]

OTHER_PEOPLE: list[tuple[Name, Name]] = [
    (("Anna", "Kuhl"), ("Bert", "Kuhl")),
    (("Anna", "Kuhl"), ("Anna", "Rau")),
    (("Amy", "Kuhl"), ("May", "Kuhl")),
    (("B.", "Kuhl"), ("Anna", "Kuhl")),
    ((None, "Kuhl"), ("Anna", "Rau")),
    (("Anna", "Kuhl"), ("A.", "Rau")),
    (("Anna", "Kuhl"), ("A", "B")),
    (("王", "伟"), ("李", "娜")),
]


def name(of: Name) -> tuple[str, ...]:
    return person_name({"FirstName": of[0], "LastName": of[1], "Company": "Works"})


@pytest.mark.parametrize(("one", "other"), SAME_PERSON, ids=str)
def test_spelling_order_titles_and_initials_do_not_tell_people_apart(one: Name, other: Name) -> None:
    assert not disagree(name(one), name(other))
    assert not disagree(name(other), name(one))


@pytest.mark.parametrize(("one", "other"), OTHER_PEOPLE, ids=str)
def test_other_names_are_other_people(one: Name, other: Name) -> None:
    assert disagree(name(one), name(other))
    assert disagree(name(other), name(one))


def test_a_record_without_a_persons_name_has_none() -> None:
    assert person_name({"Name": "Kuhl Works", "lastname": None}) == ()
    assert person_name({"LASTNAME": "Kuhl"}) == ("kuhl",)
    assert person_name({"LastName": "Prof"}) == ("prof",)
