"""ADSL: one row an analysed subject, whose every value is that of the analysis table."""

from __future__ import annotations

import pandas as pd
import pytest

from rwd_platform.core.text import Bilingual
from studies.adverse_events import NOT_IN_FRAME
from studies.evidence.documents import ordinals
from studies.evidence.submission import datasets
from studies.evidence.submission.subjects import arm_codes, bilingual_code, study_names, subject_dataset
from studies.evidence.submission.xpt import xpt_table
from studies.populations import restricted
from tests.evidence.fixtures import small_inputs, small_lock
from tests.evidence.submission.made import (
    emptied,
    rotterdam,
    rotterdam_table,
    small_with,
    valve,
    valve_table,
)
from tests.studies.adverse_lock import dataset_of, planned
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, small_protocol, table


def adsl() -> pd.DataFrame:
    return rotterdam()[0].frame


def test_each_analysed_subject_has_one_row_in_the_order_of_the_ids():
    assert adsl()["USUBJID"].tolist() == sorted(rotterdam_table().frame["subject_id"])
    assert adsl()["USUBJID"].is_unique
    assert rotterdam()[0].keys == ("STUDYID", "USUBJID")


def test_a_subject_has_in_adsl_the_number_that_the_trace_gives_it():
    """The guide says so: data/08_trace knows subjects by their place alone."""
    numbers = ordinals(small_inputs())
    assert [numbers[one] for one in adsl()["USUBJID"]] == list(range(len(adsl())))


def test_the_only_id_is_the_locks_pseudonym():
    assert adsl()["SUBJID"].equals(adsl()["USUBJID"])
    ids = set(small_lock()["subject"]["subject_id"])
    holding = [name for name in adsl().columns if adsl()[name].isin(ids).any()]
    assert holding == ["USUBJID", "SUBJID"]


@pytest.mark.parametrize(
    ("variable", "column"),
    [
        ("SITEID", "site_id"), ("TRT01AN", "hormon"), ("AGE", "age"), ("MENO", "meno"), ("SIZE", "size"),
        ("GRADE", "grade"), ("NODES", "nodes"), ("PGR", "pgr"), ("ER", "er"), ("CHEMO", "chemo"),
        ("FUPDAYS", "time_days"),
    ],
)  # fmt: skip
def test_each_value_is_that_of_the_analysis_table(variable, column):
    frame = rotterdam_table().frame.sort_values("subject_id")
    assert adsl()[variable].tolist() == frame[column].tolist()


def test_the_arm_is_written_in_words_and_as_a_number_with_the_comparator_zero():
    pairs = set(zip(adsl()["TRT01A"], adsl()["TRT01AN"], strict=True))
    assert pairs == {("未使用演示药 A", 0), ("使用演示药 A", 1)}
    coded = rotterdam()[0].variable("TRT01AN").codes
    assert [(one.value, one.meaning.en) for one in coded.codes] == [
        ("0", "No demo product A"),
        ("1", "Demo product A"),
    ]
    assert [one.spelt for one in arm_codes(rotterdam_protocol()).codes] == [
        "No demo product A",
        "Demo product A",
    ]


EXPOSED = "exposed_title: {zh: 新支架, en: New stent}"


@pytest.mark.parametrize("title", ["{zh: 旧支架, en: New stent}", "{zh: 新支架, en: Old stent}"])
def test_arms_that_are_called_the_same_in_one_language_are_told_apart_in_both_files(title):
    """ADaM: TRT01A and TRT01AN are one to one. Without this, one of the files would have a single arm."""
    made = datasets(dataset(60), small_with((EXPOSED, f"exposed_title: {title}")))[0]
    written = xpt_table(made).frame
    for arms in (made.frame["TRT01A"], written["TRT01A"]):
        pairs = set(zip(arms, made.frame["TRT01AN"], strict=True))
        assert len(pairs) == 2 and len({arm for arm, _ in pairs}) == 2


def test_an_arms_title_that_the_transport_format_cuts_or_cannot_write_is_said_to_be_lost():
    """The protocol's English stands for the Chinese; what is lost of the English is lost all the same."""
    for title, kinds in (
        ("x" * 250, {"decoded", "cut"}),
        ("New 支架", {"replaced"}),
        ("y" * 199 + " z", {"decoded", "cut", "blanks"}),
    ):
        made = datasets(dataset(60), small_with((EXPOSED, f"exposed_title: {{zh: 新支架, en: {title}}}")))[0]
        exposed = int(made.frame["TRT01AN"].sum())
        lost = {one.kind: one.count for one in xpt_table(made).losses if one.variable == "TRT01A"}
        assert {kind for kind, count in lost.items() if count in (exposed, 60)} >= kinds
        listed = {one.value for one in made.variable("TRT01A").codes.spellings()}
        assert set(xpt_table(made).frame["TRT01A"]) <= listed


