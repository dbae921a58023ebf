"""Rates without time, means of a yes or no, counts in labels and totals under any name: none of them passes unseen."""

from __future__ import annotations

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.findings import Verdict
from deidentify.disclosure.headers import nearest_statistics, statistic_of
from deidentify.disclosure.read import read_results, table_mapping
from deidentify.disclosure.recipients import load_recipients
from rwd_platform.core.errors import PlatformError
from tests.deidentify.disclosure.results import PURPOSE


def verdict(text: str, recipient: str = "sponsor") -> Verdict:
    return check(table_mapping(text.encode()), recipient, PURPOSE, propose=False)


def found(text: str) -> set[tuple[str, str]]:
    return {(one.rule, one.outcome) for one in verdict(text).findings}


FAIL, UNCLEAR = {("rate_as_share", "fail")}, {("rate_unclear", "review")}


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (("2.5", "40"), FAIL),  # one of forty
        (("0.025", "40"), FAIL),
        (("2.5%", "40%"), FAIL),
        (("２．５％", "40"), FAIL),
        (("97.5", "40"), FAIL),  # all but one
        (("0.975", "0.4"), FAIL),
        (("0", "40"), FAIL),
        (("100", "40"), FAIL),
        (("1", "0.4"), FAIL),
        (("30", "40"), set()),
        (("0.3", "0.4"), set()),
        (("250", "400"), UNCLEAR),  # per thousand, or per 100,000
        (("*", "40"), set()),
    ],
)
def test_a_rate_without_time_is_judged_as_a_share(rates: tuple[str, str], expected: set[tuple[str, str]]):
    assert found(f"组别,n,死亡率\n甲,40,{rates[0]}\n乙,50,{rates[1]}\n") == expected


@pytest.mark.parametrize("header", ["死亡率", "发病率", "发生率", "率", "rate", "incidence"])
@pytest.mark.parametrize(
    "recipient", [one.kind for one in load_recipients().values() if not one.full_listings]
)
def test_one_death_in_a_rate_passes_for_nobody(header: str, recipient: str):
    assert verdict(f"组别,n,{header}\n甲,40,2.5\n乙,50,20\n", recipient).outcome == "fail"


def test_a_rate_that_is_large_in_percent_and_as_a_fraction_is_for_a_person():
    assert found("组别,n,死亡率\n甲,100000,0.5\n乙,100000,0.4\n") == UNCLEAR


def test_a_rate_tells_the_withheld_events_and_nothing_new_beside_printed_ones():
    assert found("组,n,事件数,死亡率\n甲,100,*,12\n乙,200,40,20\n") == {("rate_tells", "fail")}
    assert found("组,n,事件数,死亡率\n甲,100,12,12\n乙,200,40,0.2\n") == set()


def test_a_rate_with_a_percent_sign_in_its_header_is_a_percentage():
    assert statistic_of("死亡率(%)") == "percent" and statistic_of("每100人年发生率(%)") is None
    assert found("组,n,死亡率(%)\n甲,40,2.5\n乙,50,20\n") >= {("small_cell", "fail")}


def test_a_percent_sign_is_no_part_of_a_rate_per_person_years():
    with pytest.raises(PlatformError):
        table_mapping("组,n,每100人年发生率\n甲,40,2.5%\n".encode())


COLUMN = {("undeclared_column", "review")}


@pytest.mark.parametrize(
    "label",
    ["dead3", "dead1", "died-2", "cured3", "n10x", "三例", "Ⅲ例", "仅一人死亡", "two died", "three patients",
     "one death", "十二名", "3 patients", "only 3 died", "壹例"],
)  # fmt: skip
@pytest.mark.parametrize("column", ["outcome", "group", "visit", "组别"])
def test_a_number_of_persons_in_any_label_is_for_a_person_to_look_at(label: str, column: str):
    assert found(f"{column},subjects\n{label},40\nother,60\n") == COLUMN


@pytest.mark.parametrize("label", ["3例", "仅1例死亡", "3 died"])
def test_a_numbered_column_may_hold_numbers_and_bands_alone(label: str):
    assert found(f"visit,subjects\n{label},40\nother,60\n") == COLUMN


@pytest.mark.parametrize(
    "labels",
    [
        ("1", "2"), ("2024", "2025"), ("2024年1月", "2024年2月"), ("12 months", "24 months"), ("visit 3", "visit 4"),
        ("0-30", "31-60"), ("III", "IV"), ("第一人民医院", "第二人民医院"), ("-3", "0"),
    ],
)  # fmt: skip
def test_what_a_numbered_column_is_made_for_is_no_finding(labels: tuple[str, str]):
    assert (
        found("".join(["visit,subjects\n", *(f"{one},{50 + 30 * at}\n" for at, one in enumerate(labels))]))
        == set()
    )


