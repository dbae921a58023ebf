"""words.toml: everything that results can hold has a title in both languages and a form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from studies.evidence.ars import words as module
from studies.evidence.ars.words import statistic, terminology_extensions, title_of, words
from studies.evidence.templates.verify import number_text
from studies.planned import Method, Role
from tests.evidence.ars import model
from tests.evidence.ars.events import NAMES, event_of, every

STUDIES = Path(module.__file__).parents[2]
# The first argument of what writes a result row: `pen.write("hazard_ratio", ...`
WRITTEN = re.compile(r"\bwrite\(\s*\"([a-z_0-9]+)\"")


def titled() -> list[tuple[str, str, dict]]:
    return [
        (section, name, one)
        for section in ("standing", "methods", "parts", "statistics")
        for name, one in words()[section].items()
    ]


def test_every_title_has_chinese_and_english():
    for section, name, one in titled():
        assert re.search(r"[\u4e00-\u9fff]", one["zh"]), (section, name)
        assert one["en"] and one["en"].isascii(), (section, name)


def test_no_two_methods_or_parts_share_an_english_title():
    """Two entries with one name cannot be told apart in a list."""
    for section in ("standing", "methods", "parts"):
        titles = [one["en"] for place, _, one in titled() if place == section]
        assert len(titles) == len(set(titles))


def test_every_method_and_role_of_a_protocol_is_known():
    assert set(get_args(Method)) <= words()["methods"].keys()
    sponsored = words()["sponsor"]["AnalysisPurposeEnum"].keys()
    assert set(get_args(Role)) == words()["purpose"].keys() | sponsored


def test_every_statistic_that_the_program_writes_has_a_title_and_a_form():
    """A name without one would be shown by its own name, and in whichever form its first value has."""
    found = {
        name
        for path in [*STUDIES.glob("analyses/*.py"), STUDIES / "run.py", STUDIES / "claims.py"]
        for name in WRITTEN.findall(path.read_text("utf-8"))
    }
    assert len(found) > 40
    assert found <= words()["statistics"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_every_statistic_of_real_results_is_listed(name):
    assert {one.statistic for one in every()[name][1].rows} <= words()["statistics"].keys()


def test_a_name_can_stand_in_an_operations_id():
    """Ids are `Op.<kind>.<statistic>.<hash>`: none of the two may hold a point."""
    for section, name, _ in titled():
        assert re.fullmatch("[a-z_0-9]+", name), (section, name)


def test_every_form_is_one_that_numbers_are_printed_in():
    forms = {one["form"] for section, _, one in titled() if section in ("parts", "statistics")} - {"", "text"}
    assert {number_text(1.5, one, "en") for one in forms}


@pytest.mark.parametrize(
    ("name", "value", "form", "pattern"),
    [
        ("hazard_ratio", 0.5, "fixed.2", "X.XX"),
        ("p_value", 0.5, "p.3", "X.XXX"),
        ("subjects", 5, "int", "X"),
        ("median_onset", 5.5, "fixed.0", "X"),
        ("verdict", "met", "text", ""),
        ("subjects", "<10", "text", ""),
        ("hazard_ratio", None, "fixed.2", "X.XX"),
        ("verdict", 1, "int", "X"),
        ("never_heard_of", 1, "int", "X"),
        ("never_heard_of", 1.0, "fixed.3", "X.XXX"),
        ("never_heard_of", "word", "text", ""),
    ],
)
def test_a_value_is_shown_as_its_statistic_is_unless_it_is_of_the_other_kind(name, value, form, pattern):
    term = statistic(name, value)
    assert (term.form, term.pattern) == (form, pattern)


def test_a_name_that_nobody_listed_stands_for_itself():
    title = title_of("statistics", "never_heard_of")
    assert (title.zh, title.en) == ("never_heard_of", "never heard of")


def test_our_terms_extend_lists_that_may_be_extended_and_repeat_none_of_theirs():
    """The standard: a term of a list that has it is a controlled term, and a sponsor's own has an id instead."""
    for one in terminology_extensions():
        assert one["enumeration"] in model.enumerations()["ExtensibleTerminologyEnum"]
        values = [term["submissionValue"] for term in one["sponsorTerms"]]
        assert values and len(values) == len(set(values))
        assert not set(values) & set(model.enumerations()[one["enumeration"]])
        assert all(" / " in term["description"] for term in one["sponsorTerms"])


def test_controlled_terms_are_the_standards():
    assert set(words()["purpose"].values()) <= set(model.enumerations()["AnalysisPurposeEnum"])
    for name in NAMES:
        for one in model.of_class(
            event_of(name), "AnalysisReason", "AnalysisPurpose", "OperationRole", "OutputFileType"
        ):
            assert one.keys() == {"controlledTerm"}
