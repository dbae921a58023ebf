"""Codes to standard concepts by a site's own vocabulary files; where none is found, why."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from studies.omop import NoVocabulary, load_vocabulary
from studies.omop.vocabulary import Concept
from tests.studies.omop.locks import SNOMED, athena, exported, lock, row, rows_of

CONCEPTS = [
    (1, "ICD10", "C50.9", "Condition", ""), (2, "SNOMED", "254837009", "Condition", "S"),
    (3, "ICD10", "Z85.3", "Observation", "S"), (4, "ICD10", "lonely", "Condition", ""),
    (5, "ICD10", "two", "Condition", ""), (6, "SNOMED", "x", "Condition", "S"),
    (7, "LOINC", "718-7", "Measurement", "S"), (8, "UCUM", "g/dL", "Unit", "S"),
    (9, "Currency", "CNY", "Currency", "S"),
]  # fmt: skip
LINKS = [(1, 2), (5, 2), (5, 6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return athena(tmp_path, CONCEPTS, LINKS)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("C50.9", Concept(2, 1, "Condition")),
        ("Z85.3", Concept(3, 3, "Observation")),
        ("lonely", Concept(0, 4, "", "no_standard")),
        ("two", Concept(0, 5, "", "several_standard")),
        ("nobody", Concept(0, 0, "", "code_unknown")),
        ("'; drop view concept --", Concept(0, 0, "", "code_unknown")),
    ],
)
def test_a_code_leads_to_one_standard_concept_or_says_why_not(
    folder: Path, code: str, expected: Concept
) -> None:
    vocabulary = load_vocabulary(folder)
    assert vocabulary.version == "v5.0 05-MAY-26"
    assert vocabulary.find([("ICD10", code)]) == {("ICD10", code): expected}


def test_nothing_asked_reads_nothing_and_no_vocabulary_says_so(folder: Path) -> None:
    assert load_vocabulary(folder).find([]) == {}
    assert NoVocabulary().find([("ICD10", "x")]) == {("ICD10", "x"): Concept(why="no_vocabulary")}


def test_an_export_stands_on_standard_concepts_and_on_the_domain_s_table(folder: Path) -> None:
    """A code for a history is an observation, whatever resource it came in (f2o-037)."""
    tables = lock(
        {
            "condition": [row("condition"), row("condition", code="Z85.3")],
            "measurement": [row("measurement")],
            "cost_line": [row("cost_line")],
        }
    )
    found = exported(tables, load_vocabulary(folder))
    (condition,) = rows_of(found, "condition_occurrence")
    assert (condition["condition_concept_id"], condition["condition_source_concept_id"]) == (2, 1)
    history = [one for one in rows_of(found, "observation") if one["observation_source_value"] == "Z85.3"]
    assert [one["observation_concept_id"] for one in history] == [3]
    (measured,) = rows_of(found, "measurement")
    assert (measured["measurement_concept_id"], measured["unit_concept_id"]) == (7, 8)
    assert rows_of(found, "cost")[0]["currency_concept_id"] == 9
    assert rows_of(found, "cdm_source")[0]["vocabulary_version"] == "v5.0 05-MAY-26"
    assert found.report.adds_up


def test_of_two_codings_the_one_with_a_standard_concept_stands(folder: Path) -> None:
    """Even where the other is of a vocabulary that is to be preferred."""
    codings = [
        row("condition", source_row="r"),
        row("condition", source_row="r", code_system=SNOMED, code="gone"),
    ]
    (one,) = rows_of(exported(lock({"condition": codings}), load_vocabulary(folder)), "condition_occurrence")
    assert (one["condition_source_value"], one["condition_concept_id"]) == ("C50.9", 2)


@pytest.mark.parametrize("name", ["CONCEPT.csv", "CONCEPT_RELATIONSHIP.csv", "VOCABULARY.csv"])
@pytest.mark.parametrize("content", [None, b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_files_that_are_not_athena_s_are_refused_by_name(
    folder: Path, name: str, content: bytes | None
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(PlatformError) as raised:
        load_vocabulary(folder).find([("ICD10", "C50.9")])
    assert raised.value.code == "omop.vocabulary_unreadable" and name in raised.value.en


def test_a_number_that_is_none_is_refused_without_repeating_the_row(folder: Path) -> None:
    path = folder / "CONCEPT.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace('1\ta "name', 'secret\ta "name', 1), encoding="utf-8"
    )
    with pytest.raises(PlatformError) as raised:
        load_vocabulary(folder).find([("ICD10", "C50.9")])
    assert raised.value.code == "omop.vocabulary_unreadable" and "secret" not in raised.value.en
