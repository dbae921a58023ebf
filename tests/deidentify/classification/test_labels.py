"""Labels documents: what a lock and a package carry with them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from deidentify.classification import labels_of, labels_of_package, load_catalogue
from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError

ICD = "http://hl7.org/fhir/sid/icd-10"


def subjects(*ages: Any, dtype: Any = "Int64") -> pd.DataFrame:
    """Subjects of these ages at index, with the columns of a lock."""
    return pd.DataFrame(
        {
            "subject_id": [f"s{number}" for number in range(len(ages))],
            "site_id": "S1",
            "index_quarter": "2024-Q1",
            "age_years": pd.array(ages, dtype=dtype),
            "gender": "female",
            "row_order": 0,
            "source_row": "b" * 26,
        }
    )


def conditions(*codes: str, system: str = ICD) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject_id": [f"s{number}" for number in range(len(codes))],
            "code_system": system,
            "code": list(codes),
            "onset_day": 0,
        }
    )


def test_the_document_says_which_catalogue_it_is_from_and_repeats_byte_by_byte():
    """Whoever gets the labels can look up what they meant on that day."""
    document = labels_of({"subject": subjects(54, 61), "condition": conditions("C50.9")})
    assert document["catalogue"] == {
        "name": "catalogue",
        "version": load_catalogue().version,
        "sha256": load_catalogue().sha256,
    }
    assert "合规" in document["meaning"]["zh"] and "compliance" in document["meaning"]["en"]
    again = labels_of({"condition": conditions("C50.9"), "subject": subjects(54, 61)})
    assert canonical_json(document) == canonical_json(again)
    assert json.loads(canonical_json(document)) == document


def test_a_table_has_the_level_of_its_highest_column():
    """Birth dates make the lake's patient table level 4; no column of a plain lock is above 3."""
    lake = labels_of({"patient": ["patient_id", "gender", "birth_date"], "resource": ["patient_id"]}, "lake")
    assert (lake["tables"]["patient"]["level"], lake["tables"]["resource"]["level"]) == (4, 3)
    assert lake["level"] == 4 and lake["subjects"] is None
    lock = labels_of({"subject": subjects(40)})
    assert (lock["level"], lock["sensitive"], lock["importance"]) == (3, False, "general")
    assert lock["tables"]["subject"]["columns"]["gender"] == {
        "class": "personal_attributes",
        "level": 2,
        "importance": "general",
        "sensitive": False,
        "identifier": "quasi",
    }


def test_an_unlisted_column_stops_the_whole_document():
    """A lock with a column nobody has classified is not made: the error names it."""
    tables = {"subject": subjects(40).assign(home_town="x")}
    with pytest.raises(PlatformError) as refused:
        labels_of(tables)
    assert refused.value.code == "classification.unlisted" and "home_town" in refused.value.en


# ---- minors


@pytest.mark.parametrize(
    ("ages", "under_14", "unknown", "sensitive"),
    [
        ((14, 60), 0, 0, False),
        ((13, 60), 1, 0, True),
        ((0, 3, 13, 14), 3, 0, True),
        ((None, 60), 0, 1, True),
        ((), 0, 0, False),
    ],
)
def test_subjects_under_14_or_of_unknown_age_make_everything_sensitive(
    ages: tuple[int | None, ...], under_14: int, unknown: int, sensitive: bool
):
    """PIPL art. 28. The 14th birthday counts; an age that is not known is not taken for an adult's."""
    document = labels_of({"subject": subjects(*ages)})
    assert document["subjects"] == {
        "count": len(ages),
        "under_14": under_14,
        "age_unknown": unknown,
        "ages": "years",
    }
    assert document["sensitive"] is sensitive
    columns = document["tables"]["subject"]["columns"]
    assert all(column["sensitive"] is sensitive for column in columns.values())


@pytest.mark.parametrize(
    ("band", "may_be_under_14"),
    [
        ("10-14", True), ("15-19", False), ("[10,20)", True), ("[20,30)", False), ("90+", False),
        ("<18", True), ("＜18", True), ("不满18", True), ("under 18", True), ("0-4", True), ("14-17", False),
    ],
)  # fmt: skip
def test_ages_in_bands_are_taken_at_their_youngest(band: str, may_be_under_14: bool):
    """A lock with generalised ages cannot show who is 13; whoever may be is counted."""
    found = labels_of({"subject": subjects(band, dtype=object)})["subjects"]
    assert (found["under_14"], found["ages"]) == (int(may_be_under_14), "bands")


