"""ADSL: one row a subject - arm, baseline, populations, and the device where the lock knows it.

No date is in it: a lock has days since the index date and none is invented here. Only what the protocol names is taken
over: sex, say, is there where it is a covariate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.adverse_events import DEATHS
from studies.dataset import INDEX, SITE, StudyDataset
from studies.evidence.submission.adam import AdamDataset, AdamVariable, Code, CodeList, Sheet
from studies.evidence.submission.catalogue import catalogue, code_list, finished, made, same, variable
from studies.evidence.submission.devices import add_devices
from studies.evidence.submission.names import short_names
from studies.evidence.submission.spelling import ascii_text
from studies.outcome import TIME
from studies.populations import restricted
from studies.protocol import COMPARATOR, EXPOSED, Covariate, Population, Protocol

_QUARTER = "index_quarter"
_COVARIATE, _POPULATION, _NUMBER, _FLAG = "covariate", "population", "N", "FL"


@dataclass(frozen=True)
class StudyNames:
    """The short names of a protocol's covariates (long name -> short) and of its populations' flags (id -> flag)."""

    covariates: Mapping[str, str]
    flags: Mapping[str, str]


def study_names(protocol: Protocol) -> StudyNames:
    """The same whatever the order in which the protocol lists them. A level's number has `N` behind its name."""
    # A covariate's list of levels is named after it, so the shared lists' names are taken too.
    fixed = set(catalogue()["variables"]) | set(catalogue()["code_lists"])
    endings = {one.name: ("", _NUMBER) for one in protocol.covariates if one.type == "levels"}
    covariates = short_names([one.name for one in protocol.covariates], fixed, endings)
    fixed |= {short + end for name, short in covariates.items() for end in endings.get(name, ("",))}
    ids = [one.id for one in protocol.populations]
    stems = short_names(ids, fixed, dict.fromkeys(ids, (_FLAG,)))
    return StudyNames(covariates, {one: stem + _FLAG for one, stem in stems.items()})


def arm_codes(protocol: Protocol) -> CodeList:
    titles = [protocol.exposure.arm_title(arm) for arm in (COMPARATOR, EXPOSED)]
    if alike(*titles):
        titles = [Bilingual(f"{one.zh} ({place})", f"{one.en} ({place})") for place, one in enumerate(titles)]
    return CodeList("TRT01A", protocol.exposure.title, tuple(bilingual_code(one) for one in titles))


def alike(one: Bilingual, other: Bilingual) -> bool:
    """Whether either file would write the same text for both: a value that means two things is none."""
    return one.zh == other.zh or ascii_text(one.en).text == ascii_text(other.en).text


def bilingual_code(title: Bilingual) -> Code:
    """A value that is text: Chinese where Unicode can stand, English in XPT."""
    english = ascii_text(title.en).text.rstrip(" ")  # XPT keeps no blanks at the end
    return Code(title.zh, title, "" if english == title.zh else english)


def subject_dataset(
    dataset: StudyDataset,
    protocol: Protocol,
    devices: pd.DataFrame | None = None,
    subjects: pd.DataFrame | None = None,
) -> AdamDataset:
    """`subjects` is the lock's subject table; of it only the quarter of the index date is taken, where it has one."""
    frame = dataset.frame.sort_values(SUBJECT_ID, kind="stable", ignore_index=True)
    names = study_names(protocol)
    sheet = Sheet(len(frame))
    sheet.constant(variable("STUDYID"), protocol.id)
    for name in ("USUBJID", "SUBJID"):
        sheet.add(variable(name), frame[SUBJECT_ID].tolist())
    sheet.add(variable("SITEID"), frame[SITE].tolist())
    _add_arm(sheet, frame[protocol.exposure.name].tolist(), protocol)
    for covariate in protocol.covariates:
        _add_covariate(sheet, covariate, names.covariates[covariate.name], frame[covariate.name])
    for population in protocol.populations:
        _add_population(sheet, population, names.flags[population.id], frame)
    _add_time_zero(sheet, frame, subjects)
    sheet.add(variable("FUPDAYS"), frame[TIME].tolist())
    if devices is not None:
        add_devices(sheet, frame[SUBJECT_ID].tolist(), protocol.exposure, devices)
    _add_safety(sheet, frame, dataset, protocol)
    return finished(sheet, "ADSL", ("STUDYID", "USUBJID"))


