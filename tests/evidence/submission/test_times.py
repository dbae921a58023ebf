"""ADTTE: the days and the ends of the analysis table, and the report's own figures made again of the file alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from rwd_platform.core.text import Bilingual
from studies.dataset import build
from studies.evidence.submission import datasets
from studies.evidence.submission.subjects import study_names
from studies.evidence.submission.times import parameters
from studies.evidence.submission.xpt import xpt_bytes, xpt_table
from tests.evidence.fixtures import small_inputs, small_lock
from tests.evidence.submission.made import (
    by_pyreadstat,
    emptied,
    named,
    rotterdam,
    rotterdam_table,
    rotterdam_with,
    valve,
    valve_table,
)
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, small_protocol

DEATH_COUNTS = "      time_of: death\n      event: true\n"
DEATH_CENSORS = "      time_of: death\n      event: false\n"


def adtte() -> pd.DataFrame:
    return named(rotterdam(), "ADTTE").frame


def of(code: str) -> pd.DataFrame:
    return adtte()[adtte()["PARAMCD"] == code].reset_index(drop=True)


def cause_specific(*pairs: tuple[str, str]):
    """Recurrence alone is the event; death before it is censored and competes."""
    protocol = rotterdam_with((DEATH_COUNTS, DEATH_CENSORS), *pairs)
    return protocol, datasets(build(small_lock(), protocol), protocol)


# --- rows ------------------------------------------------------------------------------------------------------------


def test_each_subject_has_one_row_a_parameter():
    assert [one.code for one in parameters(rotterdam_protocol())] == ["RFS", "RFSEV"]
    assert len(adtte()) == 2 * len(rotterdam()[0].frame)
    assert not adtte().duplicated(["STUDYID", "USUBJID", "PARAMCD"]).any()
    assert adtte()["USUBJID"].is_monotonic_increasing


def test_days_and_events_of_the_outcome_are_those_of_the_analysis_table():
    frame = rotterdam_table().frame.sort_values("subject_id")
    whole = of("RFS")
    assert whole["USUBJID"].tolist() == frame["subject_id"].tolist()
    assert whole["AVAL"].tolist() == frame["time_days"].tolist()
    assert (1 - whole["CNSR"]).tolist() == frame["event"].tolist()


def test_apart_from_competing_events_zero_is_the_event_one_censored_and_two_the_competing_one():
    """The table's status is 1 event, 0 censored, 2 competing; ADaM's CNSR is 0 where the event happened."""
    frame = rotterdam_table().frame.sort_values("subject_id")
    wanted = frame["status"].map({1: 0, 0: 1, 2: 2}).tolist()
    assert of("RFSEV")["CNSR"].tolist() == wanted
    assert set(wanted) == {0, 1, 2}
    coded = named(rotterdam(), "ADTTE").variable("CNSR").codes
    assert [one.value for one in coded.codes] == ["0", "1", "2"] and coded.numeric


def test_without_competing_events_there_is_one_parameter_and_no_code_for_them():
    adtte = named(valve(), "ADTTE")
    assert set(adtte.frame["PARAMCD"]) == {"FAILURE"}
    assert [one.value for one in adtte.variable("CNSR").codes.codes] == ["0", "1"]
    frame = valve_table().frame
    assert (1 - adtte.frame["CNSR"]).tolist() == frame["event"].tolist()
    assert adtte.frame["AVAL"].tolist() == frame["time_days"].tolist()
    assert adtte.variable("CNSR").source == ("event",)


def test_an_outcome_that_censors_at_a_competing_event_keeps_it_apart_all_the_same():
    protocol, made = cause_specific()
    frame = build(small_lock(), protocol).frame.sort_values("subject_id")
    whole, apart = (named(made, "ADTTE").frame.query("PARAMCD == @code") for code in ("RFS", "RFSEV"))
    assert (1 - whole["CNSR"]).tolist() == frame["event"].tolist()
    assert (apart["CNSR"] == 2).tolist() == (frame["status"] == 2).tolist()
    assert (apart["CNSR"] == 0).tolist() == (whole["CNSR"] == 0).tolist()


@pytest.mark.parametrize("made", [rotterdam(), valve()], ids=["rotterdam", "valve"])
def test_a_parameters_code_and_its_name_are_one_to_one(made):
    """ADaMIG 1.1, 3.3.4: within a dataset each PARAM has one PARAMCD and the reverse."""
    one_to_one(named(made, "ADTTE"))


def one_to_one(adtte) -> None:
    pairs = adtte.frame[["PARAMCD", "PARAM"]].drop_duplicates()
    assert pairs["PARAMCD"].is_unique and pairs["PARAM"].is_unique
    spelt = adtte.variable("PARAM").spelt
    english = [spelt.get(one, one) for one in pairs["PARAM"]]
    assert len(set(english)) == len(english)


def test_parameters_of_one_title_are_told_apart():
    """Where death censors, the outcome itself may well be called what the event without competing ones is called."""
    same_title = (
        "title: {zh: 无复发生存, en: Recurrence-free survival}",
        "title: {zh: 复发, en: Recurrence}",
    )
    _, made = cause_specific(same_title)
    one_to_one(named(made, "ADTTE"))


def test_parameters_of_one_english_title_are_told_apart_in_the_transport_file():
    same_english = (
        "title: {zh: 无复发生存, en: Recurrence-free survival}",
        "title: {zh: 首次复发, en: Recurrence}",
    )
    _, made = cause_specific(same_english)
    one_to_one(named(made, "ADTTE"))


@pytest.mark.parametrize("name", ["rfsev", "rfs_of_six_letters_and_more", "abcdefev", "abcdefgh"])
def test_the_codes_of_two_parameters_are_never_the_same(name):
    codes = [one.code for one in parameters(rotterdam_with(("name: rfs\n", f"name: {name}\n")))]
    assert len(set(codes)) == 2
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{0,7}", one) for one in codes)


# --- words -----------------------------------------------------------------------------------------------------------


def test_an_event_is_described_by_the_rules_that_end_in_it():
    events = of("RFSEV").groupby("CNSR")["EVNTDESC"].unique().map(list).to_dict()
    assert events == {0: ["复发"], 1: ["删失"], 2: ["无复发死亡"]}
    codes = named(rotterdam(), "ADTTE").variable("EVNTDESC").codes
    assert {one.value: one.spelt for one in codes.codes} == {
        "复发": "Recurrence", "无复发死亡": "Death without recurrence", "删失": "Censored",
    }  # fmt: skip


def test_only_what_is_censored_says_what_its_day_follows():
    for code in ("RFS", "RFSEV"):
        assert ((of(code)["CNSDTDSC"] != "") == (of(code)["CNSR"] == 1)).all()
    (said,) = set(of("RFS")["CNSDTDSC"]) - {""}
    for reason in (rule.reason.zh for rule in rotterdam_protocol().outcome.rules if not rule.event):
        assert reason in said  # the table does not say by which of the two rules


LONG = "x" * 120


def test_reasons_too_long_for_the_transport_format_give_way_to_what_they_have_in_common():
    """Cut texts of 200 letters would end in the middle of a word, and two of them could be the same."""
    long = [
        ("en: Died after the last check for recurrence;", f"en: {LONG} Died after the last check;"),
        ('en: "Alive without recurrence, censored', f'en: "{LONG} Alive, censored'),
    ]
    protocol = rotterdam_with(*long)
    made = named(datasets(rotterdam_table(), protocol), "ADTTE")
    assert set(made.frame["CNSDTDSC"]) == {"", "删失"}
    assert not [one for one in xpt_table(made).losses if one.kind == "cut"]


def test_a_competing_event_is_never_described_as_censored():
    """Even where the reasons of the rules that end in it are too long to be listed."""
    long = [
        ("reason: {zh: 无复发死亡, en: Death without recurrence}", f"reason: {{zh: 甲, en: {LONG} {LONG}}}"),
    ]
    _, made = cause_specific(*long)
    apart = named(made, "ADTTE").frame.query("PARAMCD == 'RFSEV' and CNSR == 2")
    assert len(apart) and set(apart["EVNTDESC"]) == {"无复发死亡"}
    assert set(named(made, "ADTTE").frame.query("PARAMCD == 'RFSEV' and CNSR == 1")["EVNTDESC"]) == {"删失"}


def test_every_described_text_is_in_its_code_list_in_both_scripts():
    for made in (rotterdam(), valve(), cause_specific()[1]):
        adtte = named(made, "ADTTE")
        table = xpt_table(adtte).frame
        for name in ("PARAMCD", "PARAM", "EVNTDESC", "CNSDTDSC", "AVALU", "TRT01A"):
            listed = {one.value for one in adtte.variable(name).codes.spellings()}
            assert set(adtte.frame[name]) - {""} <= listed
            assert set(table[name]) - {""} <= listed


def test_an_outcome_without_censoring_has_no_list_of_reasons_for_it():
    protocol = small_protocol()
    outcome = replace(protocol.outcome, rules=protocol.outcome.rules[:1])
    given = dataset(12, event=1)
    made = named(datasets(given, replace(protocol, outcome=outcome)), "ADTTE")
    assert made.variable("CNSDTDSC").codes is None
    assert set(made.frame["CNSDTDSC"]) == {""} and set(made.frame["CNSR"]) == {0}


def test_the_unit_is_days_and_day_zero_stays_zero():
    given = dataset(3, time_days=[0, 1, 36500])
    made = named(datasets(given, small_protocol()), "ADTTE")
    assert made.frame["AVAL"].tolist() == [0, 1, 36500]
    assert set(made.frame["AVALU"]) == {"DAYS"}
    assert parameters(small_protocol())[0].title == Bilingual("死亡（天）", "Death (days)")


def test_an_empty_cohort_gives_an_empty_dataset_with_every_variable():
    made = datasets(emptied(rotterdam_table()), rotterdam_protocol())
    assert len(named(made, "ADTTE").frame) == 0
    assert list(named(made, "ADTTE").frame.columns) == list(adtte().columns)


# --- the report's figures, made again of the transport files alone ------------------------------------------------


def from_xpt() -> pd.DataFrame:
    """What a reviewer has: ADTTE joined with ADSL, as read from the two files."""
    frames = {one.name: by_pyreadstat(xpt_bytes(one, xpt_table(one), "2026-01-05"))[0] for one in rotterdam()}
    baseline = frames["ADSL"].drop(columns=[name for name in frames["ADTTE"] if name not in ("STUDYID", "USUBJID")],
                                   errors="ignore")  # fmt: skip
    return frames["ADTTE"].merge(baseline, on=["STUDYID", "USUBJID"], validate="many_to_one")


def hazard_ratios(rows: pd.DataFrame, covariates: list[str], event: int = 0) -> pd.Series:
    from lifelines import CoxPHFitter

    table = rows[["AVAL", *covariates]].assign(happened=(rows["CNSR"] == event).astype(int))
    return CoxPHFitter().fit(table, "AVAL", "happened").summary


def reported(id_: str):
    return small_inputs().results.row(id_)


def population(rows: pd.DataFrame) -> pd.DataFrame:
    flag = study_names(rotterdam_protocol()).flags["restricted"]
    return rows[(rows["PARAMCD"] == "RFS") & (rows[flag] == "Y")]


def test_the_crude_hazard_ratio_is_the_reports():
    found = hazard_ratios(population(from_xpt()), ["TRT01AN"])
    row = reported("restricted.crude.hormon.hazard_ratio")
    assert found.loc["TRT01AN", "exp(coef)"] == pytest.approx(row.value, rel=2e-4)
    arms = population(from_xpt())["TRT01AN"].value_counts()
    assert arms[1] == reported("restricted.crude.exposed.subjects").value
    assert arms[0] == reported("restricted.crude.comparator.subjects").value


def test_the_adjusted_hazard_ratio_is_the_reports():
    rows = population(from_xpt())
    for level in (2, 3):
        rows = rows.assign(**{f"size_{level}": (rows["SIZEN"] == level).astype(int)})
    rows = rows.assign(meno_2=(rows["MENON"] == 2).astype(int))
    covariates = ["TRT01AN", "AGE", "meno_2", "size_2", "size_3", "GRADE", "NODES", "PGR", "ER", "CHEMO"]
    found = hazard_ratios(rows, covariates)
    for name, id_ in (("TRT01AN", "hormon"), ("NODES", "nodes"), ("size_3", "size.over50")):
        row = reported(f"restricted.adjusted.{id_}.hazard_ratio")
        assert found.loc[name, "exp(coef)"] == pytest.approx(row.value, rel=1e-3)


@pytest.mark.parametrize(("kind", "flag"), [("event", 0), ("competing", 2)])
def test_the_cause_specific_hazard_ratios_are_the_reports(kind, flag):
    rows = from_xpt()
    chosen = study_names(rotterdam_protocol()).flags["restricted"]
    rows = rows[(rows["PARAMCD"] == "RFSEV") & (rows[chosen] == "Y")]
    found = hazard_ratios(rows, ["TRT01AN"], event=flag)
    row = reported(f"restricted.incidence.cause_specific.{kind}.hormon.hazard_ratio")
    assert found.loc["TRT01AN", "exp(coef)"] == pytest.approx(row.value, rel=1e-3)


def test_the_survival_curve_is_the_reports():
    from lifelines import KaplanMeierFitter

    rows = population(from_xpt())
    for arm, name in ((1, "exposed"), (0, "comparator")):
        mine = rows[rows["TRT01AN"] == arm]
        fitted = KaplanMeierFitter().fit(mine["AVAL"], mine["CNSR"] == 0)
        for day in (365, 1826, 3652):
            value = reported(f"restricted.kaplan_meier.{name}.survival.day_{day}").value
            assert fitted.predict(float(day)) == pytest.approx(value, abs=1e-9)
