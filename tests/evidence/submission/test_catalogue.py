"""variables.toml: every entry is whole, in both languages, and within the limits of the formats."""

from __future__ import annotations

import re

import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import NAME, Sheet
from studies.evidence.submission.catalogue import (
    carry,
    catalogue,
    code_list,
    finished,
    made,
    pair,
    same,
    variable,
)
from tests.evidence.submission.made import rotterdam

VARIABLES = sorted(catalogue()["variables"])
HAN = re.compile(r"[\u4e00-\u9fff]")


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_has_a_name_and_labels_that_fit(name):
    entry = catalogue()["variables"][name]
    assert NAME.fullmatch(name)
    assert entry["en"].isascii() and len(entry["en"]) <= 40, "no label of our own is cut"
    assert HAN.search(entry["zh"]) and not HAN.search(entry["en"])
    assert entry["type"] in ("text", "integer", "float")


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_says_where_it_is_from(name):
    """Define-XML 2.1: a predecessor names what it is taken from; what was derived or assigned says how."""
    entry = catalogue()["variables"][name]
    assert entry["origin"] in ("Derived", "Assigned", "Predecessor", "Collected")
    if entry["origin"] == "Predecessor":
        assert entry["predecessor"] and "derivation" not in entry
    else:
        assert HAN.search(entry["derivation"]["zh"]) and not HAN.search(entry["derivation"]["en"])
        assert places(entry["derivation"]["zh"]) == places(entry["derivation"]["en"])


@pytest.mark.parametrize("name", sorted(catalogue()["made"]))
def test_each_sentence_takes_the_same_facts_in_both_languages(name):
    entry = catalogue()["made"][name]
    for one in (entry, entry.get("derivation")):
        if one and "zh" in one:
            assert places(one["zh"]) == places(one["en"]) and one["zh"] and one["en"]


@pytest.mark.parametrize("name", sorted(catalogue()["code_lists"]))
def test_each_code_has_a_meaning_in_both_languages(name):
    made_list = code_list(name)
    assert made_list.id == name and made_list.title.zh and made_list.title.en
    assert all(one.value.isascii() and one.meaning.zh and one.meaning.en for one in made_list.codes)
    if made_list.numeric:
        assert all(one.value.lstrip("-").isdigit() for one in made_list.codes)


def test_a_list_that_a_variable_names_is_there():
    named = {one["codes"] for one in catalogue()["variables"].values() if "codes" in one}
    assert named <= set(catalogue()["code_lists"])


def test_a_fact_with_braces_of_its_own_is_not_read_as_a_place():
    """A unit such as {nodes} stands in a covariate's title."""
    assert pair({"zh": "{x}。", "en": "{x}."}, {"x": same("{nodes} {0}")}) == Bilingual(
        "{nodes} {0}。", "{nodes} {0}."
    )


def test_a_sentence_without_its_fact_is_no_sentence():
    with pytest.raises(KeyError):
        made("population", "derivation")


def test_the_studys_own_source_and_codes_replace_those_of_the_catalogue():
    assert variable("AVAL").source == ("time_days",)
    assert variable("AVAL", source=("x",)).source == ("x",)
    assert variable("AESER").codes.id == "NYU"
    assert variable("AESER", codes=code_list("NY")).codes.id == "NY"
    assert variable("AVALU").codes is None


def test_a_finished_sheet_is_what_the_catalogue_calls_it():
    adtte = finished(Sheet(0), "ADTTE", ("STUDYID",))
    assert (adtte.adam_class, adtte.subclass) == ("BASIC DATA STRUCTURE", "TIME-TO-EVENT")
    assert adtte.title.en == "Time-to-Event Analysis Dataset"


def test_what_is_carried_over_says_so_and_keeps_its_values():
    adsl = rotterdam()[0]
    subjects = [adsl.frame["USUBJID"][place] for place in (5, 0, 5)]
    sheet = Sheet(3)
    carry(sheet, adsl, (), subjects)
    assert list(sheet.columns) == ["STUDYID", "USUBJID", "SITEID", "TRT01A", "TRT01AN"]
    assert sheet.columns["USUBJID"].tolist() == subjects
    assert sheet.columns["TRT01A"].tolist() == [adsl.frame["TRT01A"][place] for place in (5, 0, 5)]
    assert {one.origin for one in sheet.variables} == {"Predecessor"}
    assert [one.predecessor for one in sheet.variables] == [f"ADSL.{name}" for name in sheet.columns]


def test_a_subject_whom_adsl_does_not_have_is_nobodys_row():
    with pytest.raises(KeyError):
        carry(Sheet(1), rotterdam()[0], (), ["nobody"])
