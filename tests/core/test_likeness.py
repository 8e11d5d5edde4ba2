"""Is what an org shows what was sent? It writes values in its own way, and other values are other values."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.likeness import Likeness, likeness, of_all
from airflow_sf_dedup.core.sobjects import Field

SAME, LIKE, UNTOLD, OTHER = Likeness.SAME, Likeness.LIKE, Likeness.UNTOLD, Likeness.OTHER


def field(type_word: str, **more: Any) -> Field:
    return Field("F__c", "F", type_word, **more)


TEXT, EMAIL, AMOUNT = field("string", length=80), field("email"), field("currency", scale=2)


@pytest.mark.parametrize(
    ("of", "sent", "stored", "expected"),
    [
        (TEXT, "Kuhl", "Kuhl", SAME),
        (TEXT, " Kuhl ", "Kuhl", SAME),
        (TEXT, "a\r\nb", "a\nb", SAME),
        (TEXT, "KUHL", "Kuhl", LIKE),
        (TEXT, "1.5", "15", LIKE),
        (TEXT, "-5", "+5", LIKE),
        (TEXT, "0228 / 123", "0228123", LIKE),
        (TEXT, "Kuhl", "Rau", OTHER),
        (TEXT, "---", "???", OTHER),
        (TEXT, "x" * 90, "x" * 80, LIKE),
        (TEXT, "x" * 90, "x" * 70, OTHER),
        (TEXT, 15, "15", SAME),
        (TEXT, None, "", SAME),
        (TEXT, "", None, SAME),
        (TEXT, None, "---", OTHER),
        (TEXT, "Kuhl", None, OTHER),
        (EMAIL, "Anna@Example.com", "anna@example.com", SAME),
        (EMAIL, "anna@example.com", "anna@example.org", OTHER),
        (AMOUNT, 10.126, 10.13, SAME),
        (AMOUNT, 10.126, 10.12, LIKE),
        (AMOUNT, "10.10", 10.1, SAME),
        (AMOUNT, 10.1, 10.2, OTHER),
        (AMOUNT, None, 0, OTHER),
        (AMOUNT, "ten", 10, UNTOLD),
        (field("int"), 1_234_567, 1_234_568, OTHER),
        (field("double", scale=2), "123456789012345678", 1.2345678901234568e17, SAME),
        (field("datetime"), "2026-03-02T10:00:00.000Z", "2026-03-02T10:00:00.000+0000", SAME),
        (field("datetime"), "2026-03-02T10:00:00.750Z", "2026-03-02T10:00:00.000+0000", SAME),
        (field("datetime"), "2026-03-02T12:00:00+02:00", "2026-03-02T10:00:00.000+0000", SAME),
        (field("datetime"), "2026-03-02T10:00:00Z", "2026-01-01T10:00:00.000+0000", OTHER),
        (field("datetime"), "soon", "2026-01-01T10:00:00.000+0000", UNTOLD),
        (field("date"), "2026-03-02", "2026-03-02", SAME),
        (field("date"), "2026-03-02", "2026-03-03", OTHER),
        (field("time"), "10:00", "10:00:00.000Z", SAME),
        (field("time"), "10:00", "11:00:00.000Z", OTHER),
        (field("boolean"), "true", True, SAME),
        (field("boolean"), False, True, OTHER),
        (field("boolean"), None, False, LIKE),
        (field("multipicklist"), "b;a", "a;b", SAME),
        (field("multipicklist"), "A;b", "a;b", LIKE),
        (field("multipicklist"), "a", "a;b", OTHER),
        (field("reference"), "0015g0000000001", "0015g0000000001AAA", SAME),
        (field("reference"), "0015g0000000002AAA", "0015g0000000001AAA", OTHER),
        (field("base64"), "eA==", "eA==", UNTOLD),
        (TEXT, {"External_Id__c": "P-2"}, {"attributes": {}}, UNTOLD),
        (None, 1_234_567, 1_234_567.0, SAME),
        (None, 1_234_567, 1_234_568, OTHER),
        (None, "Kuhl", "Rau", OTHER),
    ],
)
def test_two_values(of: Field | None, sent: Any, stored: Any, expected: Likeness) -> None:
    assert likeness(sent, stored, of) is expected


@pytest.mark.parametrize(
    ("likenesses", "expected"),
    [([], SAME), ([SAME, SAME], SAME), ([SAME, LIKE], LIKE), ([LIKE, UNTOLD], UNTOLD), ([UNTOLD, OTHER, SAME], OTHER)],
)
def test_of_several_values_the_least_like_tells(likenesses: list[Likeness], expected: Likeness) -> None:
    assert of_all(likenesses) is expected
