"""How far each patient gets in a definition, and who stops where: the counts behind every step, from any engine.

A patient's index at a step is the first of the events that are left; after the exit, of the intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from studies.cohorts.characteristics import (
    AGE,
    AGE_BANDS,
    FOLLOW_UP,
    FOLLOW_UP_BANDS,
    HOSPITAL,
    MISSING,
    OF_PATIENT,
    SEX,
    YEAR,
    band_of,
)
from studies.cohorts.definition import Cohort
from studies.cohorts.tables import PATIENT, Model

StageKind = Literal[
    "store", "recorded", "dated", "entry", "observed", "entry_limit", "qualify", "qualify_limit", "rule", "limit",
    "exit", "era", "window",
]  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A point of the definition that a patient gets past or does not; `number` is the rule's, from 0."""

    kind: StageKind
    number: int = -1


def stages(cohort: Cohort) -> tuple[Stage, ...]:
    """Every stage of a definition, in order: which there are depends on the definition and never on the patients."""
    kinds: list[tuple[StageKind, bool]] = [
        ("store", True),
        ("recorded", True),
        ("dated", True),
        ("entry", True),
        ("observed", True),
        ("entry_limit", cohort.entry.limit != "all"),
        ("qualify", not cohort.qualify.empty),
        ("qualify_limit", cohort.qualify_limit != "all"),
    ]
    ends: list[tuple[StageKind, bool]] = [
        ("limit", cohort.limit != "all"),
        ("exit", True),
        ("era", True),
        ("window", any(cohort.window)),
    ]
    return (
        *(Stage(kind) for kind, there in kinds if there),
        *(Stage("rule", number) for number in range(len(cohort.rules))),
        *(Stage(kind) for kind, there in ends if there),
    )


@dataclass(frozen=True)
class Tally:
    """
    stopped -- stage -> how many patients got past it and no further
    left    -- stage -> how many events, or after the exit intervals, were left past it
    who     -- (stage, characteristic, value) -> how many of the patients that stopped there
    keys    -- stage -> sum of the numbers of the patients that stopped there (patient_keys.py), where asked for; of
               those who stop at the first stage, the store, none is made
    cells   -- like `who`: the sum of the numbers of those patients
    rows    -- patient_id, start_date, end_date (YYYY-MM-DD), by patient and start; None where only counts were asked
    """

    stopped: Mapping[int, int]
    left: Mapping[int, int]
    who: Mapping[tuple[int, str, str], int]
    rows: tuple[tuple[Any, str, str], ...] | None
    keys: Mapping[int, int] = field(default_factory=dict)
    cells: Mapping[tuple[int, str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reached:
    """The last stage that a patient got past, and the index there (None where there was no event with a day)."""

    stage: int
    index: date | None


def known_characteristics(model: Model) -> tuple[str, ...]:
    """Those of `characteristics.NAMES` that a data model can say."""
    columns = model.lookups[PATIENT].columns if PATIENT in model.lookups else {}
    of_patient = [name for name, column in OF_PATIENT.items() if column in columns]
    return tuple(
        name for name in (SEX, AGE, HOSPITAL, YEAR, FOLLOW_UP) if name in (*of_patient, AGE, YEAR, FOLLOW_UP)
    )


def count_who(
    model: Model,
    reached: Mapping[Any, Reached],
    said: Mapping[Any, Mapping[str, Any]],
    number_of: Callable[[Any], int] = lambda patient: 0,
) -> tuple[dict[tuple[int, str, str], int], dict[tuple[int, str, str], int]]:
    """The characteristics of patients one by one, and the sums of their numbers.

    `said` holds sex, hospital, age at index and last day observed.
    """
    counts: Counter[tuple[int, str, str]] = Counter()
    cells: Counter[tuple[int, str, str]] = Counter()
    for patient, at in reached.items():
        of_patient = said.get(patient, {})
        for name in known_characteristics(model):
            cell = (at.stage, name, _value(name, at.index, of_patient))
            counts[cell] += 1
            cells[cell] += number_of(patient) if at.stage else 0
    return dict(counts), dict(cells)


def _value(name: str, index: date | None, said: Mapping[str, Any]) -> str:
    if name == AGE:
        return band_of(said.get(AGE), AGE_BANDS)
    if name == YEAR:
        return MISSING if index is None else str(index.year)
    if name == FOLLOW_UP:
        last = said.get(FOLLOW_UP)
        return band_of(None if index is None or last is None else (last - index).days, FOLLOW_UP_BANDS)
    value = said.get(name)
    return MISSING if value is None or str(value) == "" else str(value)
