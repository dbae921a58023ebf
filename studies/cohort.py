"""Who is in the study and from which day: the index date of each person, without a look at outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import PATIENT_ID
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition, AttritionStep
from studies.cohorts.lake_frames import engine_over
from studies.cohorts.steps import run
from studies.cohorts.tables import load_model
from studies.protocol import Cohort, Criterion, DefinedCohort, Protocol
from studies.protocol_rows import MODEL
from studies.tables import PATIENT_TABLE, lake_rows, table

OUTCOMES_OFFERED = Problem(
    code="cohort.outcomes_offered",
    zh="定义队列时不得提供结局表 {table}。",
    en="The outcome table {table} must not be offered when the cohort is defined.",
    next_zh="请在方案冻结前移除结局表。",
    next_en="Leave the outcome table out until the protocol is frozen.",
    http=403,
    exit=Exit.REFUSED,
)

_START = Bilingual("数据湖中的患者", "Patients in the lake")
_NO_INDEX = Bilingual("没有起始事件：{title}", "No index event: {title}")
_NOT_TO_THE_DAY = Bilingual("起始日期未精确到日", "The index date is not known to the day")


@dataclass(frozen=True)
class IndexDates:
    """`frame`: patient_id and index_date (YYYY-MM-DD text), one row a person, sorted by patient_id."""

    frame: pd.DataFrame
    attrition: tuple[AttritionStep, ...]


def index_dates(lake: Mapping[str, pd.DataFrame], protocol: Protocol) -> IndexDates:
    """Who enters and on which day; outcomes must not be offered.

    In language 2 the cohort's engine answers, and `lake` also holds the observation periods. In the older form the
    index date is the first index event, and a criterion that cannot be decided is not met.
    """
    for name in sorted(load_model(MODEL).outcomes.intersection(lake)):
        raise OUTCOMES_OFFERED.error(table=name)
    if isinstance(protocol.cohort, DefinedCohort):
        return _defined(lake, protocol.cohort)
    return _in_order(lake, protocol.cohort)


def _defined(lake: Mapping[str, pd.DataFrame], cohort: DefinedCohort) -> IndexDates:
    """The starts of the patients' intervals: one a patient, which the linter has made sure of."""
    with engine_over(lake, cohort.definition, load_model(MODEL)) as engine:
        result = run(engine, cohort.definition)
    steps = tuple(
        AttritionStep(
            _no_index(cohort.index_title) if step.id == "recorded" else step.reason,
            step.left,
            step.remaining,
        )
        for step in result.steps
    )
    rows = result.rows.rename(columns={"start_date": "index_date"})[[PATIENT_ID, "index_date"]]
    return IndexDates(rows.astype("object").sort_values(PATIENT_ID, ignore_index=True), steps)


def _in_order(lake: Mapping[str, pd.DataFrame], cohort: Cohort) -> IndexDates:
    patients = table(lake, PATIENT_TABLE, (PATIENT_ID, "gender", "birth_date"))
    patients = patients.drop_duplicates(PATIENT_ID).set_index(PATIENT_ID, drop=False)
    attrition = Attrition.of(sorted(patients.index), _START)
    events = lake_rows(lake, cohort.index)
    attrition.keep(events[PATIENT_ID], _no_index(cohort.index_title))
    first = _first_day(events)
    attrition.keep(first.index, _NOT_TO_THE_DAY)
    for criterion in cohort.criteria:
        attrition.keep(_who_meets(criterion, lake, patients, first), criterion.reason)
    ids = attrition.ids
    dates = [first[one].strftime("%Y-%m-%d") for one in ids]
    frame = pd.DataFrame({PATIENT_ID: ids, "index_date": dates}, dtype="object")
    return IndexDates(frame, attrition.done)


def _no_index(title: Bilingual) -> Bilingual:
    return Bilingual(_NO_INDEX.zh.format(title=title.zh), _NO_INDEX.en.format(title=title.en))


def _first_day(events: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """The first event of each person.

    A partial date (`1984-05`) may be earlier than any full one, and then nobody knows the first day:
    such a person has no index date unless the full date is earlier than the partial one can be.
    """
    exact = events.assign(day=_exact(events["date"]), text=events["date"].astype("string"))
    first = exact.dropna(subset=["day"]).groupby(PATIENT_ID)["day"].min()
    partial = exact[exact["day"].isna() & exact["text"].notna()]
    earliest = partial.groupby(PATIENT_ID)["text"].min()
    doubtful = [
        one
        for one, text in earliest.items()
        if one in first.index and str(text) <= f"{first.at[one]:%Y-%m-%d}"
    ]
    return first.drop(doubtful)


def _exact(dates: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Timestamps of full dates; partial, missing and impossible dates become NaT."""
    text = dates.astype("string")
    full = text.where(text.str.fullmatch(r"\d{4}-\d{2}-\d{2}").fillna(False))
    return pd.to_datetime(full, format="%Y-%m-%d", errors="coerce")


def _who_meets(
    criterion: Criterion,
    lake: Mapping[str, pd.DataFrame],
    patients: pd.DataFrame,
    first: pd.Series[pd.Timestamp],
) -> list[str]:
    if criterion.kind == "gender":
        return list(patients.index[patients["gender"].isin(list(criterion.values))])
    if criterion.kind == "age":
        born = _exact(patients["birth_date"]).dropna()
        ages = {one: _completed_years(born[one], first[one]) for one in born.index.intersection(first.index)}
        low = criterion.at_least if criterion.at_least is not None else -1
        high = criterion.at_most if criterion.at_most is not None else 1000
        return [one for one, age in ages.items() if low <= age <= high]
    assert criterion.records is not None  # noqa: S101 - the reader guarantees it for this kind
    rows = lake_rows(lake, criterion.records)
    rows = rows[rows[PATIENT_ID].isin(first.index)]
    days = (_exact(rows["date"]) - rows[PATIENT_ID].map(first)).dt.days
    found = set(rows.loc[days.between(*criterion.days).fillna(False), PATIENT_ID])
    return [one for one in first.index if (one in found) == criterion.present]


def _completed_years(born: pd.Timestamp, day: pd.Timestamp) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
