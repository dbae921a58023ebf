"""ADAE: one row an adverse event of a subject in ADSL. Codes stay codes: no dictionary is shipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.text import LANGUAGES, Bilingual
from studies.adverse_events import UNCODED, AdverseEvents, codes_of
from studies.evidence.submission.adam import AdamDataset, Sheet
from studies.evidence.submission.catalogue import carry, finished, same, variable
from studies.evidence.submission.subjects import study_names
from studies.protocol import Protocol

_JUDGED = {"yes": "Y", "no": "N", "unknown": "U"}
_BETWEEN = "; "


def adverse_dataset(held: AdverseEvents, protocol: Protocol, adsl: AdamDataset) -> AdamDataset:
    """Events of subjects who left before the analysis are not in it; the attrition says who left and why."""
    inside = held.events[held.events[SUBJECT_ID].isin(set(adsl.frame["USUBJID"]))]
    events = inside.sort_values([SUBJECT_ID, "day", "codes"], kind="stable", ignore_index=True)
    subjects = events[SUBJECT_ID].tolist()
    sheet = Sheet(len(events))
    carry(sheet, adsl, tuple(study_names(protocol).flags.values()), subjects)
    sheet.add(variable("AESEQ"), _sequence(subjects))
    _add_codes(sheet, events, _named(protocol))
    sheet.add(variable("AEDAY0"), events["day"].tolist())
    for name, column in (("AESER", "serious"), ("AEREL", "related")):
        sheet.add(variable(name), [_JUDGED[one] for one in events[column]])
    for name, column in (("AESDTH", "fatal"), ("AEACTFL", "actual"), ("AEDDFL", "deficiency")):
        sheet.add(variable(name), ["Y" if one else "N" for one in events[column]])
    sheet.add(variable("AEREPS"), events["reports"].tolist())
    return finished(sheet, "ADAE", ("STUDYID", "USUBJID", "AESEQ"))


def _sequence(subjects: Sequence[str]) -> list[int]:
    seen: Counter[str] = Counter()
    numbers = []
    for one in subjects:
        seen[one] += 1
        numbers.append(seen[one])
    return numbers


def _named(protocol: Protocol) -> dict[str, Bilingual]:
    """`system|code` -> what the protocol calls it."""
    terms = [term for one in protocol.analyses for term in one.terms]
    return {f"{one.code_system}|{one.code}": one.title for one in terms}


def _add_codes(sheet: Sheet, events: pd.DataFrame, named: Mapping[str, Bilingual]) -> None:
    exploded = codes_of(events)
    codes: list[list[str]] = [[] for _ in range(len(events))]
    for event, code in zip(exploded["event"], exploded["code"], strict=True):
        if code != UNCODED:
            codes[event].append(str(code))
    titles = [[named.get(one, same(one.rpartition("|")[2])) for one in of] for of in codes]
    zh, en = ([_BETWEEN.join(title.in_language(one) for title in of) for of in titles] for one in LANGUAGES)
    english = {chinese: one for chinese, one in zip(zh, en, strict=True) if one != chinese}
    sheet.add(replace(variable("AETERM"), english=english), zh)
    sheet.add(variable("AECODES"), [_BETWEEN.join(of) for of in codes])
    sheet.add(variable("AENCODES"), [len(of) for of in codes])
