"""Thresholds and time: the newest check judged by other thresholds, and every rule from run to run."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from sqlmodel import col, select

from rwd_platform.access.permissions import Scope, check_can, scope_of
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.check_quality import newest_run, run_content, save_run
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import QualityRun

if TYPE_CHECKING:
    from quality.scorecard import Series
    from quality.thresholds import Change

NO_RUN = Problem(
    code="quality.no_run",
    zh="还没有做过质量检查，没有可供重新判定的计数。",
    en="No quality check has been made yet, so there are no counts to judge again.",
    next_zh="请先运行 `rwd quality check`。",
    next_en="Run `rwd quality check` first.",
    http=404,
    exit=Exit.MALFORMED,
)


def preview_thresholds(platform: Platform, actor: Actor, text: str) -> tuple[Change, ...]:
    """Which verdicts of the newest check these thresholds would change. Nothing is kept."""
    from quality.report import read_report
    from quality.thresholds import changes, parse_thresholds, rejudge

    check_can(actor, "quality.read", actor.organisation)
    before = read_report(_newest(platform).report)
    return changes(before, rejudge(before, parse_thresholds(text)))


def adopt_thresholds(platform: Platform, actor: Actor, text: str) -> QualityRun:
    """Judge the newest check again and keep the verdicts as a run of their own; later checks use the same.

    The counts are those of the earlier run, and no row is looked at. `study.lock` reads the new verdicts.
    """
    from quality.report import read_report
    from quality.thresholds import parse_thresholds, rejudge

    check_can(actor, "quality.judge", actor.organisation)
    run = _newest(platform)
    report = rejudge(read_report(run.report), parse_thresholds(text))
    content = {**run.report, **run_content(report), "rejudged_from": run.id}
    return save_run(platform, actor, content, "quality.rejudged")


def quality_series(
    platform: Platform, actor: Actor, rules: Container[str] | None = None, runs: int = 100
) -> tuple[Series, ...]:
    """Scorecards over time: every rule (or those named) in every hospital that the actor may see, oldest run first.

    Of the newest `runs` runs. Who may see one hospital alone sees no figure of all together.
    """
    from quality.scorecard import series

    check_can(actor, "quality.read", actor.organisation)
    newest = select(QualityRun).order_by(col(QualityRun.made_at).desc()).limit(runs)
    stored = [(run.id, run.made_at, run.report) for run in platform.records.all(newest)]
    found = series(stored, rules)
    if scope_of(actor, "quality.read") is Scope.ANY:
        return found
    return tuple(one for one in found if one.organisation_id == actor.organisation)


def _newest(platform: Platform) -> QualityRun:
    run = newest_run(platform)
    if run is None or not run.report.get("checks"):
        raise NO_RUN.error()
    return run
