"""How bad must the unseen be? Delta-adjusted imputation over a grid of two arms (a tipping map).

Values are imputed as if missing at random and then made worse (or better) by a delta in each arm; the analysis
is repeated for each pair of deltas, and the map shows where the conclusion changes (Permutt 2016, Stat Med
35:2876; National Research Council 2010, chapter 5). All cells use the same random numbers, so the map is
smooth and monotone, and its cell without any shift is the analysis under missing at random.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, ONE_ARM, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.inputs import Labels, labels, matrix, numbers
from studies.statistics.missing.draws import augmented, bayesian_draw, multinomial
from studies.statistics.missing.pooling import TOO_FEW_IMPUTATIONS, Pooled, pool
from studies.statistics.options import checked
from studies.statistics.repeated.design import refuse_dependent

# The estimates and errors (m,) of the completed data sets under a delta for the reference and the treated arm.
Analyse = Callable[[float, float], tuple[Floats, Floats]]

NOT_TWO_ARMS = Reason("not_two_arms", "该分析需要恰好两个组。", "This analysis needs exactly two arms.")
NOTHING_MISSING = Reason(
    "nothing_missing",
    "没有缺失的结局，无需进行临界点分析。",
    "No outcome is missing: there is nothing to tip.",
)
ARM_NEVER_OBSERVED = Reason(
    "arm_never_observed",
    "“{arm}”组没有任何观察到的结局。",
    "No outcome was observed in the arm '{arm}'.",
)


@dataclass(frozen=True)
class TippingMap:
    """Results over deltas: arrays (reference deltas, treated deltas).

    delta_reference (r,) and delta_treated (t,) are shifts (continuous), log odds ratios (binary) or hazard ratios
    (time to event) applied to what is missing; `estimate`, `lower`, `upper`, `p` of the treated minus the
    reference arm (a log hazard ratio for time to event); `significant` p < 1 - conf_level; `tipped`: significance
    or the sign of a significant estimate differs from the cell without a shift, `primary` (row, column);
    missing_reference and missing_treated are numbers of subjects.
    """

    arms: tuple[Hashable, Hashable]
    delta_reference: Floats
    delta_treated: Floats
    estimate: Floats
    se: Floats
    lower: Floats
    upper: Floats
    p: Floats
    significant: Bools
    tipped: Bools
    primary: tuple[int, int]
    missing_reference: int
    missing_treated: int
    m: int
    seed: int
    conf_level: float
    method: str


@checked
def tipping_continuous(
    outcome: npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    *,
    seed: int,
    delta_reference: npt.ArrayLike,
    delta_treated: npt.ArrayLike,
    reference: Hashable | None = None,
    covariates: npt.ArrayLike | None = None,
    m: int = 20,
    conf_level: float = 0.95,
) -> TippingMap:
    """The map of a difference of means by analysis of covariance, pooled by Rubin's rules.

    outcome (n,), NaN where missing; arm (n,) of two levels; covariates (n, c) complete, in the imputation model
    (Bayesian normal, within each arm) and in the analysis. Each delta list has to contain 0. Raises
    `CannotEstimate` for nothing missing, an arm without observed outcomes, other than two arms, bad columns.
    """
    _check_numbers(m, conf_level)
    y, seen, groups, base, x = _prepare(outcome, arm, reference, covariates)
    deltas = (
        checked_deltas(delta_reference, "delta_reference", 0.0),
        checked_deltas(delta_treated, "delta_treated", 0.0),
    )
    treated = groups.codes != base
    design = np.column_stack([np.ones(len(y)), treated, x])
    refuse_dependent(design, ["(Intercept)", "arm", *(f"x{k}" for k in range(x.shape[1]))])
    drawn = np.tile(np.where(seen, y, 0.0), (m, 1))
    for chain in range(m):
        rng = np.random.default_rng([seed, chain])
        for mine in (~treated, treated):
            drawn[chain, mine & ~seen] = _normal_values(y, x, seen, mine, rng)
    # The shift enters the outcome linearly: estimate and residual sum of squares are polynomials of the deltas.
    pinv = np.linalg.pinv(design)
    shift = np.stack([(~treated & ~seen) * 1.0, (treated & ~seen) * 1.0])
    fitted = design @ pinv
    left, left_shift = drawn - drawn @ fitted.T, shift - shift @ fitted.T
    unit = float(np.linalg.inv(design.T @ design)[1, 1])
    df = len(y) - design.shape[1]

    def analyse(d0: float, d1: float) -> tuple[Floats, Floats]:
        values = (drawn + d0 * shift[0] + d1 * shift[1]) @ pinv[1]
        rest = left + d0 * left_shift[0] + d1 * left_shift[1]
        return values, np.sqrt((rest**2).sum(axis=1) / df * unit)

    return fill_map(
        analyse, deltas, (0.0, 0.0), groups, base, ~seen, m, seed, conf_level, float(df),
        f"Delta-adjusted multiple imputation ({m} data sets, seed {seed}), analysis of covariance",
    )  # fmt: skip


@checked
def tipping_binary(
    outcome: npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    *,
    seed: int,
    delta_reference: npt.ArrayLike,
    delta_treated: npt.ArrayLike,
    reference: Hashable | None = None,
    covariates: npt.ArrayLike | None = None,
    m: int = 20,
    conf_level: float = 0.95,
) -> TippingMap:
    """The map of a risk difference: deltas are added to the log odds of a missing outcome.

    outcome (n,) 0/1, NaN where missing; the imputation model is logistic with `covariates` (n, c), within each
    arm, its coefficients drawn for each data set. The same uniform numbers decide in every cell, so a larger
    delta only turns more missing outcomes into events. The pooled error of the difference is that of two
    proportions; where all of an arm are alike its variance uses (events + 0.5)/(n + 1). Each delta list has to
    contain 0. Raises as `tipping_continuous`.
    """
    _check_numbers(m, conf_level)
    y, seen, groups, base, x = _prepare(outcome, arm, reference, covariates)
    if not np.isin(y[seen], (0.0, 1.0)).all():
        raise CannotEstimate(BAD_ARGUMENT, argument="outcome", allowed="0, 1, missing")
    deltas = (
        checked_deltas(delta_reference, "delta_reference", 0.0),
        checked_deltas(delta_treated, "delta_treated", 0.0),
    )
    treated = groups.codes != base
    odds, chance = np.zeros((m, len(y))), np.zeros((m, len(y)))
    for chain in range(m):
        rng = np.random.default_rng([seed, chain])
        chance[chain] = rng.random(len(y))
        for mine in (~treated, treated):
            odds[chain, mine] = _log_odds(y, x, seen, mine, rng)

    def analyse(d0: float, d1: float) -> tuple[Floats, Floats]:
        shares, variances = [], []
        for mine, delta in ((~treated, d0), (treated, d1)):
            hidden = mine & ~seen
            drawn = chance[:, hidden] < 1.0 / (1.0 + np.exp(-np.clip(odds[:, hidden] + delta, -700, 700)))
            n, events = int(mine.sum()), y[mine & seen].sum() + drawn.sum(axis=1)
            share = np.where((events == 0) | (events == n), (events + 0.5) / (n + 1.0), events / n)
            shares.append(events / n)
            variances.append(share * (1.0 - share) / n)
        return shares[1] - shares[0], np.sqrt(variances[0] + variances[1])

    return fill_map(
        analyse, deltas, (0.0, 0.0), groups, base, ~seen, m, seed, conf_level, None,
        f"Delta-adjusted multiple imputation ({m} data sets, seed {seed}) on the log odds, risk difference",
    )  # fmt: skip


@dataclass(frozen=True)
class CountMap:
    """Every way the missing could have turned out: arrays (missing in reference + 1, missing in treated + 1)
    by the number of events among them; risk difference with its limits and p (Wald, unpooled variance).
    """

    arms: tuple[Hashable, Hashable]
    difference: Floats
    lower: Floats
    upper: Floats
    p: Floats
    significant: Bools
    conf_level: float
    method: str


@checked
def count_map(
    outcome: npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    *,
    reference: Hashable | None = None,
    conf_level: float = 0.95,
) -> CountMap:
    """The map without a model: all combinations of events among the missing (Hollis 2002, Stat Med 21:3823;
    Yan, Lee & Li 2009, J Biopharm Stat 19:1085). Its corners are the best and worst cases.

    outcome (n,) 0/1, NaN where missing; arm (n,) of two levels. Where an arm's proportion is 0 or 1 its
    variance uses (events + 0.5)/(n + 1). Raises as `tipping_binary`.
    """
    from scipy.special import ndtr, ndtri

    _check_numbers(2, conf_level)
    y, seen, groups, base, _ = _prepare(outcome, arm, reference, None)
    if not np.isin(y[seen], (0.0, 1.0)).all():
        raise CannotEstimate(BAD_ARGUMENT, argument="outcome", allowed="0, 1, missing")
    treated = groups.codes != base
    shares, variances = [], []
    for mine in (~treated, treated):
        n = int(mine.sum())
        events = y[mine & seen].sum() + np.arange(int((mine & ~seen).sum()) + 1)
        share = np.where((events == 0) | (events == n), (events + 0.5) / (n + 1.0), events / n)
        shares.append(events / n)
        variances.append(share * (1.0 - share) / n)
    difference = shares[1][None, :] - shares[0][:, None]
    se = np.sqrt(variances[1][None, :] + variances[0][:, None])
    half = float(ndtri(0.5 + conf_level / 2)) * se
    p = 2.0 * ndtr(-np.abs(difference / se))
    return CountMap(
        arms=(groups.levels[base], groups.levels[1 - base]), difference=difference, lower=difference - half,
        upper=difference + half, p=p, significant=p < 1.0 - conf_level, conf_level=conf_level,
        method="All possible numbers of events among the missing; risk difference, Wald",
    )  # fmt: skip


def _check_numbers(m: int, conf_level: float) -> None:
    if m < 2:
        raise CannotEstimate(TOO_FEW_IMPUTATIONS)
    if not 0.0 < conf_level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")


def _prepare(
    outcome: npt.ArrayLike,
    arm: Sequence[Hashable] | npt.ArrayLike,
    reference: Hashable | None,
    covariates: npt.ArrayLike | None,
) -> tuple[Floats, Bools, Labels, int, Floats]:
    try:
        y = np.asarray(outcome, dtype=np.float64)
    except (TypeError, ValueError) as not_numbers:
        raise CannotEstimate(NOT_A_NUMBER, variable="outcome") from not_numbers
    if y.ndim != 1 or np.isinf(y).any():
        raise CannotEstimate(NOT_A_NUMBER, variable="outcome")
    groups = labels(arm, "arm", len(y))
    base = two_arms(groups, reference)
    seen = ~np.isnan(y)
    if seen.all():
        raise CannotEstimate(NOTHING_MISSING)
    for k, level in enumerate(groups.levels):
        if not (seen & (groups.codes == k)).any():
            raise CannotEstimate(ARM_NEVER_OBSERVED, arm=str(level))
    x = np.empty((len(y), 0)) if covariates is None else matrix(covariates, len(y), "covariates")
    return y, seen, groups, base, x


def two_arms(groups: Labels, reference: Hashable | None) -> int:
    """The place of the reference among two levels (the first by default)."""
    if len(groups) != 2:
        raise CannotEstimate(ONE_ARM if len(groups) < 2 else NOT_TWO_ARMS)
    if reference is None:
        return 0
    if reference not in groups.levels:
        raise CannotEstimate(BAD_ARGUMENT, argument="reference", allowed=", ".join(map(str, groups.levels)))
    return groups.levels.index(reference)


def checked_deltas(values: npt.ArrayLike, name: str, neutral: float) -> Floats:
    """Deltas in increasing order, once each; `neutral` has to be among them: it is the primary analysis."""
    column = np.unique(numbers(values, name))
    if neutral not in column:
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed=f"a list with {neutral:g} in it")
    return column


def _normal_values(y: Floats, x: Floats, seen: Bools, mine: Bools, rng: np.random.Generator) -> Floats:
    have, want = mine & seen, mine & ~seen
    design = np.column_stack([np.ones(len(y)), x])
    names = ["(Intercept)", *(f"x{k}" for k in range(x.shape[1]))]
    refuse_dependent(design[have], names)
    free = max(int(have.sum()) - design.shape[1], 1)
    normals: Floats = rng.standard_normal((design.shape[1],))
    _, beta, sigma = bayesian_draw(design[have], y[have], normals, float(rng.chisquare(free)))
    return np.asarray(design[want] @ beta + sigma * rng.standard_normal(int(want.sum())))


def _log_odds(y: Floats, x: Floats, seen: Bools, mine: Bools, rng: np.random.Generator) -> Floats:
    design = np.column_stack([np.ones(len(y)), x])
    have = mine & seen
    coef, information = multinomial(*augmented(design[have], y[have], 2), 2, "outcome")
    root = np.linalg.cholesky(information)
    drawn = coef[0] + np.linalg.solve(root.T, rng.standard_normal(len(information)))
    return np.asarray(design[mine] @ drawn)


def fill_map(
    analyse: Analyse, deltas: tuple[Floats, Floats], neutral: tuple[float, float], groups: Labels, base: int,
    hidden: Bools, m: int, seed: int, conf_level: float, df_complete: float | None, method: str,
) -> TippingMap:  # fmt: skip
    """Run `analyse(d0, d1)`, which gives m estimates and m errors, in every cell, and pool."""
    cells: list[list[Pooled]] = []
    for d0 in deltas[0]:
        row = []
        for d1 in deltas[1]:
            estimates, errors = analyse(float(d0), float(d1))
            row.append(pool(estimates, errors, df_complete=df_complete, conf_level=conf_level))
        cells.append(row)

    def gather(field: str) -> Floats:
        return np.array([[getattr(cell, field) for cell in row] for row in cells], dtype=np.float64)

    estimate, p = gather("estimate"), gather("p")
    significant = p < 1.0 - conf_level
    at = int(np.flatnonzero(deltas[0] == neutral[0])[0]), int(np.flatnonzero(deltas[1] == neutral[1])[0])
    verdict = np.where(significant, np.sign(estimate), 0.0)
    return TippingMap(
        arms=(groups.levels[base], groups.levels[1 - base]), delta_reference=deltas[0], delta_treated=deltas[1],
        estimate=estimate, se=gather("se"), lower=gather("lower"), upper=gather("upper"), p=p,
        significant=significant, tipped=verdict != verdict[at], primary=at,
        missing_reference=int((hidden & (groups.codes == base)).sum()),
        missing_treated=int((hidden & (groups.codes != base)).sum()), m=m, seed=seed, conf_level=conf_level,
        method=method,
    )  # fmt: skip
