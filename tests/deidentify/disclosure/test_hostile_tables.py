"""Tables with which a reviewer got a small count past the check: each is refused, or a person has to look."""

from __future__ import annotations

import pytest

from deidentify.disclosure.check import check
from deidentify.disclosure.read import read_results, table_mapping
from deidentify.disclosure.relabelled import released_of
from tests.deidentify.disclosure.results import PURPOSE, held, row


def outcome(text: str, *released: str) -> str:
    before = [
        released_of(f"R{place}", read_results(table_mapping(one.encode())))
        for place, one in enumerate(released)
    ]
    return check(table_mapping(text.encode()), "sponsor", PURPOSE, before, propose=False).outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stage,count\nI,96\ntotal,100\n", "fail"),
        ("stage,count\nII,50\nII/A,46\n", "fail"),
        ("arm,stage,count\nA,I,50\nA,total,54\n", "fail"),
        ("stage,count\nI,60\nII,40\ntotal,100\n", "pass"),
        ("stage,count\nI,60\nII,60\ntotal,100\n", "review"),
        ("stage,count\nI,50\nI,46\n", "review"),
        ("stage,patients,percent\nI,50,50\nII,40,40\nIII,*,4\nIV,*,6\ntotal,100,\n", "fail"),
        ("stage,subjects,events,censored\nI,100,*,96\n", "fail"),
        ("subjects,events,censored\n100,*,96\n", "fail"),
        ("n,events,person_years,rate\n100,*,50,8\n", "fail"),
        ("stage,mean,n\nI,3.1,20\nII,3.4,20\ntotal,3.2,44\n", "fail"),
        ("stage,percent\nI,50\nII,50\n", "review"),
        ("stage,count,points\nI,50,4\nII,60,7\n", "review"),
        ("step,remaining\n1,100\n2,96\n", "fail"),
        ("day,at_risk\n0,100\n30,99\n", "fail"),
    ],
)
def test_what_is_left_over_is_computed_as_a_reader_would(text: str, expected: str):
    """The rest of a margin, the next column, the next line; what contradicts itself is for a person."""
    assert outcome(text) == expected


@pytest.mark.parametrize(
    "word", ["小计", "总数", "总和", "全体", "Overall", "Sum", "ＴＯＴＡＬ", "subtotal", "all"]
)
def test_a_margin_is_known_in_many_words(word: str):
    assert outcome(f"stage,count\nI,50\nII,*\n{word},54\n") == "fail"


def test_a_total_in_a_word_that_nobody_foresaw_is_for_a_person_to_look_at():
    assert outcome("stage,count\nI,50\nII,*\n入组者,54\n") == "review"


HUNDRED = "stage,subjects\nI,60\nII,40\ntotal,100\n"


@pytest.mark.parametrize(
    "text",
    [
        "stage,patients\nI,57\nII,40\ntotal,97\n",
        "Stage,subjects\nI,57\nII,40\ntotal,97\n",
        "stage,subjects\nＩ,57\nII,40\ntotal,97\n",
    ],
)
def test_another_spelling_is_not_another_table(text: str):
    assert outcome(text, HUNDRED) == "fail"
    assert outcome(HUNDRED, HUNDRED) == "pass"


def test_another_order_of_the_dimensions_is_not_another_table():
    before = "arm,stage,count\nA,I,60\nA,II,40\n"
    assert outcome("stage,arm,count\nI,A,57\nII,A,40\n", before) == "fail"


def test_what_two_releases_withhold_differently_is_read_together():
    """The first prints I, the second III; only II is in neither, and the total leaves four."""
    first = "stage,count\nI,50\nII,*\nIII,*\nIV,50\ntotal,150\n"
    second = "stage,count\nI,*\nII,*\nIII,46\nIV,50\ntotal,150\n"
    assert outcome(second) != "fail"
    assert outcome(second, first) == "fail"
    assert outcome("stage,count\nI,*\nII,*\nIII,46\nIV,70\ntotal,170\n", first) in ("review", "fail")


@pytest.mark.parametrize(
    "one",
    [
        *(row("a.x", name, 1.5) for name in ("mean", "median", "percent", "hazard_ratio", "chi_square")),
        row("km.exposed.survival.day_365", "survival", 0.99, group="exposed", n=100),
        row("cost.total", "total", 1_000_000, contributions=[1] * 20),
    ],
)
def test_a_number_without_what_stands_behind_it_does_not_pass(one):
    assert check(held([one]), "sponsor", PURPOSE, propose=False).outcome != "pass"


@pytest.mark.parametrize("sizes", [{"all": 4}, {"one": 100, "two": 97}, {"all": 100, "all_exposed": 97}])
def test_sets_of_persons_are_neither_small_nor_a_few_apart(sizes):
    one = row("a.x", "mean", 1.0, n=100)
    assert check(held([one], **sizes), "sponsor", PURPOSE, propose=False).outcome != "pass"


CONDITIONS = {
    "purpose": "再评价", "authorisation": "1号", "encryption": "tls-1.3", "approvers": ["a", "b"], "requester": "c",
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        *({"approvers": two} for two in (["a", "a "], ["zhang", "Zhang"], ["a1", "ａ1"], ["a", "a\u200b"])),
        *({"approvers": ["a", one]} for one in ("c ", "ｃ")),
        {"approvers": ["а1", "a1"]},
        {"approvers": ["zhang", "zhаng"]},
        {"approvers": ["paul", "раul"]},
        *(
            {name: word}
            for name in ("purpose", "authorisation")
            for word in ("-", ".", "无", "n/a", "None", "…", "ｎ／ａ", "xx")
        ),
        {"requester": " "},
        {"purpose": "\u200b"},
        {"encryption": "0" * 64},
    ],
)
def test_one_person_is_one_in_any_spelling_and_a_blank_is_nothing(changes):
    small = held([row("ae.death", "count", 1, n=40)])
    assert check(small, "competent_authority", CONDITIONS).outcome == "pass"
    assert check(small, "competent_authority", {**CONDITIONS, **changes}).outcome == "fail"


def test_a_row_id_that_is_somebodys_text_is_shown_as_its_place():
    name = "王小明13812345678"
    verdict = check(held([row("a.x", "mean", 1, n=50), row(name, "count", 3, n=40)]), "sponsor", PURPOSE)
    assert "王小明" not in str(verdict.as_dict()) and "row 2" in str(verdict.as_dict())


def test_only_an_effect_that_the_protocol_quotes_is_exempt():
    quoted = row("overseas.hazard_ratio", "hazard_ratio", 0.7, row_set="", engine="protocol")
    on_record = {"quoted": (0.7, 0.5, 0.9)}
    assert check(held([quoted]), "sponsor", PURPOSE, **on_record).outcome == "pass"
    assert (
        check(held([quoted]), "sponsor", PURPOSE).outcome == "review"
    )  # a file alone: no protocol on record
    for changes in (
        {"statistic": "subjects", "value": 3},
        {"engine": "r"},
        {"row_set": "all"},
        {"value": 3.0},  # any number under the name of an effect
        {"ci_low": 3.0},
    ):
        one = held([{**quoted, **changes}])
        assert check(one, "sponsor", PURPOSE, propose=False, **on_record).outcome != "pass"