@pytest.mark.parametrize(
    "labels",
    [("PD-1", "PD-L1"), ("SGLT2", "DPP-4"), ("T2a", "T3b"), ("C34.1", "C34.9"), ("CD20", "CD19"), ("HER2+", "HER2-"),
     ("T1N0M0", "pT2N1"), ("IL-6", "IL-17"), ("CYP2C19", "CYP3A4")],
)  # fmt: skip
def test_codes_are_groupings(labels: tuple[str, str]):
    assert (
        found("".join(["class,subjects\n", *(f"{one},{50 + 30 * at}\n" for at, one in enumerate(labels))]))
        == set()
    )


@pytest.mark.parametrize("mean", ["0.025", "0.03", "0.975", "0", "1", "0.225"])
def test_the_mean_of_a_yes_or_no_is_a_count(mean: str):
    assert found(f"项目,n,mean\n死亡,40,{mean}\n") == {("mean_of_yes_or_no", "review")}


@pytest.mark.parametrize("mean", ["0.5", "45.2", "1.5", "-0.2", "0.0213421", "*"])
def test_a_mean_that_is_no_small_count_is_none(mean: str):
    assert found(f"项目,n,mean\n年龄,40,{mean}\n") == set()


def test_no_spread_is_everybodys_value():
    assert found("项目,n,mean,sd\n年龄,40,45.2,0\n") == {("no_spread", "fail")}
    assert found("项目,n,mean,sd\n年龄,40,45.2,3\n") == set()


TOTAL = {("maybe_total", "review")}


@pytest.mark.parametrize("word", ["全院", "ITT", "FAS", "Both", "any", "不限", "海南省", "II/A", "C"])
@pytest.mark.parametrize(
    "lines", ["A,40\nB,28\n{},70\n", "{},70\nA,40\nB,28\n", "A,68\n{},70\n", "A,40\nB,28\nC/1,*\n{},70\n"]
)
def test_a_few_more_than_all_others_may_be_their_total_whatever_it_is_called(word: str, lines: str):
    if f"\n{word}," not in f"\n{lines}":
        assert found(f"group,subjects\n{lines.format(word)}") >= TOTAL


@pytest.mark.parametrize(
    "lines",
    [
        "A,40\nB,28\nC,68\n",  # the sum itself leaves nobody out
        "A,40\nB,28\nC,80\n",  # ten are enough
        "A,40\nB,28\nC,60\n",
        "A,40\nB,28\nC,70\ntotal,138\n",  # the margin says that C is a part
        "A,34\nB,27\nC,*\ntotal,165\n",  # room for all of them
        "male,45\nfemale,40\n",
        "试验组,45\n对照组,40\n",
        "A,45\n",
    ],
)
def test_what_cannot_be_a_total_or_leaves_nobody_out_is_none(lines: str):
    assert found(f"group,subjects\n{lines}") == set()


def test_a_total_is_one_on_every_line():
    lines = "A,m,40\nB,m,28\nITT,m,70\nA,f,50\nB,f,40\nITT,f,{}\n"
    assert found(f"group,sex,subjects\n{lines.format(100)}") == TOTAL
    assert found(f"group,sex,subjects\n{lines.format(60)}") == set()


def test_a_column_is_told_by_its_place_and_the_nearest_names_alone():
    (one,) = verdict("药物,例数,有效率(%)\n甲,60,61.5\n乙,40,62\n").findings
    assert one.where == "column 3" and "第 3 列" in one.zh and "Column 3" in one.en and "有效率" not in one.zh
    for text in (one.remedy_zh, one.remedy_en):
        assert "toml" not in text and "line2" not in text and len(text) < 300
    assert "占比(%)" in one.remedy_zh and one.remedy_zh.count("、") == 7


@pytest.mark.parametrize("header", ["", "有效率(%)", "x" * 100_000, "𠀀" * 500])
@pytest.mark.parametrize(("language", "script"), [("zh", False), ("en", True)])
def test_the_nearest_names_are_eight_in_the_readers_language(header: str, language: str, script: bool):
    names = nearest_statistics(header, language)
    assert len(names) == len(set(names)) == 8 and all(statistic_of(name) for name in names)
    assert all(name.isascii() is script for name in names if name != "p值")


@pytest.mark.parametrize("columns", [[], "x", {"a": -1}, {"a": "one"}])
def test_places_of_columns_that_are_none_are_refused(columns: object):
    with pytest.raises(PlatformError):
        read_results({"table": True, "rows": [], "columns": columns})


@pytest.mark.parametrize(
    ("header", "fails"),
    [("姓名", True), ("patient_id", True), ("住院号", True), ("中心", False), ("drug_name", False)],
)
def test_a_column_headed_as_one_of_persons_does_not_leave(header: str, fails: bool) -> None:
    """A table of results lists no persons, whatever their names look like."""
    answer = verdict(f"{header},patients\n甲甲,45\n乙乙,60\n")
    assert ("identifier_in_text" in {one.rule for one in answer.findings}) is fails
