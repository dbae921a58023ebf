"""What is verified of a row: the arm, the outcome's state and day, and the protocol's covariates, with their words.

How to answer is told from the protocol: the days of a window, the unit, the codes and their words. The index date is
never given: the hospital finds the index event in its own chart and counts days from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.code_lists import load
from studies.outcome import EVENT, STATUS, TIME
from studies.protocol import (
    CENSORED,
    COMPETING_EVENT,
    EVENT_OF_INTEREST,
    Covariate,
    Outcome,
    Protocol,
    Records,
)

Kind = Literal["category", "number", "days"]
_YES_NO = (("1", Bilingual("是", "yes")), ("0", Bilingual("否", "no")))
_MOST_CODES = 20  # of codes written out in the protocol; a longer list is told by its number


@dataclass(frozen=True)
class Variable:
    """
    name     -- the column of the analysis table
    answers  -- code and title of each value of a category, as the analysis table has it
    own_line -- each row has exactly one source line of its own for it. Of the others the lines that there are, or
                are not, would tell the platform's value: the sheet then gives the line of the index event instead
    """

    name: str
    title: Bilingual
    kind: Kind
    how: Bilingual
    answers: tuple[tuple[str, Bilingual], ...] = ()
    own_line: bool = False


def variables_of(protocol: Protocol, known_until: str = "") -> tuple[Variable, ...]:
    """Arm, state, day, then the covariates in the protocol's order.

    known_until -- YYYY-MM-DD up to which the chart is to be read for the outcome; "" where no day is given
    """
    zero = protocol.cohort.index_title
    return (
        _arm(protocol, zero),
        _state(protocol.outcome, known_until),
        _day(protocol.outcome, zero, known_until),
        *(_covariate(one, zero) for one in protocol.covariates),
    )


def _arm(protocol: Protocol, zero: Bilingual) -> Variable:
    exposure = protocol.exposure
    window = _window(exposure.grace_days, zero)
    answers = (("1", exposure.exposed), ("0", exposure.comparator_title))
    how = Bilingual(
        f"{window.zh}属于哪一组。{_codes(answers).zh}", f"The arm, {window.en}. {_codes(answers).en}"
    )
    return Variable(exposure.name, exposure.title, "category", how, answers)


def _state(outcome: Outcome, known_until: str) -> Variable:
    kinds = [(EVENT_OF_INTEREST, outcome.title)]
    name = EVENT
    if outcome.competing is not None:
        name = STATUS
        kinds = [
            (EVENT_OF_INTEREST, outcome.competing.event_title),
            (COMPETING_EVENT, outcome.competing.title),
        ]
    answers = tuple((str(code), title) for code, title in kinds)
    answers = (*answers, (str(CENSORED), Bilingual("随访终点前未发生", "none up to the end of follow-up")))
    rules = []
    for code in sorted({outcome.status_of(rule) for rule in outcome.rules}):
        reasons = _joined([rule.reason for rule in outcome.rules if outcome.status_of(rule) == code])
        rules.append(Bilingual(f"{code}：{reasons.zh}", f"{code}: {reasons.en}"))
    until, decided = _until(known_until), _joined(rules)
    how = Bilingual(
        f"首先发生的是什么{until.zh}。{_codes(answers).zh}判定：{decided.zh}。",
        f"What happened first{until.en}. {_codes(answers).en} Decided by: {decided.en}.",
    )
    title = Bilingual(f"结局：{outcome.title.zh}", f"Outcome: {outcome.title.en}")
    return Variable(name, title, "category", how, answers)


def _day(outcome: Outcome, zero: Bilingual, known_until: str) -> Variable:
    until = _until(known_until)
    how = Bilingual(
        f"自起始日（{zero.zh}，第 0 天）至结局或末次随访的天数{until.zh}；整数，不写日期。",
        f"Days from the index date ({zero.en}, day 0) to the outcome or the last follow-up{until.en}; a whole number, "
        "no date.",
    )
    title = Bilingual(
        f"结局或末次随访的天数：{outcome.title.zh}", f"Day of outcome or last follow-up: {outcome.title.en}"
    )
    return Variable(TIME, title, "days", how)


def _covariate(one: Covariate, zero: Bilingual) -> Variable:
    window = _window(one.days, zero)
    if one.kind == "record":
        assert one.records is not None  # noqa: S101 - the reader guarantees it for this kind
        codes = _records(one.records)
        how = Bilingual(
            f"{window.zh}有无记录（{codes.zh}）。{_codes(_YES_NO).zh}",
            f"Whether there is a record ({codes.en}), {window.en}. {_codes(_YES_NO).en}",
        )
        return Variable(one.name, one.title, "category", how, _YES_NO)
    latest = Bilingual("起始日时的值", "The value at the index date")
    if one.kind == "measurement":
        latest = Bilingual(f"{window.zh}最近一次的值", f"The latest value, {window.en}")
    if one.levels:
        answers = tuple((level.id, level.title) for level in one.levels)
        how = Bilingual(f"{latest.zh}。{_codes(answers).zh}", f"{latest.en}. {_codes(answers).en}")
        return Variable(one.name, one.title, "category", how, answers, own_line=True)
    unit = Bilingual(f"，单位 {one.unit}", f", in {one.unit}") if one.unit else Bilingual("", "")
    how = Bilingual(f"{latest.zh}{unit.zh}；只写数字。", f"{latest.en}{unit.en}; the number alone.")
    return Variable(one.name, one.title, "number", how, own_line=True)


def _window(days: tuple[int, int], zero: Bilingual) -> Bilingual:
    return Bilingual(
        f"自起始日（{zero.zh}，第 0 天）第 {days[0]} 天至第 {days[1]} 天内",
        f"day {days[0]} to day {days[1]} of the index date ({zero.en}, day 0)",
    )


def _until(known_until: str) -> Bilingual:
    if not known_until:
        return Bilingual("", "")
    return Bilingual(f"（按病历截至 {known_until} 的记载）", f" (by what the chart says up to {known_until})")


def _codes(answers: Sequence[tuple[str, Bilingual]]) -> Bilingual:
    return Bilingual(
        "填写：" + "；".join(f"{code} = {title.zh}" for code, title in answers) + "。",
        "Write " + "; ".join(f"{code} = {title.en}" for code, title in answers) + ".",
    )


def _records(records: Records) -> Bilingual:
    """The code list's words where the protocol names a list, else the codes that it writes out."""
    if records.code_list:
        title = load(records.code_list).title
        return Bilingual(f"{title.zh}，{records.code_list}", f"{title.en}, {records.code_list}")
    if len(records.codes) > _MOST_CODES:
        return Bilingual(f"{len(records.codes)} 个代码", f"{len(records.codes)} codes")
    codes = ", ".join(records.codes)
    return Bilingual(f"代码 {codes}", f"code {codes}")


def _joined(texts: Sequence[Bilingual]) -> Bilingual:
    return Bilingual("；".join(one.zh for one in texts), "; ".join(one.en for one in texts))
