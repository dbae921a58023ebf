"""Papers on file: from which day to which day each serves, and what the law says about every kind of them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance import instruments
from rwd_platform.compliance.instruments import DIMENSIONS, Instrument, Kind, Scope, kind_of, kinds
from tests.compliance.test_decide import case_with

FILE = tomllib.loads(Path(instruments.__file__).with_suffix(".toml").read_text("utf-8"))["kinds"]
IDS = [one["id"] for one in FILE]
DAY = timedelta(days=1)
MAY = date(2026, 5, 1)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LETTERS = re.compile(r"[A-Za-z]{3}")


def paper(kind: str = "impact_assessment", **differs: object) -> Instrument:
    stated = Instrument("paper-1", kind, "org-hospital-a", "No. 1", MAY, None, Scope())
    return replace(stated, **differs)  # type: ignore[arg-type]  # fields as the test names them


# -- in force -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "on", "serves"),
    [
        pytest.param({}, MAY - DAY, False, id="the day before it begins"),
        pytest.param({}, MAY, True, id="its first day"),
        pytest.param({}, date(9999, 12, 31), True, id="without an end, for ever"),
        pytest.param({"valid_until": MAY + 9 * DAY}, MAY + 9 * DAY, True, id="its last day"),
        pytest.param({"valid_until": MAY + 9 * DAY}, MAY + 10 * DAY, False, id="the day after its last"),
        pytest.param({"valid_until": MAY}, MAY, True, id="a paper of one day"),
        pytest.param({"valid_until": MAY}, MAY + DAY, False, id="the day after a paper of one day"),
        pytest.param({"revoked_on": MAY + 3 * DAY}, MAY + 2 * DAY, True, id="the day before it is revoked"),
        pytest.param({"revoked_on": MAY + 3 * DAY}, MAY + 3 * DAY, False, id="the day it is revoked"),
        pytest.param({"revoked_on": MAY + 3 * DAY}, MAY + 4 * DAY, False, id="after it was revoked"),
        pytest.param({"revoked_on": MAY}, MAY, False, id="revoked on its first day"),
        pytest.param({"revoked_on": MAY - DAY}, MAY, False, id="revoked before it began"),
        pytest.param(
            {"filed_on": MAY + DAY}, MAY, True, id="a kind that needs no filing, before it is filed"
        ),
        pytest.param({"effective_from": date(2028, 2, 29)}, date(2028, 2, 29), True, id="29 February"),
    ],
)
def test_a_paper_serves_from_its_first_day_to_its_last_and_until_it_is_revoked(
    stated: dict[str, date], on: date, serves: bool
) -> None:
    """First and last day are inclusive; the day of revocation is already without it."""
    assert paper(**stated).is_in_force(on) is serves


@pytest.mark.parametrize(
    ("filed_on", "on", "serves"),
    [
        (None, MAY, False),
        (None, MAY + 4000 * DAY, False),
        (MAY + 5 * DAY, MAY + 4 * DAY, False),
        (MAY + 5 * DAY, MAY + 5 * DAY, True),
        (MAY + 5 * DAY, MAY + 6 * DAY, True),
        (MAY, MAY, True),
        (MAY - DAY, MAY - DAY, False),  # filed too early: it had not begun
    ],
)
def test_a_standard_contract_serves_from_the_day_on_which_it_was_filed(
    filed_on: date | None, on: date, serves: bool
) -> None:
    assert paper("standard_contract", filed_on=filed_on).is_in_force(on) is serves


def test_a_filed_contract_that_ran_out_or_was_revoked_serves_no_more() -> None:
    """Being filed is asked besides, never instead."""
    filed = paper("standard_contract", filed_on=MAY, valid_until=MAY + DAY)
    assert [filed.is_in_force(MAY + count * DAY) for count in range(3)] == [True, True, False]
    assert not replace(filed, revoked_on=MAY + DAY).is_in_force(MAY + DAY)


@pytest.mark.parametrize("kind", [one for one in IDS if one != "standard_contract"])
def test_no_other_kind_waits_for_a_filing(kind: str) -> None:
    assert paper(kind).is_in_force(MAY)


days = st.integers(0, 12).map(lambda count: MAY + count * DAY)
maybe = st.none() | days


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(IDS), begins=days, ends=maybe, filed=maybe, revoked=maybe)
def test_the_days_of_a_paper_are_those_counted_one_by_one(
    kind: str, begins: date, ends: date | None, filed: date | None, revoked: date | None
) -> None:
    """The slow way: cross out of a calendar what is before, after, revoked or not yet filed."""
    calendar = [MAY + count * DAY for count in range(-1, 15)]
    left = set(calendar[calendar.index(begins) :])
    left -= set(calendar[calendar.index(ends) + 1 :]) if ends else set()
    left -= set(calendar[calendar.index(revoked) :]) if revoked else set()
    if kind == "standard_contract":
        left &= set(calendar[calendar.index(filed) :]) if filed else set()
    one = paper(kind, effective_from=begins, valid_until=ends, filed_on=filed, revoked_on=revoked)
    assert {day for day in calendar if one.is_in_force(day)} == left


def test_a_paper_of_a_kind_that_nobody_described_is_an_error_and_serves_nothing() -> None:
    with pytest.raises(KeyError):
        paper("letter_of_intent").is_in_force(MAY)


# -- the kinds ----------------------------------------------------------------------------------------------------


def test_every_kind_stands_once_and_in_the_order_of_the_file() -> None:
    assert list(kinds()) == IDS and len(set(IDS)) == len(IDS) == len(FILE)
    assert all(kind_of(id).id == id for id in IDS)


@pytest.mark.parametrize("one", FILE, ids=IDS)
def test_a_kind_says_its_name_and_its_source_in_both_languages(one: dict[str, object]) -> None:
    """The source is an article or an act that a lawyer can open; a name alone would be somebody's memory."""
    kind = kind_of(str(one["id"]))
    for said in (kind.name, kind.source):
        assert CHINESE.search(said.zh) and LETTERS.search(said.en)
        assert not CHINESE.search(said.en) and said.zh == said.zh.strip() and said.en == said.en.strip()
    assert "《" in kind.source.zh and "》" in kind.source.zh


