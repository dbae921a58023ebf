"""A single arm against an objective performance criterion, and what the subjects who were lost could do to it.

The exact one-sided test decides; Kaplan-Meier at the same day stands beside it. Subjects lost before the
day count as the protocol says (`lost`), and always also the other ways: as failures, left out, as successes.
"""

from __future__ import annotations

from studies.analyses.context import Context, Counts, Done, Pen, Subset, points
from studies.analyses.horizon import ByHorizon, of_exposed
from studies.outcome import EVENT, TIME
from studies.planned import Criterion, Horizon, PlannedAnalysis
from studies.protocol import EXPOSED
from studies.reasons import NO_SUBJECTS, CannotEstimate, Reason, joined
from studies.results import Series, Value
from studies.statistics.counts.criterion_power import criterion_power, criterion_sample_size
from studies.statistics.counts.performance_criterion import (
    Criterion as Goal,
)
from studies.statistics.counts.performance_criterion import (
    CriterionResult,
    LossToFollowUp,
    loss_to_follow_up,
    survival_against_criterion,
)
from studies.statistics.survival.kaplan_meier import kaplan_meier

NOBODY_FOLLOWED = Reason(
    "nobody_followed",
    "没有受试者随访到规定时点，成功率尚无从谈起。",
    "Nobody had been followed to the horizon: there is no share of successes yet.",
)
METHOD = "exact one-sided binomial test against the criterion; Clopper-Pearson limits"
KM_METHOD = "Kaplan-Meier at the horizon; one-sided limit by log(-log S)"
POWER_METHOD = "exact power of the one-sided binomial test at the share that the protocol assumed"
PLANNED_POWER = 0.8


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    if not subset.exposed.any():
        raise CannotEstimate(NO_SUBJECTS)
    criterion, horizon = planned(analysis)
    seen = of_exposed(subset, horizon)
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, METHOD, arm=EXPOSED)
    n = len(seen.lost)
    write_follow_up(pen, seen)
    pen.write("criterion", criterion.value, n=n)
    found = _found(seen, goal_of(criterion), criterion.alpha)
    chosen = found.as_failures if analysis.lost == "as_failure" else found.observed
    _write_result(pen, "", chosen)
    for section, one in (
        ("worst_case", found.as_failures),
        ("complete_cases", found.observed),
        ("best_case", found.as_successes),
    ):
        _write_result(pen, section, one)
    stays = found.failures_to_overturn
    pen.write("failures_to_overturn", stays, group=EXPOSED, n=n)
    not_done = (*_write_curve(pen, subset, criterion, horizon), *_write_power(pen, criterion, n))
    columns = ("failures_among_lost", "verdict")
    lines: list[tuple[Value, ...]] = list(enumerate(found.verdicts))
    tipping = Series(
        f"{analysis.id}.tipping", analysis.id, columns, points(lines), f"{subset.population}.{EXPOSED}"
    )
    return Done(tuple(pen.rows), (tipping,), not_done)


def planned(analysis: PlannedAnalysis) -> tuple[Criterion, Horizon]:
    """The reader has made sure that both are there."""
    assert analysis.criterion is not None and analysis.horizon is not None  # noqa: S101 - required fields of the method
    return analysis.criterion, analysis.horizon


def goal_of(criterion: Criterion) -> Goal:
    direction = "at least" if criterion.direction == "at_least" else "at most"
    return Goal(criterion.value, criterion.source.en, direction)  # type: ignore[arg-type]  # one of the two


def write_follow_up(pen: Pen, seen: ByHorizon) -> None:
    """Completeness: how many there are and how many were lost. Never sealed."""
    n = len(seen.lost)
    pen.write("subjects", n, group=EXPOSED, n=n)
    pen.write("lost", int(seen.lost.sum()), group=EXPOSED, n=n)
    pen.write("lost_share", seen.lost_share, n=n)


def _found(seen: ByHorizon, goal: Goal, alpha: float) -> LossToFollowUp:
    """`at least` counts successes, `at most` counts failures."""
    counted = seen.followed if goal.direction == "at least" else seen.failed
    observed = int((~seen.lost).sum())
    if seen.lost.any() and not seen.followed.any():
        # Not a share of 0: nobody had been in long enough when the data were locked.
        raise CannotEstimate(NOBODY_FOLLOWED)
    return loss_to_follow_up(int(counted.sum()), observed, int(seen.lost.sum()), goal, alpha=alpha)


def _write_result(pen: Pen, section: str, found: CriterionResult) -> None:
    counts: Counts = {"n": found.n, "events": found.events}
    level = 1 - 2 * found.alpha
    limits = (found.lower, found.upper)
    pen.write("proportion", found.estimate, section=section, limits=limits, level=level, **counts)
    pen.write("bound", found.bound, section=section, level=1 - found.alpha, **counts)
    pen.write("p_value", found.p, section=section, **counts)
    pen.write("met", int(found.verdict == "met"), section=section, **counts)
    pen.write("verdict", found.verdict, section=section, **counts)
    pen.write("claim", joined(found.claim), section=section, **counts)


def _write_curve(
    pen: Pen, subset: Subset, criterion: Criterion, horizon: Horizon
) -> tuple[tuple[str, str], ...]:
    """Who was lost counts up to the day of the loss; the exact test above cannot do that."""
    arm = subset.exposed
    try:
        curve = kaplan_meier(subset.days[arm], subset.event[arm])
        at = curve.at([float(horizon.day)])
        share = criterion.value if criterion.direction == "at_least" else 1 - criterion.value
        goal = Goal(share, criterion.source.en, "at least")
        found = survival_against_criterion(
            horizon.day, float(at.surv[0]), float(at.std_err[0]), goal, alpha=criterion.alpha
        )
    except CannotEstimate as reason:
        return ((f"{pen.analysis}.curve", joined(reason.text)),)
    counts: Counts = {"n": int(arm.sum()), "events": int(subset.event[arm].sum())}
    pen.write(
        "survival", found.estimate, section="curve", key=f"day_{horizon.day}", method=KM_METHOD, **counts
    )
    pen.write("bound", found.bound, section="curve", method=KM_METHOD, **counts)
    pen.write("p_value", found.p, section="curve", method=KM_METHOD, **counts)
    return ()


def _write_power(pen: Pen, criterion: Criterion, n: int) -> tuple[tuple[str, str], ...]:
    """Of the plan, not of the data: with the share that the protocol assumed."""
    if criterion.assumed is None:
        return ()
    goal = goal_of(criterion)
    planned_for = criterion_power(n, criterion.assumed, goal, alpha=criterion.alpha)
    pen.write("power", planned_for.power, n=n, method=POWER_METHOD)
    try:
        needed = criterion_sample_size(criterion.assumed, goal, power=PLANNED_POWER, alpha=criterion.alpha)
    except CannotEstimate as reason:
        return ((f"{pen.analysis}.subjects_needed", joined(reason.text)),)
    pen.write("subjects_needed", needed.n, n=n, method=POWER_METHOD)
    return ()