@pytest.mark.parametrize("text", ["unknown", "不详", None, float("nan"), pd.NA, ""])
def test_an_age_that_says_nothing_is_unknown(text: Any):
    """Nothing passes undetermined."""
    document = labels_of({"subject": subjects(text, dtype=object)})
    assert (document["subjects"]["age_unknown"], document["sensitive"]) == (1, True)


def test_a_lock_that_dropped_the_age_knows_nobodys():
    """The protocol may leave ages out; then no subject is known to be 14."""
    document = labels_of({"subject": subjects(40, 50).drop(columns="age_years")})
    assert document["subjects"] == {"count": 2, "under_14": 0, "age_unknown": 2, "ages": "absent"}
    assert document["sensitive"]


# ---- diseases, and very many persons


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("B20", 5), ("B24", 5), ("B25", 3), ("B19.9", 3), ("b22.7", 5),  # HIV disease
        ("A50.0", 5), ("A53.9", 5), ("A64", 5), ("A65", 3), ("A49", 3),  # sexually transmitted
        ("F00", 5), ("F32.1", 5), ("F99", 5), ("G00", 3),  # mental and behavioural
        ("C50.9", 3), ("", 3), ("F", 3), ("X" * 10_000, 3),
    ],
)  # fmt: skip
def test_codes_of_certain_diseases_raise_their_column_to_level_5(code: str, level: int):
    """The standard's own example of a very small circle; borders are those of ICD-10's blocks."""
    document = labels_of({"condition": conditions("C50.9", code)})
    assert document["tables"]["condition"]["columns"]["code"]["level"] == level
    assert document["tables"]["condition"]["columns"]["onset_day"]["level"] == 3
    assert document["level"] == level and bool(document["special"]) is (level == 5)


def test_a_code_of_another_system_raises_nothing_unless_nobody_knows_whose_it_is():
    """`F32` of a hospital's own list is no depression; without the system's column it is taken at its word."""
    assert labels_of({"condition": conditions("F32", system="urn:hospital:ward")})["level"] == 3
    assert labels_of({"condition": conditions("F32").drop(columns="code_system")})["level"] == 5


def test_health_records_of_very_many_persons_are_important_data():
    """At the threshold, by persons and not by rows; tables about no one's health stay as they are."""
    persons = load_catalogue().meanings["important"]["persons"]

    def importance(count: int, rows_each: int = 1) -> dict[str, str]:
        ids = [f"s{number}" for number in range(count)] * rows_each
        frame = pd.DataFrame({"subject_id": ids, "code": "C50.9"})
        found = labels_of({"condition": frame, "procedure": frame})
        return {name: table["importance"] for name, table in found["tables"].items()}

    assert importance(persons) == {"condition": "important", "procedure": "general"}
    assert importance(persons - 1, rows_each=2) == {"condition": "general", "procedure": "general"}


# ---- packages


def test_a_package_for_the_authority_carries_the_labels_of_its_lock_and_an_aggregate_one_does_not():
    """An aggregate package holds no rows, and must not tell how many children there were."""
    lock = labels_of({"subject": subjects(9, 40)})
    names = ["data/05_results/ard.json", "data/05_results/labels.json", "bagit.txt"]
    full = labels_of_package(names, "authority", lock)
    assert full["lock"] == lock and (full["level"], full["sensitive"]) == (3, True)
    coarse = labels_of_package(names, "aggregate", lock)
    assert (coarse["level"], coarse["sensitive"]) == (2, False)
    assert "under_14" not in json.dumps(coarse) and "lock" not in coarse
    assert list(coarse["files"]) == sorted(names)


def test_a_file_that_nobody_has_classified_stops_the_package():
    """Something new in a package is looked at before it leaves."""
    with pytest.raises(PlatformError) as refused:
        labels_of_package(["data/05_results/ard.json", "data/05_results/patients.csv"], "aggregate")
    assert refused.value.code == "classification.unlisted" and "patients.csv" in refused.value.en