def test_levels_have_a_number_by_the_protocols_order_from_the_reference():
    assert set(zip(adsl()["SIZE"], adsl()["SIZEN"], strict=True)) == {
        ("upto20", 1),
        ("from20to50", 2),
        ("over50", 3),
    }
    assert [one.value for one in rotterdam()[0].variable("SIZEN").codes.codes] == ["1", "2", "3"]
    assert rotterdam()[0].variable("SIZEN").codes.numeric
    assert "SIZE" in rotterdam()[0].variable("SIZEN").derivation.en


def test_each_population_has_a_flag_that_says_who_is_in_it():
    protocol = rotterdam_protocol()
    flags = study_names(protocol).flags
    assert flags["all"] == "ALLFL" and (adsl()["ALLFL"] == "Y").all()
    inside = set(restricted(rotterdam_table().frame, protocol.population("restricted"))["subject_id"])
    flagged = adsl().loc[adsl()[flags["restricted"]] == "Y", "USUBJID"]
    assert set(flagged) == inside and 0 < len(inside) < len(adsl())
    assert set(adsl()[flags["restricted"]]) == {"Y", "N"}
    assert inside == set(adsl().loc[adsl()["NODES"] > 0, "USUBJID"])


def test_the_quarter_is_taken_over_where_the_lock_has_it_and_no_date_is_made():
    quarters = dict(
        zip(small_lock()["subject"]["subject_id"], small_lock()["subject"]["index_quarter"], strict=True)
    )
    assert adsl()["INDXQTR"].tolist() == [quarters[one] for one in adsl()["USUBJID"]]
    without = subject_dataset(rotterdam_table(), rotterdam_protocol())
    assert "INDXQTR" not in without.frame.columns
    assert not [one.name for one in rotterdam()[0].variables if one.name.endswith(("DT", "DTM", "DTC", "DY"))]


def test_a_subject_table_without_the_quarter_gives_no_quarter():
    subjects = small_lock()["subject"].drop(columns="index_quarter")
    assert (
        "INDXQTR"
        not in subject_dataset(rotterdam_table(), rotterdam_protocol(), None, subjects).frame.columns
    )


def test_rows_in_another_order_give_the_same_dataset():
    given = rotterdam_table()
    mixed = type(given)(**{**vars(given), "frame": given.frame.sample(frac=1, random_state=3)})
    again = datasets(
        mixed, rotterdam_protocol(), subjects=small_lock()["subject"].sample(frac=1, random_state=5)
    )
    assert all(one.frame.equals(other.frame) for one, other in zip(again, rotterdam(), strict=True))


def test_the_analysis_table_is_left_as_it_was():
    given = dataset(30)
    before = given.frame.copy(deep=True)
    datasets(given, small_protocol())
    assert given.frame.equals(before)


def test_an_empty_cohort_gives_every_variable_and_no_row():
    made = subject_dataset(emptied(rotterdam_table()), rotterdam_protocol(), None, small_lock()["subject"])
    assert len(made.frame) == 0
    assert list(made.frame.columns) == list(adsl().columns)


# --- names ----------------------------------------------------------------------------------------------------------


def test_two_covariates_that_begin_alike_get_unlike_names_whatever_their_order():
    clash = small_with(("name: age,", "name: systolic_before,"), ("covariate: age,", "covariate: systolic_before,"),
                       ("[age,", "[systolic_before,"), ("weight_kg", "systolic_afterwards"))  # fmt: skip
    names = study_names(clash).covariates
    assert len(set(names.values())) == len(names)
    turned = type(clash)(
        **{**vars(clash), "covariates": clash.covariates[::-1], "populations": clash.populations[::-1]}
    )
    assert study_names(turned) == study_names(clash)
    frame = dataset(20).frame.rename(columns={"age": "systolic_before", "weight_kg": "systolic_afterwards"})
    given = dataset(20)
    made = subject_dataset(type(given)(**{**vars(given), "frame": frame}), clash)
    short = made.variable(names["systolic_before"])
    assert short.shortened and short.long_name == "systolic_before" and short.name.startswith("SYST")
    assert made.frame[short.name].tolist() == frame["systolic_before"].tolist()
    assert made.frame[names["systolic_afterwards"]].tolist() == frame["systolic_afterwards"].tolist()


