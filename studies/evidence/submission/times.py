"""ADTTE: days to each event of the protocol, and what ended them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.dataset import StudyDataset
from studies.evidence.submission.adam import AdamDataset, Code, CodeList, Sheet
from studies.evidence.submission.catalogue import carry, catalogue, code_list, finished, made, variable
from studies.evidence.submission.names import short_names
from studies.evidence.submission.spelling import TEXT_BYTES, ascii_text
from studies.evidence.submission.subjects import alike, bilingual_code, study_names
from studies.outcome import EVENT, STATUS, TIME
from studies.protocol import CENSORED, COMPETING_EVENT, EVENT_OF_INTEREST, Outcome, Protocol

_EVENT, _CENSORED, _COMPETING = 0, 1, 2  # CNSR; ADaM: 0 is the event, whatever is positive is none
UNIT = "DAYS"
_HEAD, _ALONE, _OTHER = 6, "EV", "EO"  # of the code of the outcome's own event, apart from the competing ones

State = tuple[int, int]  # event and status of the analysis table; where nothing competes, the event twice


@dataclass(frozen=True)
class Parameter:
    """One time-to-event: CNSR of each state that a rule ends in, and in words what ended it."""

    code: str
    title: Bilingual
    censor: Mapping[State, int]
    ends: Mapping[State, Bilingual]


def parameters(protocol: Protocol) -> tuple[Parameter, ...]:
    """The outcome as it is analysed; and where it names competing events, its own event apart from them."""
    outcome = protocol.outcome
    code = short_names([outcome.name], (), {})[outcome.name]
    ends = _ends(outcome)
    whole = {state: _EVENT if state[0] else _CENSORED for state in ends}
    found = [Parameter(code, made("parameter", title=outcome.title), whole, ends)]
    if outcome.competing:
        kinds = {EVENT_OF_INTEREST: _EVENT, CENSORED: _CENSORED, COMPETING_EVENT: _COMPETING}
        alone = code[:_HEAD] + _ALONE
        title = made("parameter", title=outcome.competing.event_title)
        if alike(title, found[0].title):  # ADaM: a PARAM has one PARAMCD
            title = made("parameter_apart", title=outcome.competing.event_title)
        apart = {state: kinds[state[1]] for state in ends}
        found.append(Parameter(alone if alone != code else code[:_HEAD] + _OTHER, title, apart, ends))
    return tuple(found)


def _ends(outcome: Outcome) -> dict[State, Bilingual]:
    """The reasons of the rules that end in each state: the table says how a subject ended, not by which rule."""
    reasons: dict[State, list[Bilingual]] = {}
    for rule in outcome.rules:
        state = (int(rule.event), outcome.status_of(rule))
        reasons.setdefault(state, []).append(rule.reason)
    return {state: _one_of(list(dict.fromkeys(of)), outcome, state) for state, of in reasons.items()}


def _one_of(reasons: Sequence[Bilingual], outcome: Outcome, state: State) -> Bilingual:
    """All of them in one text, or what they have in common where that is longer than XPT takes."""
    link = made("some_rule")
    joined = Bilingual(link.zh.join(one.zh for one in reasons), link.en.join(one.en for one in reasons))
    if max(len(joined.zh), len(ascii_text(joined.en, len(joined.en) * 6 + 1).text)) <= TEXT_BYTES:
        return joined
    if outcome.competing is not None and state[1] == COMPETING_EVENT:
        return outcome.competing.title
    return outcome.title if state[0] else code_list("CENSORED").title


def time_dataset(dataset: StudyDataset, protocol: Protocol, adsl: AdamDataset) -> AdamDataset:
    """Sorted by subject and then by parameter, in the protocol's order."""
    wanted = parameters(protocol)
    frame = dataset.frame.sort_values(SUBJECT_ID, kind="stable", ignore_index=True)
    sheet = Sheet(len(frame) * len(wanted))
    subjects = [one for one in frame[SUBJECT_ID] for _ in wanted]
    carry(sheet, adsl, tuple(study_names(protocol).flags.values()), subjects)
    each = [one for _ in range(len(frame)) for one in wanted]
    _add_parameters(sheet, wanted, each)
    sheet.add(variable("AVAL"), [day for day in frame[TIME] for _ in wanted])
    sheet.constant(variable("AVALU", codes=code_list("DAYS")), UNIT)
    states = [state for state in _states(frame) for _ in wanted]
    _add_ends(sheet, wanted, each, states)
    return finished(sheet, "ADTTE", ("STUDYID", "USUBJID", "PARAMCD"))


def _states(frame: pd.DataFrame) -> list[State]:
    status = frame[STATUS] if STATUS in frame.columns else frame[EVENT]
    return [(int(event), int(kind)) for event, kind in zip(frame[EVENT], status, strict=True)]


def _add_parameters(sheet: Sheet, wanted: Sequence[Parameter], each: Sequence[Parameter]) -> None:
    codes = CodeList("PARAMCD", _title("PARAMCD"), tuple(Code(one.code, one.title) for one in wanted))
    sheet.add(variable("PARAMCD", codes=codes), [one.code for one in each])
    titles = CodeList("PARAM", _title("PARAM"), tuple(bilingual_code(one.title) for one in wanted))
    sheet.add(variable("PARAM", codes=titles), [one.title.zh for one in each])


def _add_ends(
    sheet: Sheet, wanted: Sequence[Parameter], each: Sequence[Parameter], states: Sequence[State]
) -> None:
    source = (EVENT, STATUS) if len(wanted) > 1 else (EVENT,)
    censored = [one.censor[state] for one, state in zip(each, states, strict=True)]
    ends = [one.ends[state] for one, state in zip(each, states, strict=True)]
    sheet.add(variable("CNSR", source=source, codes=_censor_codes(wanted)), censored)
    known = code_list("CENSORED").title
    described = _texts("EVNTDESC", [*_all_ends(wanted, censored=False), known])
    texts = [known.zh if flag == _CENSORED else end.zh for flag, end in zip(censored, ends, strict=True)]
    sheet.add(variable("EVNTDESC", source=source, codes=described), texts)
    dates = [end.zh if flag == _CENSORED else "" for flag, end in zip(censored, ends, strict=True)]
    sheet.add(
        variable("CNSDTDSC", source=source, codes=_texts("CNSDTDSC", _all_ends(wanted, censored=True))), dates
    )


def _all_ends(wanted: Sequence[Parameter], *, censored: bool) -> list[Bilingual]:
    return [
        end
        for one in wanted
        for state, end in one.ends.items()
        if (one.censor[state] == _CENSORED) == censored
    ]


def _censor_codes(wanted: Sequence[Parameter]) -> CodeList:
    words = catalogue()["cnsr"]
    used = sorted({flag for one in wanted for flag in one.censor.values()})
    codes = tuple(Code(str(one), Bilingual(words[str(one)]["zh"], words[str(one)]["en"])) for one in used)
    return CodeList("CNSR", _title("CNSR"), codes, numeric=True)


def _texts(id: str, texts: Sequence[Bilingual]) -> CodeList | None:
    """None where nobody can end so."""
    codes = tuple(bilingual_code(one) for one in dict.fromkeys(texts))
    return CodeList(id, _title(id), codes) if codes else None


def _title(name: str) -> Bilingual:
    entry = catalogue()["variables"][name]
    return Bilingual(entry["zh"], entry["en"])
