"""From a data lock to the table that is analysed: one row a subject, and the source line of every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from studies.adverse_events import AdverseEvents, read_adverse_events
from studies.attrition import Attrition, AttritionStep
from studies.covariates import derive_covariate
from studies.exposure import derive_exposure
from studies.outcome import EVENT, STATUS, TIME, derive_outcome
from studies.populations import restricted
from studies.protocol import COMPARATOR, EXPOSED, Protocol
from studies.protocol_rows import index_rows
from studies.tables import (
    LINEAGE_COLUMNS,
    SUBJECT_TABLE,
    in_days,
    lineage_of,
    table,
    with_source_rows,
)

INDEX = "index"
SITE = "site_id"
INDEX_MONTH = "index_month"  # of a subject, in a lock by month only

MONTHS_ONLY = Problem(
    code="study.months_only",
    zh="该数据锁定的日期只精确到月，无法计算随访天数，不能运行分析。",
    en="This data lock holds months instead of days, so no follow-up can be computed and nothing analysed.",
    next_zh="如需分析，请登记 lock.dates 为 days 或 shift 的方案并重新锁定。",
    next_en="To analyse, register a protocol whose lock.dates is days or shift, and lock again.",
    http=409,
    exit=Exit.REFUSED,
)

_POPULATION = Bilingual("不属于主要分析人群：{title}", "Not in the population of the main analysis: {title}")
_START = Bilingual("数据锁定中的受试者", "Subjects in the data lock")


@dataclass(frozen=True)
class StudyDataset:
    """The analysis table.

    frame     -- sorted by subject_id: subject_id, site_id, <exposure> (1 exposed, 0 comparator),
                 time_days, event (0/1), status (0 censored, 1 event, 2 competing; only where the outcome names
                 competing events), then the covariates in the protocol's order
    attrition -- from the lake (if the cohort's steps were given) to the analysed subjects
    lineage   -- subject_id, variable, source_row (the lock's name of a source line); `variable` is a column
                 of `frame`, `index`, or a name of studies.adverse_events. A value that says "no such record" has
                 no line
    adverse_events -- where `safety` is planned; None: the lock does not hold them
    """

    frame: pd.DataFrame
    attrition: tuple[AttritionStep, ...]
    lineage: pd.DataFrame
    exposure: str
    adverse_events: AdverseEvents | None = None

    @property
    def by_arm(self) -> Mapping[str, int]:
        exposed = int(self.frame[self.exposure].sum())
        return {EXPOSED: exposed, COMPARATOR: len(self.frame) - exposed}


def build(
    lock: Mapping[str, pd.DataFrame], protocol: Protocol, before: Sequence[AttritionStep] = ()
) -> StudyDataset:
    """Derive exposure, outcome and covariates. `before` are the cohort's steps, put in front of ours.

    A lock of days and one of shifted dates give the same table; one of months is refused.
    """
    lock = in_days(with_source_rows(lock))
    if INDEX_MONTH in lock.get(SUBJECT_TABLE, ()):
        raise MONTHS_ONLY.error()
    subjects = table(lock, SUBJECT_TABLE, (SUBJECT_ID, SITE))
    sites = dict(zip(subjects[SUBJECT_ID], subjects[SITE], strict=True))
    attrition = Attrition.of(sorted(sites), _START)
    exposed = derive_exposure(lock, protocol.exposure, attrition)
    covariates = {one.name: derive_covariate(lock, one, attrition) for one in protocol.covariates}
    outcomes = derive_outcome(lock, protocol.outcome, attrition)
    ids = attrition.ids
    columns: dict[str, object] = {
        SUBJECT_ID: pd.Series(ids, dtype="object"),
        SITE: pd.Series([sites[one] for one in ids], dtype="object"),
        protocol.exposure.name: pd.Series([exposed.exposed[one] for one in ids], dtype="int64"),
        TIME: pd.Series([outcomes.time_days[one] for one in ids], dtype="int64"),
        EVENT: pd.Series([outcomes.event[one] for one in ids], dtype="int64"),
    }
    if protocol.outcome.competing is not None:
        columns[STATUS] = pd.Series([outcomes.status[one] for one in ids], dtype="int64")
    types = {"number": "float64", "levels": "object", "record": "int64"}
    for one in protocol.covariates:
        values = covariates[one.name].values
        columns[one.name] = pd.Series([values[subject] for subject in ids], dtype=types[one.type])
    lines = [lineage_of(index_rows(lock, protocol.cohort), INDEX), exposed.lineage, outcomes.lineage]
    lines += [covariates[one.name].lineage for one in protocol.covariates]
    frame = pd.DataFrame(columns)
    adverse_events, adverse_lines = read_adverse_events(lock, protocol)
    return StudyDataset(
        frame=frame,
        attrition=(*before, *attrition.done, *_into_the_population(frame, protocol)),
        lineage=_lineage([*lines, adverse_lines], ids),
        exposure=protocol.exposure.name,
        adverse_events=adverse_events,
    )


def _into_the_population(frame: pd.DataFrame, protocol: Protocol) -> list[AttritionStep]:
    """The last step: from everybody to the population of the last Cox model, which the answer is about."""
    asked = [one.population for one in protocol.analyses if one.method == "cox"]
    if not asked:
        return []
    population = protocol.population(asked[-1])
    remaining = len(restricted(frame, population))
    reason = Bilingual(
        _POPULATION.zh.format(title=population.title.zh), _POPULATION.en.format(title=population.title.en)
    )
    return [AttritionStep(reason, len(frame) - remaining, remaining)] if remaining < len(frame) else []


def _lineage(parts: Sequence[pd.DataFrame], ids: Sequence[str]) -> pd.DataFrame:
    every = pd.concat([one for one in parts if len(one)] or list(parts), ignore_index=True)
    every = every[every[SUBJECT_ID].isin(set(ids))]
    return every.sort_values(list(LINEAGE_COLUMNS), kind="stable", ignore_index=True)
