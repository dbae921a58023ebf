"""Adverse events of each arm: who had any, what was grave, how often, under which codes. Described, never sealed.

Observed is from time zero to the end of the outcome's follow-up, or to `until`. What lies outside, has no day or
almost happened is counted apart; nothing is left out in silence. Deaths are reconciled over both arms together, so
that what is open here does not tell an arm's outcome.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from studies.adverse_events import DEATHS, EVENTS, AdverseEvents, codes_of
from studies.analyses.context import Context, Done, Pen, Subset, points
from studies.outcome import DAYS_A_YEAR, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS
from studies.reasons import NO_SUBJECTS, CannotEstimate, Reason, joined
from studies.results import Series, Value
from studies.statistics import Bools, Floats, Ints
from studies.statistics.counts.proportions import proportion
from studies.statistics.safety.event_counts import EventCounts, event_counts
from studies.statistics.safety.onset import time_to_onset
from studies.statistics.safety.rates import NO_TIME_AT_RISK, PER, exact_rate

NO_EVENT_TABLE = Reason(
    "no_event_table",
    "数据锁定中没有不良事件表（锁定早于本功能或当时未计划安全性分析），请重新锁定数据。",
    "The data lock holds no table of adverse events (it is older than this analysis): lock the data again.",
)
SILENT_SITES = Reason(
    "silent_sites",
    "部分受试者所在机构没有报来任何不良事件：0 可能是没有发生，也可能是没有上报",
    "the sites of some subjects sent no adverse event at all: 0 may mean that none happened or that none was reported",
)
METHOD = (
    "subjects with the event, exact limits (Clopper-Pearson); first events per 100 person-years up to them, "
    "exact Poisson limits (Garwood)"
)
BOUND_METHOD = "no event among n: exact one-sided 95 % upper limit 1 - 0.05^(1/n)"
ONSET_METHOD = "median day of the first event among those who had it; limits by order statistics"
# The lines of the overview, in order. The last two say what was not judged.
OVERVIEW = ("any", "serious", "related", "fatal", "deficiency", "serious_unknown", "related_unknown")
TERM, TERMS = "term", "terms"


@dataclass(frozen=True)
class _Observed:
    """Everybody's observation, and the events with the row of their subject."""

    end: Floats  # days
    arm: Ints
    events: pd.DataFrame
    who: Ints
    inside: Bools


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    held = context.dataset.adverse_events
    if held is None:
        raise CannotEstimate(NO_EVENT_TABLE)
    seen = _observed(analysis, subset, held)
    pen = Pen(
        context, analysis.id, subset.population, context.variables(analysis, TIME, EVENTS, DEATHS), METHOD
    )
    absent = [
        (f"{analysis.id}.{arm}", joined(NO_SUBJECTS.about())) for arm in ARMS if not subset.arm(arm).any()
    ]
    arms = [arm for arm in ARMS if subset.arm(arm).any()]
    for arm in arms:
        _write_arm(pen, subset, seen, held, arm)
    terms = _terms(seen)
    counted = _counted(seen, terms)
    for at, line in enumerate((*OVERVIEW, *terms["variable"])):
        section, variable = (line, "") if at < len(OVERVIEW) else (TERM, line)
        for arm in arms:
            _write_line(pen, counted, (at, ARMS.index(arm)), section, variable, subset)
    pen.write("codes", len(terms))
    if analysis.deaths:
        _write_deaths(pen, analysis, subset, seen, held)
    return Done(tuple(pen.rows), (_named(analysis, terms, subset.population),), tuple(absent))


def _named(analysis: PlannedAnalysis, terms: pd.DataFrame, row_set: str) -> Series:
    """Which code each term's `variable` stands for, in the order of frequency; titles are the protocol's, or None."""
    titles = {(one.code_system, one.code): one.title for one in analysis.terms}
    columns = ("variable", "code_system", "code", "title_zh", "title_en")
    lines: list[tuple[Value, ...]] = []
    for variable, system, code in zip(terms["variable"], terms["code_system"], terms["code"], strict=True):
        title = titles.get((system, code))
        lines.append((variable, system, code, title.zh if title else None, title.en if title else None))
    return Series(f"{analysis.id}.{TERMS}", analysis.id, columns, points(lines), row_set)