@pytest.mark.parametrize("one", FILE, ids=IDS)
def test_a_kind_is_held_against_known_dimensions_each_once(one: dict[str, object]) -> None:
    scope = kind_of(str(one["id"])).scope
    assert set(scope) <= set(DIMENSIONS) == {field.name for field in fields(Scope)}
    assert len(set(scope)) == len(scope)


@pytest.mark.parametrize("one", FILE, ids=IDS)
def test_nothing_in_the_file_is_read_past(one: dict[str, object]) -> None:
    """A misspelt `need_end` would let a certificate last for ever."""
    assert set(one) <= {field.name for field in fields(Kind)} - {"words"}


@pytest.mark.parametrize("one", [one for one in FILE if "answers" in one], ids=lambda one: str(one["id"]))
def test_every_answer_of_a_check_has_words_in_both_languages(one: dict[str, dict[str, str]]) -> None:
    kind = kind_of(str(one["id"]))
    assert len(kind.answers) >= 2 and set(kind.words) == set(kind.answers)
    for said in kind.words.values():
        assert CHINESE.search(said.zh) and LETTERS.search(said.en) and not CHINESE.search(said.en)
    assert len({said.zh for said in kind.words.values()}) == len(kind.answers)


def test_names_are_told_apart() -> None:
    """Two kinds with one name on a form would be recorded as each other."""
    assert len({kind.name.zh for kind in kinds().values()}) == len(IDS)
    assert len({kind.name.en for kind in kinds().values()}) == len(IDS)


# -- what the law says about them ---------------------------------------------------------------------------------

# Article by article: filed within ten working days (Standard Contract Measures 7); three years, an extension asked for
# sixty working days before (Cross-Border Data Flow Provisions 9); three years (Certification Measures); a report within
# six months after the cooperation ends (HGR Regulation 26).
TERMS = {
    "standard_contract": {"file_within": 10, "counts_once_filed": True},
    "certification": {"needs_end": True, "months_valid": 36},
    "security_assessment": {"needs_end": True, "months_valid": 36, "renew_before": 60},
    "hgr_cooperation": {"report_after": 6},
}
NO_TERMS = {
    "needs_end": False, "counts_once_filed": False, "file_within": None, "renew_before": None, "report_after": None,
    "months_valid": None,
}  # fmt: skip


@pytest.mark.parametrize("id", IDS)
def test_terms_are_those_of_the_articles_and_other_kinds_have_none(id: str) -> None:
    kind = kind_of(id)
    assert {name: getattr(kind, name) for name in NO_TERMS} == NO_TERMS | TERMS.get(id, {})


@pytest.mark.parametrize("id", ["standard_contract", "certification", "security_assessment"])
def test_a_mechanism_is_held_to_purpose_fields_recipient_and_scale(id: str) -> None:
    """Network Data Regulation 38: no further than what was assessed."""
    assert set(kind_of(id).scope) == {"purposes", "fields", "recipients", "persons"}


def test_an_impact_assessment_is_of_a_purpose_of_data_and_of_a_recipient() -> None:
    assert set(kind_of("impact_assessment").scope) == {"purposes", "fields", "recipients"}


@pytest.mark.parametrize(
    ("id", "fact"), [("ciio_check", "exporter.ciio"), ("important_data_check", "data.important")]
)
def test_what_a_check_may_answer_a_case_can_say(id: str, fact: str) -> None:
    """And none of them can answer `unknown`: that is what it means that there is no check."""
    from rwd_platform.compliance.case import read_case

    for answer in kind_of(id).answers:
        read_case(case_with({fact: answer}))
    assert "unknown" not in kind_of(id).answers


def test_every_basis_that_exempts_can_be_evidenced_and_no_other() -> None:
    """The bases of the rule pack in force, from its own file."""
    from rwd_platform.compliance.rulepack import load_pack

    (exempting,) = [rule for rule in load_pack().rules if rule.bases]
    assert set(kind_of("legal_basis").answers) == set(exempting.bases)