@pytest.mark.parametrize("name", ["aval", "subjid", "ny", "trt01a", "param", "record", "days"])
def test_a_covariate_called_like_a_variable_or_a_list_of_every_study_gets_another_name(name):
    clash = small_with(("name: age,", f"name: {name},"), ("covariate: age,", f"covariate: {name},"),
                       ("[age,", f"[{name},"))  # fmt: skip
    assert study_names(clash).covariates[name] != name.upper()
    given = dataset(10)
    changed = type(given)(**{**vars(given), "frame": given.frame.rename(columns={"age": name})})
    made = datasets(changed, clash)
    every = [one.codes.id for data in made for one in data.variables if one.codes]
    assert study_names(clash).covariates[name] not in every


def test_a_name_that_fits_is_not_called_shortened():
    assert not rotterdam()[0].variable("AGE").shortened
    assert rotterdam()[0].variable("AGE").long_name == "age"
    assert [one.long_name for one in rotterdam()[0].variables if one.shortened] == ["restricted"]


# --- words ----------------------------------------------------------------------------------------------------------


def test_a_unit_stands_in_the_label():
    assert rotterdam()[0].variable("PGR").title == Bilingual(
        "孕激素受体 (fmol/L)", "Progesterone receptor (fmol/L)"
    )
    assert rotterdam()[0].variable("NODES").title.en == "Positive lymph nodes ({nodes})"


def test_a_covariates_derivation_names_its_codes_and_days():
    grade = rotterdam()[0].variable("GRADE").derivation
    for words in grade:
        assert "tumour-grade" in words and "-90" in words and "0" in words
    assert "age_years" in rotterdam()[0].variable("AGE").derivation.zh
    assert "99.25" in rotterdam()[0].variable("CHEMO").derivation.en


@pytest.mark.parametrize("made", [rotterdam(), valve()], ids=["rotterdam", "valve"])
def test_every_variable_says_in_both_languages_what_it_is_and_how_it_was_made(made):
    for data in made:
        for one in data.variables:
            assert one.title.zh and one.title.en and one.label.zh and one.label.en
            assert one.predecessor or (one.derivation.zh and one.derivation.en)
            assert "{" not in (one.derivation.zh + one.derivation.en).replace("{nodes}", "")


def test_a_code_that_is_the_same_in_both_scripts_has_no_second_spelling():
    assert bilingual_code(Bilingual("EQ-5D", "EQ-5D")).spelt == ""
    assert bilingual_code(Bilingual("≤5 岁", "≤5 years")).spelt == "<=5 years"


# --- going home ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "given"),
    [(rotterdam(), rotterdam_table()), (valve(), valve_table())],
    ids=["rotterdam", "valve"],
)
def test_every_source_is_a_column_of_the_analysis_table_or_a_name_of_its_lineage(made, given):
    names = set(given.frame.columns) | set(given.lineage["variable"])
    names |= NOT_IN_FRAME  # the valve's table comes without its lineage
    for data in made:
        for one in data.variables:
            assert set(one.source) <= names, one.name


def test_a_cell_goes_home_to_source_lines_by_its_source_and_its_subject():
    """For every variable of a covariate that is measured, each subject has a line in the lineage."""
    lineage = rotterdam_table().lineage
    for name in ("AGE", "MENON", "SIZE", "GRADE", "NODES", "PGR", "ER", "FUPDAYS", "INDXQTR"):
        (source,) = rotterdam()[0].variable(name).source
        known = set(lineage.loc[lineage["variable"] == source, "subject_id"])
        assert known == set(adsl()["USUBJID"]), name


def test_a_population_flag_goes_home_by_the_covariates_that_decide_it():
    flags = study_names(rotterdam_protocol()).flags
    assert rotterdam()[0].variable(flags["restricted"]).source == ("nodes",)
    assert rotterdam()[0].variable(flags["all"]).source == ()


# --- safety ----------------------------------------------------------------------------------------------------------


def test_without_safety_there_is_nothing_of_it():
    assert not {"AESITEFL", "DTHFL"} & set(adsl().columns)


def test_who_died_and_whose_site_reported_is_said_of_each_subject():
    people = table("""
        subject | arm | days | site   | died
        P1      | new | 100  | site-1 | x
        P2      | old | 200  | site-2 | -
        P3      | old | 300  | site-1 | -
    """)
    events = """
        subject | code | day
        P3      | A    | 5
    """
    protocol = planned(deaths="life")
    made = subject_dataset(dataset_of(people, events, protocol), protocol)
    assert made.frame["AESITEFL"].tolist() == ["Y", "N", "Y"]
    assert made.frame["DTHFL"].tolist() == ["Y", "", ""]
    assert "life" in made.variable("DTHFL").derivation.en


def test_without_a_source_of_deaths_nobody_is_said_to_live_or_to_have_died():
    people = table("""
        subject | arm | days
        P1      | new | 100
    """)
    made = subject_dataset(dataset_of(people, "", planned()), planned())
    assert "DTHFL" not in made.frame.columns
    assert made.frame["AESITEFL"].tolist() == ["N"]
