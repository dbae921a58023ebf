"""Run the protocol's planned analyses on a dataset: every number a row, every gap with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from rwd_platform.core.errors import Problem
from studies.analyses import (
    balance,
    borrowing,
    bridging,
    cox,
    cumulative_incidence,
    e_value,
    follow_up,
    forest,
    kaplan_meier,
    leave_one_out,
    log_rank,
    overlap,
    performance_criterion,
    rmst,
    safety,
    specification,
    subgroups,
    tipping_point,
)
from studies.analyses.context import Context, Done, Pen, points
from studies.claims import claim_rows
from studies.dataset import StudyDataset
from studies.outcome import EVENT, STATUS, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, Protocol
from studies.reasons import COHORT_EMPTY, CannotEstimate, joined
from studies.results import ArdRow, ResultSet, Series

FRAME_REFUSED = Problem(
    code="study.frame_refused",
    zh="分析数据集的列 {column} 含有缺失、非有限或不允许的值，未做任何分析。",
    en="The column {column} of the analysis table holds missing or impossible values; nothing was analysed.",
    next_zh="请用 studies.dataset.build 从数据锁定重新生成分析数据集。",
    next_en="Rebuild the analysis table from the data lock with studies.dataset.build.",
)

METHODS: Mapping[str, Callable[[PlannedAnalysis, Context], Done]] = {
    "cox": cox.run,
    "balance": balance.run,
    "overlap": overlap.run,
    "kaplan_meier": kaplan_meier.run,
    "log_rank": log_rank.run,
    "cumulative_incidence": cumulative_incidence.run,
    "follow_up": follow_up.run,
    "forest": forest.run,
    "rmst": rmst.run,
    "performance_criterion": performance_criterion.run,
    "e_value": e_value.run,
    "bridging": bridging.run,
    "borrowing": borrowing.run,
    "subgroups": subgroups.run,
    "leave_one_out": leave_one_out.run,
    "safety": safety.run,
    "tipping_point": tipping_point.run,
    "specification": specification.run,
}

EVERYBODY = "analysed"
COHORT, ATTRITION = "cohort", "attrition"


def run_analyses(dataset: StudyDataset, protocol: Protocol, lock_id: str) -> ResultSet:
    """All planned analyses, in the protocol's order. What cannot be estimated is in `not_done` with why."""
    _check_frame(dataset.frame, protocol)
    context = Context(dataset, protocol)
    rows = [*_cohort_rows(context), *_attrition_rows(context), *_overseas_rows(protocol)]
    series: list[Series] = [_attrition_series(dataset)]
    not_done: dict[str, str] = {}
    for analysis in protocol.analyses:
        try:
            if dataset.frame.empty:
                raise CannotEstimate(COHORT_EMPTY)
            done = METHODS[analysis.method](analysis, context)
        except CannotEstimate as reason:
            not_done[analysis.id] = context.not_done[analysis.id] = joined(reason.text)
            continue
        context.finished[analysis.id] = done
        rows += done.rows
        series += done.series
        not_done.update(done.not_done)
    rows += claim_rows(protocol, rows, not_done)
    return ResultSet(
        study=protocol.id,
        protocol_sha256=protocol.sha256,
        lock_id=lock_id,
        rows=tuple(rows),
        series=tuple(series),
        row_sets=dict(sorted(context.row_sets.items())),
        not_done=not_done,
    )


def _check_frame(frame: pd.DataFrame, protocol: Protocol) -> None:
    """A table that `build` made is always whole; one from elsewhere may not be."""
    allowed: dict[str, set[object]] = {protocol.exposure.name: {0, 1}, EVENT: {0, 1}, STATUS: {0, 1, 2}}
    for covariate in protocol.covariates:
        if covariate.levels:
            allowed[covariate.name] = {level.id for level in covariate.levels}
    for column in (
        "subject_id",
        protocol.exposure.name,
        TIME,
        EVENT,
        *([STATUS] if protocol.outcome.competing is not None else []),
        *(one.name for one in protocol.covariates),
    ):
        if column not in frame.columns or frame[column].isna().any():
            raise FRAME_REFUSED.error(column=column)
        values = frame[column]
        if column in allowed:
            fine = bool(values.isin(list(allowed[column])).all())
        elif column == "subject_id":
            fine = bool(values.is_unique)
        else:
            numbers = values.to_numpy(dtype=float)
            fine = bool(np.isfinite(numbers).all() and (column != TIME or (numbers >= 0).all()))
        if not fine:
            raise FRAME_REFUSED.error(column=column)


def _cohort_rows(context: Context) -> list[ArdRow]:
    frame, exposure = context.dataset.frame, context.dataset.exposure
    ids = frame["subject_id"].tolist()
    context.row_sets[EVERYBODY] = sorted(ids)
    by_arm = context.dataset.by_arm
    exposed = frame[exposure].to_numpy(dtype=bool)
    for arm, chosen in zip(ARMS, (exposed, ~exposed), strict=True):
        context.row_sets[f"{EVERYBODY}.{arm}"] = sorted(frame["subject_id"][chosen].tolist())
    pen = Pen(context, COHORT, EVERYBODY, (exposure,), "count")
    pen.write("subjects", len(ids), key="analysed", n=len(ids))
    for arm in ARMS:
        pen.write("subjects", by_arm[arm], group=arm, n=by_arm[arm])
    return pen.rows


def _attrition_rows(context: Context) -> list[ArdRow]:
    pen = Pen(context, ATTRITION, EVERYBODY, (), "count")
    for number, step in enumerate(context.dataset.attrition, start=1):
        pen.write("left", step.left, section=f"step_{number}", n=step.remaining + step.left)
        pen.write("remaining", step.remaining, section=f"step_{number}", n=step.remaining + step.left)
    return pen.rows


def _attrition_series(dataset: StudyDataset) -> Series:
    columns = ("step", "reason_zh", "reason_en", "left", "remaining")
    steps = (
        (number, step.reason.zh, step.reason.en, step.left, step.remaining)
        for number, step in enumerate(dataset.attrition, start=1)
    )
    return Series(ATTRITION, ATTRITION, columns, points(steps), EVERYBODY)


def _overseas_rows(protocol: Protocol) -> list[ArdRow]:
    """The result to compare with: an aggregate from the protocol; no subject of ours went in."""
    overseas = protocol.overseas
    if overseas is None:
        return []
    return [
        ArdRow(
            id=f"{forest.OVERSEAS}.hazard_ratio",
            analysis=forest.OVERSEAS,
            method=f"aggregate result stated in the protocol: {overseas.source.en}",
            group="",
            variable=protocol.exposure.name,
            statistic="hazard_ratio",
            value=overseas.hazard_ratio,
            ci_low=overseas.ci_low,
            ci_high=overseas.ci_high,
            ci_level=overseas.ci_level,
            n=overseas.subjects,
            events=overseas.events,
            engine="protocol",
            engine_version=protocol.version,
        )
    ]
