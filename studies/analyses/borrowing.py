"""The share of successes with strength borrowed from an overseas series, and what that does in the long run.

The prior is the series' posterior under Beta(1, 1), mixed with Beta(1, 1) (robust) or raised to a power. The
operating characteristics need no outcome of ours: `characteristics_of` gives them before the protocol is frozen.
"""

from __future__ import annotations

import numpy as np

from studies.analyses.context import Context, Counts, Done, Pen, points
from studies.analyses.horizon import of_exposed
from studies.analyses.performance_criterion import write_follow_up
from studies.outcome import EVENT, TIME
from studies.planned import Aggregate, Borrowing, Criterion, PlannedAnalysis
from studies.protocol import EXPOSED
from studies.reasons import NO_SUBJECTS, CannotEstimate, joined
from studies.results import Series
from studies.statistics.bridging.conflict import conflict_binomial
from studies.statistics.bridging.effective_size import ess_elir
from studies.statistics.bridging.map_prior import robustify
from studies.statistics.bridging.mixtures import Mixture, beta, summarise, update_binomial
from studies.statistics.bridging.operating_characteristics import (
    OperatingCharacteristics,
    binary_characteristics,
)

VAGUE = (1.0, 1.0)
# True shares at which the design is shown: every twentieth, and the criterion itself.
TRUE_VALUES = tuple(round(0.05 * step, 2) for step in range(1, 20))
COLUMNS = ("true_share", "claims", "bias", "mean_squared_error", "coverage")


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    subset = context.subset(analysis.population)
    if not subset.exposed.any():
        raise CannotEstimate(NO_SUBJECTS)
    borrowing, criterion, series = planned(analysis, context.protocol.overseas_series)
    assert analysis.horizon is not None  # noqa: S101 - a required field of the method
    seen = of_exposed(subset, analysis.horizon)
    kept = ~seen.lost if analysis.lost == "complete_cases" else np.ones(len(seen.lost), dtype=bool)
    n, successes = int(kept.sum()), int(seen.followed[kept].sum())
    if n == 0:
        raise CannotEstimate(NO_SUBJECTS)
    prior = prior_of(borrowing, series)
    variables = context.variables(analysis, TIME, EVENT)
    pen = Pen(context, analysis.id, subset.population, variables, _method(borrowing, series), arm=EXPOSED)
    write_follow_up(pen, seen)
    _write(pen, prior, informative_of(borrowing, series), criterion, borrowing, n, successes)
    try:
        found = characteristics(prior, n, criterion, borrowing)
    except CannotEstimate as reason:  # too many subjects to enumerate: the posterior stands without them
        return Done(tuple(pen.rows), not_done=((f"{analysis.id}.characteristics", joined(reason.text)),))
    pen.write("type_one_error", found.max_type_1, n=n, method=found.method)
    row_set = f"{subset.population}.{EXPOSED}"
    shown = Series(f"{analysis.id}.characteristics", analysis.id, COLUMNS, points(lines(found)), row_set)
    return Done(tuple(pen.rows), (shown,))


def planned(
    analysis: PlannedAnalysis, series: tuple[Aggregate, ...]
) -> tuple[Borrowing, Criterion, Aggregate]:
    """The reader has made sure that all three are there."""
    assert analysis.borrowing is not None and analysis.criterion is not None  # noqa: S101 - required fields
    wanted = analysis.borrowing.aggregate
    return analysis.borrowing, analysis.criterion, next(one for one in series if one.id == wanted)


def prior_of(borrowing: Borrowing, series: Aggregate) -> Mixture:
    """A beta mixture of the share of successes."""
    informative = informative_of(borrowing, series)
    if borrowing.method == "power":
        return informative
    return robustify(informative, weight=1.0 - borrowing.weight, vague=beta(*VAGUE))


def informative_of(borrowing: Borrowing, series: Aggregate) -> Mixture:
    """What the series alone says. Conflict is looked for here: a vague part agrees with everything."""
    power = borrowing.weight if borrowing.method == "power" else 1.0
    failures = series.subjects - series.successes
    return beta(VAGUE[0] + power * series.successes, VAGUE[1] + power * failures)


def characteristics(
    prior: Mixture, n: int, criterion: Criterion, borrowing: Borrowing
) -> OperatingCharacteristics:
    """Exact, by enumeration of all outcomes of n subjects, at `TRUE_VALUES` and the criterion."""
    truth = sorted({*TRUE_VALUES, criterion.value})
    return binary_characteristics(
        lambda events: update_binomial(prior, events, n),
        n,
        true_values=truth,
        null=criterion.value,
        success_probability=borrowing.decide_at,
        alternative="greater" if criterion.direction == "at_least" else "less",
    )


def lines(found: OperatingCharacteristics) -> list[tuple[float, float, float, float, float]]:
    """One line a true value, in the order of `COLUMNS`."""
    columns = (found.true_value, found.success, found.bias, found.mse, found.coverage)
    return [tuple(float(one) for one in line) for line in zip(*columns, strict=True)]  # type: ignore[misc]  # five columns


def _method(borrowing: Borrowing, series: Aggregate) -> str:
    about = f"{series.successes} of {series.subjects} of the overseas series"
    if borrowing.method == "power":
        return f"beta-binomial, power prior with a0 = {borrowing.weight:g} on {about}"
    return f"beta-binomial, robust prior: weight {borrowing.weight:g} on {about}, the rest on Beta(1, 1)"


def _write(
    pen: Pen,
    prior: Mixture,
    informative: Mixture,
    criterion: Criterion,
    borrowing: Borrowing,
    n: int,
    successes: int,
) -> None:
    counts: Counts = {"n": n, "events": successes}
    posterior = update_binomial(prior, successes, n)
    with_prior, alone = summarise(posterior), summarise(update_binomial(beta(*VAGUE), successes, n))
    pen.write("proportion", with_prior.mean, limits=(with_prior.lower, with_prior.upper), **counts)
    pen.write("proportion", alone.mean, section="alone", limits=(alone.lower, alone.upper), **counts)
    above = posterior.above(criterion.value)
    beaten = above if criterion.direction == "at_least" else 1.0 - above
    pen.write("criterion", criterion.value, **counts)
    pen.write("probability_beaten", beaten, **counts)
    pen.write("met", int(beaten >= borrowing.decide_at), **counts)
    pen.write("prior_effective_size", ess_elir(prior), n=n)
    conflict = conflict_binomial(informative, successes, n)
    pen.write("prior_predictive_p", conflict.box_p, method=conflict.method, **counts)
    if borrowing.method == "robust" and 0 < borrowing.weight < 1:
        pen.write("weight_after", float(posterior.weights[0]), **counts)
