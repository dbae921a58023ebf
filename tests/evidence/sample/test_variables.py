"""What a hospital is asked, in the protocol's own words, without the index date."""

from __future__ import annotations

import dataclasses

import pytest

from studies.code_lists import load
from studies.evidence.sample.variables import variables_of
from studies.protocol import Protocol
from tests.studies import valve
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import small_protocol

PROTOCOLS = pytest.mark.parametrize(
    "protocol", [small_protocol(), rotterdam_protocol(), valve.protocol()], ids=lambda one: one.id
)


@PROTOCOLS
def test_arm_state_day_and_every_covariate_are_asked_in_that_order(protocol: Protocol) -> None:
    names = [one.name for one in variables_of(protocol)]
    state = "status" if protocol.outcome.competing else "event"
    assert names == [protocol.exposure.name, state, "time_days", *(one.name for one in protocol.covariates)]


@PROTOCOLS
def test_every_question_is_in_both_languages_and_knows_its_answers(protocol: Protocol) -> None:
    for one in variables_of(protocol):
        assert one.title.zh and one.title.en and one.how.zh and one.how.en
        assert (one.kind == "category") == bool(one.answers)
        for code, title in one.answers:
            assert f"{code} = {title.zh}" in one.how.zh
            assert f"{code} = {title.en}" in one.how.en


def test_the_arm_is_asked_with_the_days_and_both_arms_words() -> None:
    arm = variables_of(small_protocol())[0]
    assert arm.answers[0][1] == small_protocol().exposure.exposed
    assert "第 0 天至第 2 天" in arm.how.zh
    assert "day 0 to day 2" in arm.how.en
    assert "First implant" in arm.how.en


def test_competing_events_are_answers_of_their_own() -> None:
    """Recurrence, death without it, none: as `status` of the analysis table counts."""
    state = variables_of(rotterdam_protocol())[1]
    assert [code for code, _ in state.answers] == ["1", "2", "0"]
    competing = rotterdam_protocol().outcome.competing
    assert competing is not None
    assert [title for _, title in state.answers][:2] == [competing.event_title, competing.title]


def test_an_outcome_without_competing_events_has_two_answers_and_its_rules_words() -> None:
    state = variables_of(valve.protocol())[1]
    assert [code for code, _ in state.answers] == ["1", "0"]
    assert "瓣膜失败或再次干预；死亡" in state.how.zh
    assert "Valve failure or a second intervention; Death" in state.how.en


def test_the_outcome_is_asked_up_to_the_day_that_the_data_reach() -> None:
    """Without it a chart that went on after the upload would differ from a platform that was right."""
    _, state, day, *covariates = variables_of(small_protocol(), "2025-12-31")
    assert "2025-12-31" in state.how.zh and "2025-12-31" in state.how.en
    assert "2025-12-31" in day.how.zh and "2025-12-31" in day.how.en
    assert not any("2025-12-31" in one.how.en for one in covariates)
    assert "（按病历截至" not in variables_of(small_protocol())[2].how.zh


def test_days_are_asked_and_never_a_date() -> None:
    day = variables_of(small_protocol())[2]
    assert day.kind == "days"
    assert "不写日期" in day.how.zh
    assert "no date" in day.how.en


def test_a_number_is_asked_in_its_unit_a_level_by_its_words_a_record_by_yes_or_no() -> None:
    asked = {one.name: one for one in variables_of(small_protocol())}
    assert asked["weight_kg"].kind == "number"
    assert "单位 kg" in asked["weight_kg"].how.zh and "in kg" in asked["weight_kg"].how.en
    assert dict(asked["frailty"].answers)["frail"].en == "Frail"
    assert [code for code, _ in asked["surgery"].answers] == ["1", "0"]
    assert "代码 S1" in asked["surgery"].how.zh


def test_a_code_list_is_told_by_its_words() -> None:
    """`list: mastectomy@1` says more to a doctor than its codes."""
    *others, surgery = small_protocol().covariates
    assert surgery.records is not None
    records = dataclasses.replace(surgery.records, code_list="mastectomy@1")
    protocol = dataclasses.replace(
        small_protocol(), covariates=(*others, dataclasses.replace(surgery, records=records))
    )
    asked = {one.name: one for one in variables_of(protocol)}["surgery"]
    title = load("mastectomy@1").title
    assert f"{title.zh}，mastectomy@1" in asked.how.zh
    assert f"{title.en}, mastectomy@1" in asked.how.en


def test_many_codes_written_out_are_told_by_their_number() -> None:
    *others, surgery = small_protocol().covariates
    assert surgery.records is not None
    records = dataclasses.replace(surgery.records, codes=tuple(f"S{number}" for number in range(21)))
    protocol = dataclasses.replace(
        small_protocol(), covariates=(*others, dataclasses.replace(surgery, records=records))
    )
    asked = {one.name: one for one in variables_of(protocol)}["surgery"]
    assert "21 个代码" in asked.how.zh and "21 codes" in asked.how.en


def test_only_what_every_row_has_a_line_for_shows_its_own_line() -> None:
    """That there is a line for an operation before, or two for an event, would tell the answer."""
    own = {one.name for one in variables_of(small_protocol()) if one.own_line}
    assert own == {"age", "weight_kg", "frailty"}
