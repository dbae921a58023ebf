"""What the subjects who were lost could do to a conclusion: every possibility, and where the verdict turns.

`of` a performance criterion: the exact bound and the verdict for each number of failures among the lost.
Of a population and a horizon: the risk difference of the two arms for each pair of numbers (a map). Failure
is the outcome event by the horizon. More lines than can be drawn are thinned; what is said of turns is exact.
"""

from __future__ import annotations

from collections.abc import Iterable

from studies.analyses.context import Context, Counts, Done, Pen, points
from studies.analyses.horizon import ByHorizon, by_horizon, of_exposed
from studies.analyses.performance_criterion import NOBODY_FOLLOWED, goal_of, planned
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, COMPARATOR, EXPOSED
from studies.reasons import NO_SUBJECTS, CannotEstimate
from studies.results import Series, Value
from studies.statistics.counts.performance_criterion import (
    Criterion,
    CriterionResult,
    LossToFollowUp,
    against_criterion,
    loss_to_follow_up,
)
from studies.statistics.missing.tipping_counts import (
    NOBODY_LOST,
    VERDICTS,
    Contrast,
    TippingCounts,
    tipping_counts,
)

METHOD = "exact one-sided binomial test against the criterion, for every number of failures among those lost"
MOST_LINES = 101  # of the line of bounds: more is not seen in print
BOUNDS = ("failures_among_lost", "bound", "verdict")
MAP = ("failed_exposed", "failed_comparator", "difference", "ci_low", "ci_high", "verdict")


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Raises `CannotEstimate` where nobody was lost: a map without a second point says nothing."""
    return _single_arm(analysis, context) if analysis.of else _two_arms(analysis, context)


def _single_arm(analysis: PlannedAnalysis, context: Context) -> Done:
    of = context.protocol.analysis(analysis.of)
    subset = context.subset(of.population)
    if not subset.exposed.any():
        raise CannotEstimate(NO_SUBJECTS)
    criterion, horizon = planned(of)
    seen = of_exposed(subset, horizon)
    _somebody_lost([seen])
    goal, lost, known = goal_of(criterion), int(seen.lost.sum()), int((~seen.lost).sum())
    counted = int((seen.followed if goal.direction == "at least" else seen.failed).sum())
    found = loss_to_follow_up(counted, known, lost, goal, alpha=criterion.alpha)
    turns = {verdict: _turn(found, verdict) for verdict in ("not shown", "not met")}
    variables = context.variables(of, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD, arm=EXPOSED)
    n = known + lost
    pen.write("subjects", n, group=EXPOSED, n=n)
    pen.write("lost", lost, group=EXPOSED, n=n)
    pen.write("criterion", criterion.value, n=n)
    _write_bound(pen, "none_failed", found.as_successes)
    _write_bound(pen, "all_failed", found.as_failures)
    pen.write("failures_to_overturn", found.failures_to_overturn, group=EXPOSED, n=n)
    pen.write("failures_to_miss", turns["not met"], group=EXPOSED, n=n)
    step = max(-(-lost // (MOST_LINES - 1)), 1)
    pen.write("grid_step", step, group=EXPOSED, n=n)
    lines = _lines(lost, step, turns.values())
    shown = points(_bound(k, found, goal, counted, n, criterion.alpha) for k in lines)
    row_set = f"{subset.population}.{EXPOSED}"
    return Done(tuple(pen.rows), (Series(f"{analysis.id}.bounds", analysis.id, BOUNDS, shown, row_set),))


def _turn(found: LossToFollowUp, verdict: str) -> int | None:
    """The smallest number of failures with this verdict or a worse one."""
    order = ("met", "not shown", "not met")
    at_least = [k for k, one in enumerate(found.verdicts) if order.index(one) >= order.index(verdict)]
    return at_least[0] if at_least else None


def _lines(lost: int, step: int, turns: Iterable[int | None]) -> list[int]:
    """Every `step`, the end, and both sides of each turn: the figure shows where it is, not where about."""
    beside = {one for turn in turns if turn is not None for one in (turn - 1, turn) if one >= 0}
    return sorted({*range(0, lost + 1, step), lost, *beside})


def _bound(
    failures: int, found: LossToFollowUp, goal: Criterion, counted: int, n: int, alpha: float
) -> tuple[Value, ...]:
    more = found.lost - failures if goal.direction == "at least" else failures
    return failures, against_criterion(counted + more, n, goal, alpha=alpha).bound, found.verdicts[failures]


def _write_bound(pen: Pen, section: str, found: CriterionResult) -> None:
    counts: Counts = {"n": found.n, "events": found.events}
    pen.write("bound", found.bound, section=section, level=1 - found.alpha, **counts)
    pen.write("verdict", found.verdict, section=section, **counts)


def _two_arms(analysis: PlannedAnalysis, context: Context) -> Done:
    horizon = analysis.horizon
    assert horizon is not None  # noqa: S101 - planned_checks demands it where `of` is not given
    subset = context.subset(analysis.population)
    subset.require_both_arms()
    seen = {
        arm: by_horizon(subset.days[subset.arm(arm)], subset.event[subset.arm(arm)], horizon) for arm in ARMS
    }
    first, second = seen[EXPOSED], seen[COMPARATOR]
    _somebody_lost([first, second])
    found = tipping_counts(
        (int(first.failed.sum()), int(second.failed.sum())),
        (int((~first.lost).sum()), int((~second.lost).sum())),
        (int(first.lost.sum()), int(second.lost.sum())),
    )
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, found.method)
    for arm, step in zip((EXPOSED, COMPARATOR), found.step, strict=True):
        n = len(seen[arm].lost)
        pen.write("subjects", n, group=arm, n=n)
        pen.write("failed", int(seen[arm].failed.sum()), group=arm, n=n)
        pen.write("followed", int(seen[arm].followed.sum()), group=arm, n=n)
        pen.write("lost", int(seen[arm].lost.sum()), group=arm, n=n)
        pen.write("grid_step", step, group=arm, n=n)
    for section in ("observed", "none", "every", "worst", "best"):
        _write_contrast(pen, section, getattr(found, section))
    _write_turns(pen, found)
    shown = points(_cells(found))
    return Done(tuple(pen.rows), (Series(f"{analysis.id}.map", analysis.id, MAP, shown, subset.population),))


def _somebody_lost(arms: list[ByHorizon]) -> None:
    if not any(one.lost.any() for one in arms):
        raise CannotEstimate(NOBODY_LOST)
    if any(one.lost.any() and not one.followed.any() for one in arms):
        # Before anybody has been in long enough there is no loss to follow-up, only a short one.
        raise CannotEstimate(NOBODY_FOLLOWED)


def _write_contrast(pen: Pen, section: str, found: Contrast) -> None:
    counts: Counts = {"n": sum(found.n), "events": sum(found.events)}
    limits = (found.lower, found.upper)
    pen.write("difference", found.difference, section=section, limits=limits, **counts)
    pen.write("verdict", found.verdict, section=section, **counts)


def _write_turns(pen: Pen, found: TippingCounts) -> None:
    n, turns = sum(found.none.n), found.turns
    pen.write("combinations", found.combinations, n=n)
    pen.write("combinations_changed", found.changed, n=n)
    for key, arm, value in (
        ("not_better", EXPOSED, turns.not_better),
        ("worse", EXPOSED, turns.worse),
        ("not_worse", COMPARATOR, turns.not_worse),
        ("better", COMPARATOR, turns.better),
    ):
        pen.write("turns_at", value, group=arm, key=key, n=found.none.n[arm == COMPARATOR])


def _cells(found: TippingCounts) -> Iterable[tuple[Value, ...]]:
    for row, first in enumerate(found.first.tolist()):
        for column, second in enumerate(found.second.tolist()):
            at = (row, column)
            yield (
                first, second, float(found.difference[at]), float(found.lower[at]), float(found.upper[at]),
                VERDICTS[int(found.verdict[at])],
            )  # fmt: skip