def _observed(analysis: PlannedAnalysis, subset: Subset, held: AdverseEvents) -> _Observed:
    end = np.minimum(subset.days, analysis.until) if analysis.until else subset.days
    place = pd.Series(np.arange(len(end)), index=subset.frame[SUBJECT_ID].to_numpy(dtype=object))
    events = held.events[held.events[SUBJECT_ID].isin(place.index)].reset_index(drop=True)
    who = place.reindex(events[SUBJECT_ID]).to_numpy(dtype=np.intp)
    day = events["day"].to_numpy(dtype=float)
    inside = (day >= 0) & (day <= end[who])  # NaN is neither
    arm = np.where(subset.exposed, ARMS.index("exposed"), ARMS.index("comparator"))
    return _Observed(end, arm, events, who, inside)


def _write_arm(pen: Pen, subset: Subset, seen: _Observed, held: AdverseEvents, arm: str) -> None:
    """How many were observed for how long, and which reports are in no line of the table."""
    chosen = subset.arm(arm)
    n = int(chosen.sum())
    pen.write("subjects", n, group=arm, n=n)
    pen.write("person_years", float(seen.end[chosen].sum()) / DAYS_A_YEAR, group=arm, unit="years", n=n)
    silent = int((~subset.frame["site_id"].astype(str).isin(held.reporting_sites).to_numpy()[chosen]).sum())
    warnings = [joined(SILENT_SITES.about())] if silent else []
    pen.write("silent_subjects", silent, group=arm, n=n, warnings=warnings)
    mine, day = chosen[seen.who], seen.events["day"].to_numpy(dtype=float)
    actual = seen.events["actual"].to_numpy(dtype=bool)
    counted = actual | seen.events["deficiency"].to_numpy(dtype=bool)
    ids = subset.frame[SUBJECT_ID].to_numpy(dtype=object)[chosen]
    for name, count in (
        ("before_time_zero", (mine & counted & (day < 0)).sum()),
        ("after_observation", (mine & counted & (day > seen.end[seen.who])).sum()),
        ("undated", (mine & counted & np.isnan(day)).sum()),
        ("almost_happened", (mine & ~actual).sum()),
        ("repeated_reports", (seen.events["reports"].to_numpy(dtype=int) - 1)[mine].sum()),
        ("taken_back", held.taken_back.reindex(ids).fillna(0).sum()),
    ):
        pen.write("reports", int(count), section=name, group=arm, n=n)


def _terms(seen: _Observed) -> pd.DataFrame:
    """The codes of the events that count, most frequent first: variable, code_system, code, `code_of` (joined)."""
    pairs = _coded(seen)
    who = pairs.assign(who=seen.who[pairs["event"]]).drop_duplicates(["code", "who"])
    frequency = pd.DataFrame(
        {"subjects": who["code"].value_counts(), "events": pairs["code"].value_counts()}
    ).rename_axis("code_of")
    ordered = frequency.reset_index().sort_values(
        ["subjects", "events", "code_of"], ascending=[False, False, True], kind="stable", ignore_index=True
    )
    parts = ordered["code_of"].astype(str).str.partition("|")
    ordered["code_system"], ordered["code"] = (parts[0], parts[2]) if len(ordered) else ("", "")
    ordered["variable"] = _variables(ordered["code"].astype(str).tolist())
    return ordered


def _coded(seen: _Observed) -> pd.DataFrame:
    counts = seen.inside & seen.events["actual"].to_numpy(dtype=bool)
    pairs = codes_of(seen.events)
    chosen: pd.DataFrame = pairs[counts[pairs["event"]]]
    return chosen


def _variables(codes: list[str]) -> list[str]:
    """Names that stand in result ids; two systems may use one code."""
    found: dict[str, int] = {}
    names = []
    for code in codes:
        name = re.sub(r"[^0-9A-Za-z]+", "_", code).strip("_") or "uncoded"
        found[name] = found.get(name, 0) + 1
        names.append(name if found[name] == 1 else f"{name}__{found[name]}")
    return names


