"""The reference page on the cohort language: its examples are read, judged and run; its lists are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studies.cohorts.lint import lint
from studies.cohorts.lint_findings import FINDINGS
from studies.cohorts.reader import _AROUND, _CONDITION
from studies.cohorts.reader_values import _KEYS
from studies.cohorts.sentences import sentences
from tests.studies.cohorts.language_cases import MODEL, Lake, node, read, run

PAGE = (Path(__file__).resolve().parents[3] / "docs/reference/cohort.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ICD9, ICD10, ATC = (
    "http://hl7.org/fhir/sid/icd-9-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "http://www.whocc.no/atc",
)
LOINC = "http://loinc.org"


def row(
    patient: str, number: int, day: str, system: str = "", code: str = "", **more: object
) -> dict[str, object]:
    """A row of any table: the columns that another one has are not asked for."""
    days = {spec.start: day for spec in MODEL.events.values()}
    coded = {"code_system": system, "product_system": system, "code": code, "product_code": code}
    return {"patient_id": patient, "resource_id": f"r{number:03d}", "row_index": 0, **days, **coded, **more}


PEOPLE = {
    "patient": [
        {"patient_id": one, "gender": "female", "organisation_id": "H1", "birth_date": "1960-05-05"} for one in "AB"
    ],
    "observation_period": [{"patient_id": one, "first_date": "2018-01-01", "last_date": "2023-12-31"} for one in "AB"],
}  # fmt: skip
STORES: list[tuple[Lake, list[tuple[str, str, str]]]] = [
    ({"drug_exposure": [
        row("A", 1, "2020-01-10", ATC, "C10AA05", status="completed"),
        row("A", 2, "2020-03-10", ATC, "C10AA07", status="completed"),
        row("B", 3, "2018-11-01", ATC, "C10AA05", status="completed"),
        row("B", 4, "2019-02-01", ATC, "C10AA05", status="completed"),
    ]}, [("A", "2020-01-10", "2023-12-31")]),
    ({"procedure": [row(one, at, "2020-05-01", ICD9, "85.4") for at, one in enumerate("AB")],
      "measurement": [
          row("A", 1, "2020-03-01", LOINC, "33914-3", value=20.0, unit_code="mL/min"),
          row("A", 2, "2020-04-01", LOINC, "33914-3", value=60.0, unit_code="mL/min"),
          row("B", 3, "2020-03-01", LOINC, "33914-3", value=60.0, unit_code="mL/min"),
          row("B", 4, "2020-04-01", LOINC, "33914-3", value=20.0, unit_code="mL/min"),
      ],
      "imaging": [row(one, at, "2020-04-20", modality_code="CT") for at, one in enumerate("AB")],
      "condition": [row("A", 1, "2020-01-01", ICD10, "C34.9", verification_status="confirmed")]},
     [("A", "2020-05-01", "2023-12-31")]),
    ({"condition": [
        row("A", 1, "2020-01-01", ICD10, "I50.9"), row("A", 2, "2020-01-20", ICD10, "I50.9"),
        row("A", 3, "2020-01-31", ICD10, "I50.9"), row("B", 4, "2020-01-01", ICD10, "I50.9"),
    ]}, [("A", "2020-01-31", "2023-12-31")]),
    ({"drug_exposure": [
        row("A", 1, "2020-01-01", ATC, "L02BA01", status="completed", source="dispense", days_supply=28.0),
        row("A", 2, "2020-02-20", ATC, "L02BA01", status="completed", source="dispense", days_supply=28.0),
        row("A", 3, "2020-09-01", ATC, "L02BA01", status="completed", source="dispense", days_supply=28.0,
            returned=True),
        row("B", 4, "2020-01-01", ATC, "L02BA01", status="completed", source="request", days_supply=28.0)],
      "procedure": [row("A", 1, "2020-03-15", ICD9, "85.4", status="completed")]},
     [("A", "2020-01-01", "2020-03-15")]),
    ({"procedure": [row(one, at, "2020-01-01", ICD9, "36.07") for at, one in enumerate("AB")],
      "drug_exposure": [row("A", 1, "2020-02-01", ATC, "B01AC04"), row("B", 2, "2020-04-15", ATC, "B01AC04")]},
     [("A", "2020-03-31", "2023-12-31")]),
]  # fmt: skip


def test_every_example_has_its_rows():
    assert len(EXAMPLES) == len(STORES) == 5


@pytest.mark.parametrize("number", range(5))
def test_an_example_of_the_page_runs_and_does_what_the_page_says(number):
    """Both engines give the promised intervals, the linter has nothing to refuse, and each part has a sentence."""
    store, expected = STORES[number]
    cohort = read(EXAMPLES[number])
    assert run(cohort, {**PEOPLE, **store}) == expected
    told = lint(cohort, MODEL, node=node(EXAMPLES[number]))
    assert [one.code for one in told if one.level == "error"] == []
    assert len(sentences(cohort, MODEL)) >= 4


def test_the_page_names_every_word_of_the_language():
    """What the reader knows is in the page, so that nobody has to read the reader."""
    known = [*_CONDITION, *_AROUND, *(one for one in _KEYS if one != "unit"), *MODEL.events]
    for word in known:
        assert re.search(rf"`{word}\b", PAGE), word
    for table in MODEL.events.values():
        for column in (one for one in table.columns if one not in table.quantities.values()):
            assert f"`{column}`" in PAGE, column


def test_the_page_lists_every_finding_with_its_level():
    listed = dict(re.findall(r"^\| `(\w+)` \| (error|warning) \|", PAGE, re.MULTILINE))
    assert listed == {code: told[0] for code, told in FINDINGS.items()}