def _add_arm(sheet: Sheet, exposed: list[int], protocol: Protocol) -> None:
    exposure = protocol.exposure
    first, last = (same(day) for day in exposure.grace_days)
    facts = {"exposure": exposure.title, "exposed": exposure.exposed, "comparator": exposure.comparator_title}
    codes = arm_codes(protocol)
    source = (exposure.name,)
    arm = variable("TRT01A", source=source, codes=codes, first=first, last=last, **facts)
    sheet.add(arm, [codes.codes[one].value for one in exposed])
    numbered = tuple(Code(str(place), one.meaning) for place, one in enumerate(codes.codes))
    numbers = CodeList("TRT01AN", exposure.title, numbered, numeric=True)
    sheet.add(variable("TRT01AN", source=source, codes=numbers), exposed)


def _add_covariate(sheet: Sheet, covariate: Covariate, short: str, values: pd.Series[Any]) -> None:
    unit = f" ({covariate.unit})" if covariate.unit else ""
    title = Bilingual(f"{covariate.title.zh}{unit}", f"{covariate.title.en}{unit}")
    number = AdamVariable(
        short, title, "float", "Derived", (covariate.name,), _covariate_in_words(covariate),
        long_name=covariate.name, shortened=short != covariate.name.upper(),
    )  # fmt: skip
    if covariate.type == "number":
        sheet.add(number, values)
    elif covariate.type == "record":
        sheet.add(replace(number, type="integer", codes=code_list("RECORD")), values)
    else:
        levels = CodeList(short, title, tuple(Code(one.id, one.title) for one in covariate.levels))
        sheet.add(replace(number, type="text", codes=levels), values)
        _add_level_numbers(sheet, number, covariate, values)


def _add_level_numbers(
    sheet: Sheet, text: AdamVariable, covariate: Covariate, values: pd.Series[Any]
) -> None:
    """The levels as numbers, in the protocol's order: 1 is the reference."""
    order = {one.id: place for place, one in enumerate(covariate.levels, start=1)}
    name = text.name + _NUMBER
    codes = tuple(Code(str(order[one.id]), one.title) for one in covariate.levels)
    numbered = replace(
        text, name=name, title=made("level_number", title=text.title), type="integer",
        derivation=made("level_number", "derivation", name=same(text.name)),
        codes=CodeList(name, text.title, codes, numeric=True),
    )  # fmt: skip
    sheet.add(numbered, [order.get(one) for one in values])


def _covariate_in_words(covariate: Covariate) -> Bilingual:
    if covariate.records is None:
        return made("covariate_subject", "derivation", column=same(covariate.column))
    first, last = (same(day) for day in covariate.days)
    facts = {"system": same(covariate.records.code_system), "codes": same(", ".join(covariate.records.codes))}
    return made(f"covariate_{covariate.kind}", "derivation", first=first, last=last, **facts)


def _add_population(sheet: Sheet, population: Population, flag: str, frame: pd.DataFrame) -> None:
    inside = set(restricted(frame, population).index)
    known = AdamVariable(
        flag, made("population", title=population.title), "text", "Derived",
        source=tuple(dict.fromkeys(one.covariate for one in population.restrictions)),
        derivation=made("population", "derivation", id=same(population.id)), codes=code_list("NY"),
        long_name=population.id, shortened=flag != population.id.upper() + _FLAG,
    )  # fmt: skip
    sheet.add(known, ["Y" if row in inside else "N" for row in frame.index])


def _add_time_zero(sheet: Sheet, frame: pd.DataFrame, subjects: pd.DataFrame | None) -> None:
    if subjects is None or _QUARTER not in subjects.columns:
        return
    quarters = dict(zip(subjects[SUBJECT_ID], subjects[_QUARTER], strict=True))
    sheet.add(variable("INDXQTR", source=(INDEX,)), [quarters.get(one) for one in frame[SUBJECT_ID]])


def _add_safety(sheet: Sheet, frame: pd.DataFrame, dataset: StudyDataset, protocol: Protocol) -> None:
    """What one has to know of a subject to read its absence from ADAE."""
    held = dataset.adverse_events
    if held is None:
        return
    reporting = [str(one) in held.reporting_sites for one in frame[SITE]]
    sheet.add(variable("AESITEFL"), ["Y" if one else "N" for one in reporting])
    sources = {one.deaths for one in protocol.analyses if one.id in held.deaths}
    if sources:
        dead = frozenset().union(*held.deaths.values())
        deaths = variable("DTHFL", source=(DEATHS,), deaths=same(", ".join(sorted(sources))))
        sheet.add(deaths, ["Y" if one in dead else "" for one in frame[SUBJECT_ID]])