def _counted(seen: _Observed, terms: pd.DataFrame) -> EventCounts:
    """All lines at once: the overview, then the terms in their order."""
    events = seen.events
    actual = events["actual"].to_numpy(dtype=bool)
    flags = {
        "any": actual,
        "serious": actual & (events["serious"] == "yes").to_numpy(),
        "related": actual & (events["related"] == "yes").to_numpy(),
        "fatal": actual & events["fatal"].to_numpy(dtype=bool),
        "deficiency": events["deficiency"].to_numpy(dtype=bool),
        "serious_unknown": actual & (events["serious"] == "unknown").to_numpy(),
        "related_unknown": actual & (events["related"] == "unknown").to_numpy(),
    }
    rows = [np.flatnonzero(flags[name] & seen.inside) for name in OVERVIEW]
    line = [np.full(len(one), at) for at, one in enumerate(rows)]
    pairs = _coded(seen)
    place = pd.Series(np.arange(len(terms)) + len(OVERVIEW), index=terms["code_of"])
    chosen = np.concatenate([*rows, pairs["event"].to_numpy(dtype=np.intp)])
    return event_counts(
        seen.end,
        seen.arm,
        groups=len(ARMS),
        event_subject=seen.who[chosen],
        event_time=events["day"].to_numpy(dtype=float)[chosen],
        line=np.concatenate([*line, place.reindex(pairs["code"]).to_numpy(dtype=np.intp)]),
        lines=len(OVERVIEW) + len(terms),
    )


def _write_line(
    pen: Pen, counted: EventCounts, cell: tuple[int, int], section: str, variable: str, subset: Subset
) -> None:
    arm = ARMS[cell[1]]
    n, affected, events = int(subset.arm(arm).sum()), int(counted.subjects[cell]), int(counted.events[cell])
    years = float(counted.person_time[cell]) / DAYS_A_YEAR

    def write(statistic: str, value: float | int | None, **more: object) -> None:
        about = {"section": section, "variable": variable, "group": arm, "n": n, "events": affected}
        pen.write(statistic, value, **{**about, **more})  # type: ignore[arg-type]  # the names are write's own

    share = proportion(affected, n)
    write("affected", affected)
    write("affected_percent", 100 * share.estimate, unit="%", limits=(100 * share.lower, 100 * share.upper))
    write("adverse_events", events)
    write("person_years", years, unit="years")
    name, unit = "rate_per_100_person_years", "per 100 person-years"
    if years > 0:
        rate = exact_rate(affected, years, n=n, per=PER)
        write(name, rate.rate, unit=unit, limits=(rate.lower, rate.upper))
    else:
        write(name, None, unit=unit, warnings=[joined(NO_TIME_AT_RISK.about())])
    if affected == 0:
        upper = proportion(0, n, alternative="less").upper
        write("upper_limit", 100 * upper, unit="%", level=0.95, method=BOUND_METHOD)
        return
    onset = time_to_onset(counted.onset_of(*cell))
    middle = onset.quantiles[1]
    limits = (middle.lower, middle.upper)
    write("median_onset", middle.value, unit="days", limits=limits, method=ONSET_METHOD)


def _write_deaths(
    pen: Pen, analysis: PlannedAnalysis, subset: Subset, seen: _Observed, held: AdverseEvents
) -> None:
    """Whose death stands in one place and not in the other; of the whole lock's time, over both arms."""
    ids = set(subset.frame[SUBJECT_ID])
    of_outcome = held.deaths.get(analysis.id, frozenset()) & ids
    fatal = seen.events["actual"] & seen.events["fatal"]
    of_events = set(seen.events.loc[fatal, SUBJECT_ID])
    n = len(ids)
    for name, who in (
        ("both", of_outcome & of_events),
        ("only_outcome", of_outcome - of_events),
        ("only_events", of_events - of_outcome),
    ):
        pen.write("reconciled", len(who), section=f"deaths_{name}", n=n)
