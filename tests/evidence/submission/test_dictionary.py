"""The dictionary: every variable once, nothing of the data, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pytest

from studies.evidence.submission import datasets
from studies.evidence.submission.dictionary import HEAD, data_dictionary, inert
from tests.evidence.submission.made import emptied, hostile, rotterdam, rotterdam_table, small_with, valve
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, small_protocol


def rows(made) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data_dictionary(made).decode("utf-8-sig"))))


@pytest.mark.parametrize("made", [rotterdam(), valve()], ids=["rotterdam", "valve"])
def test_every_variable_has_one_line_in_the_order_of_the_files(made):
    listed = [(one["dataset"], one["variable"]) for one in rows(made)]
    assert listed == [(data.name, one.name) for data in made for one in data.variables]


def test_a_line_says_what_the_variable_is_and_where_it_is_from():
    age = next(one for one in rows(rotterdam()) if (one["dataset"], one["variable"]) == ("ADSL", "AGE"))
    assert list(age) == list(HEAD)
    assert (age["long_name"], age["label_zh"], age["label_en"]) == (
        "age",
        "手术时年龄 (years)",
        "Age at surgery (years)",
    )
    assert (age["type"], age["key"], age["origin"], age["source"]) == ("float", "", "Derived", "age")
    usubjid = rows(rotterdam())[1]
    assert (usubjid["variable"], usubjid["key"]) == ("USUBJID", "2")


def test_a_short_name_stands_beside_the_long_one_and_the_whole_title():
    short = next(one for one in rows(rotterdam()) if one["long_name"] == "restricted")
    assert len(short["variable"]) <= 8 and len(short["label_en"]) <= 40 < len(short["title_en"])
    assert short["title_en"] == "Node-positive patients (as in the trial) Population Flag"


def test_codes_are_listed_with_what_they_mean():
    sex = next(one for one in rows(rotterdam()) if one["variable"] == "MENO")
    assert sex["codes"] == "premenopausal = 绝经前 / Premenopausal; postmenopausal = 绝经后 / Postmenopausal"


def test_a_spreadsheet_reads_its_chinese():
    assert data_dictionary(rotterdam()).startswith(b"\xef\xbb\xbf")


def test_nothing_of_the_data_is_in_it():
    """It goes to recipients who get no rows: other patients, or none, give the same bytes."""
    protocol = small_protocol()
    few, many = datasets(dataset(5, seed=1), protocol), datasets(dataset(300, seed=2), protocol)
    assert data_dictionary(few) == data_dictionary(many)
    nobody = datasets(emptied(rotterdam_table()), rotterdam_protocol())
    assert data_dictionary(nobody) == data_dictionary(datasets(rotterdam_table(), rotterdam_protocol()))
    assert b"S00001" not in data_dictionary(rotterdam()) and b"1992-Q1" not in data_dictionary(rotterdam())


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|'/C calc'!A0"])
def test_what_a_spreadsheet_would_compute_stays_text(cell):
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "age", "1.5", "≤20 mm", "a=b", " ", "年龄", "0 = 无 / No"])
def test_what_it_would_not_is_left_alone(cell):
    assert inert(cell) == cell


def test_a_hostile_title_stays_in_its_cell_and_is_no_formula():
    found = rows(datasets(dataset(10), hostile()))
    for one in found:
        assert not [cell for cell in one.values() if cell[:1] in tuple("=+@\t\r")]
        assert None not in one  # no cell of a title became a further column
    assert len(found) == len(rows(datasets(dataset(10), small_protocol())))


def test_a_title_with_quotes_commas_and_lines_is_one_cell():
    protocol = small_with(("{zh: 体重, en: Weight}", r'{zh: "体\n重,\"", en: "Weight,\n\"kg\""}'))
    weight = next(one for one in rows(datasets(dataset(5), protocol)) if one["long_name"] == "weight_kg")
    assert weight["title_en"] == 'Weight,\n"kg" (kg)'
