"""Matching-adjusted indirect comparison: our patients, weighted to the published trial, against its result.

`anchored` must be said. "anchored": our study randomised against the arm C that the published trial had too;
the weighted contrast A-C is compared with the published B-C. "unanchored": a single arm on one side at
least; the weighted outcome is set against the published one, and every difference between the studies that
was not weighted away is counted as effect. The result then lists what was declared and is missing, and
says how much bias it would bear.

Sources: Signorovitch et al. (2010, 2012); Phillippo et al. (2016), NICE DSU TSD 18; Stefanski & Boos (2002) for
the sandwich with estimated weights. The published covariate means are taken as fixed: the comparison is
about the published sample. Where both studies react alike to the covariates the interval is then a little wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, ONE_ARM, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.bridging.arguments import Anchored, anchoring, choice, number, positive, share, whole
from studies.statistics.bridging.factors import BiasBound, Factors, bias_bound, declared_factors
from studies.statistics.bridging.indirect import UNANCHORED_REFUSED, Contrast, check_contrast
from studies.statistics.bridging.maic_weights import MaicWeights, maic_weights, solve_moments, weights_at
from studies.statistics.causal.bootstrap import TOO_MANY_FAILED
from studies.statistics.doubt.e_value import Measure as EMeasure
from studies.statistics.estimate import Estimate, Scale, wald
from studies.statistics.inputs import numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL

Measure = Literal["mean_difference", "risk_difference", "risk_ratio", "odds_ratio"]
Variance = Literal["estimated_weights", "fixed_weights", "bootstrap"]
_E_MEASURE: dict[str, EMeasure] = {"risk_ratio": "rr", "odds_ratio": "or_common", "hazard_ratio": "hr_common"}
LEAST_SAMPLES = 200

NEEDS_A_TREATMENT = Reason(
    "needs_a_treatment",
    "锚定比较需要本方研究的分组变量（与共同对照随机）以及对方试验的对比结果。",
    "An anchored comparison needs our study's arms and the other trial's contrast against the common arm.",
)
PROPORTION_AT_THE_EDGE = Reason(
    "proportion_at_the_edge",
    "加权后的比例为 0 或 1，比值没有有限的估计值。",
    "A weighted proportion is 0 or 1: the ratio has no finite estimate.",
)


@dataclass(frozen=True)
class ArmSummary:
    """What a single arm reported: a mean or proportion `value` with its standard error, from n patients."""

    value: float
    se: float
    n: int


@dataclass(frozen=True)
class MaicResult:
    """The comparison `effect` (ratios back-transformed, se on the log scale) and all that must stand beside it.

    ours -- our part before comparing: the weighted outcome (unanchored) or weighted contrast (anchored);
    unadjusted -- the comparison without weights; failed_samples -- bootstrap samples without weights.
    """

    anchored: str
    measure: str
    effect: Estimate
    ours: Estimate
    unadjusted: Estimate
    weights: MaicWeights
    factors: Factors
    bias: BiasBound
    failed_samples: int
    variance: str
    method: str


@checked
def arm_of_events(events: int, n: int) -> ArmSummary:
    """A proportion events/n with its binomial standard error sqrt(p(1-p)/n)."""
    size = whole(n, "n", 1)
    p = whole(events, "events", 0, size) / size
    return ArmSummary(p, math.sqrt(p * (1 - p) / size), size)


@checked
def maic(
    outcome: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    anchored: Anchored,
    measure: Measure,
    comparator: ArmSummary | Contrast,
    names: Sequence[str],
    target_mean: npt.ArrayLike,
    target_sd: Sequence[float | None] | None = None,
    treatment: npt.ArrayLike | None = None,
    prognostic_factors: Sequence[str] | None = None,
    effect_modifiers: Sequence[str] | None = None,
    variance: Variance = "estimated_weights",
    samples: int = 1000,
    seed: int | None = None,
    conf_level: float = CI_LEVEL,
) -> MaicResult:
    """A binary or continuous outcome of ours against a published result.

    outcome -- (n,) 0/1 for the three risk measures, any number for "mean_difference".
    x, names, target_mean, target_sd -- as `maic_weights`: (n, p), (p,), (p,), (p,).
    comparator -- unanchored: the published arm's `ArmSummary`; anchored: the published `Contrast` of B with C, on
        scale "log" for ratios and "identity" for differences.
    treatment -- (n,) 1 for A, 0 for the common comparator C; anchored only. Weights are made on both together.
    prognostic_factors, effect_modifiers -- what is known to matter (`declared_factors`); a list, maybe empty.
    variance -- "estimated_weights": sandwich that knows that the weights were estimated; "fixed_weights": the
        sandwich of a weighted regression (HC0); "bootstrap": `samples` resamplings with `seed`.

    Raises `CannotEstimate` as `maic_weights`, and for an anchored question without arms, an unanchored one with a
    contrast, an undeclared list of factors, a weighted proportion of 0 or 1 where a ratio is asked for.
    """
    kind, how = anchoring(anchored), choice(variance, "variance", get_args(Variance))
    choice(measure, "measure", get_args(Measure))
    level = share(conf_level, "conf_level")
    y = (
        numbers(outcome, "outcome")
        if measure == "mean_difference"
        else yes_no(outcome, "outcome").astype(float)
    )
    arm = _arms(kind, treatment, comparator, len(y))
    factors = declared_factors(prognostic_factors, effect_modifiers, names, anchored=anchored)
    made = maic_weights(x, names=names, target_mean=target_mean, target_sd=target_sd)
    if made.n != len(y):
        raise CannotEstimate(BAD_ARGUMENT, argument="outcome", allowed=f"n = {made.n}")
    theirs, their_error, scale = _theirs(comparator, measure)
    ours, influence = _ours(
        y, arm, made.weights, measure, made.centred if how == "estimated_weights" else None
    )
    error, failed = math.sqrt(float(influence @ influence)), 0
    if how == "bootstrap":

        def again(w: Floats) -> float:
            return _ours(y, arm, w, measure, None)[0]

        error, failed = bootstrap_error(again, made, arm, samples, seed)
    plain, plain_influence = _ours(y, arm, np.ones(len(y)), measure, None)
    plain_error = math.hypot(math.sqrt(float(plain_influence @ plain_influence)), their_error)
    effect = wald(ours - theirs, math.hypot(error, their_error), level, scale)
    return MaicResult(
        anchored=kind,
        measure=measure,
        effect=effect,
        ours=_our_part(ours, error, level, scale, kind, measure),
        unadjusted=wald(plain - theirs, plain_error, level, scale),
        weights=made,
        factors=factors,
        bias=bias_bound(effect, measure=_E_MEASURE.get(measure)),
        failed_samples=failed,
        variance=how,
        method=f"{kind} MAIC, {measure.replace('_', ' ')}, {how.replace('_', ' ')}; {made.method}",
    )


@checked
def maic_hazard_ratio(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    anchored: Anchored,
    names: Sequence[str],
    target_mean: npt.ArrayLike,
    target_sd: Sequence[float | None] | None = None,
    treatment: npt.ArrayLike | None = None,
    comparator: Contrast | None = None,
    comparator_time: npt.ArrayLike | None = None,
    comparator_event: npt.ArrayLike | None = None,
    prognostic_factors: Sequence[str] | None = None,
    effect_modifiers: Sequence[str] | None = None,
    ties: str = "efron",
    variance: Literal["fixed_weights", "bootstrap"] = "fixed_weights",
    samples: int = 500,
    seed: int | None = None,
    conf_level: float = CI_LEVEL,
) -> MaicResult:
    """A hazard ratio by a weighted Cox model with robust variance.

    time, event -- (n,) ours; unanchored: comparator_time, comparator_event (m,) are the comparator's patients,
    or those read back from its published curve (`reconstruct_ipd`), with weight 1 each; anchored: `treatment`
    (n,) and the published `Contrast` of B with C on scale "log". The rest as `maic`.
    "fixed_weights" is the robust variance that takes the weights as given; the bootstrap resamples our patients
    and weighs them anew (the comparator's patients are resampled too).
    """
    kind, how = anchoring(anchored), choice(variance, "variance", ("fixed_weights", "bootstrap"))
    level = share(conf_level, "conf_level")
    until = numbers(time, "time")
    happened = yes_no(event, "event", len(until)).astype(float)
    factors = declared_factors(prognostic_factors, effect_modifiers, names, anchored=anchored)
    made = maic_weights(x, names=names, target_mean=target_mean, target_sd=target_sd)
    if made.n != len(until):
        raise CannotEstimate(BAD_ARGUMENT, argument="time", allowed=f"n = {made.n}")
    theirs, their_error = 0.0, 0.0
    if kind == "anchored":
        arm = _arms(kind, treatment, comparator, len(until))
        assert arm is not None and isinstance(comparator, Contrast)  # noqa: S101  # _arms refused the rest
        theirs, their_error, _ = _theirs(comparator, "hazard_ratio")
        model = _WeightedCox(until, happened, arm.astype(float), 0, ties)
    else:
        if treatment is not None or comparator is not None:
            raise CannotEstimate(UNANCHORED_REFUSED)
        arm = None
        model = _with_their_patients(until, happened, comparator_time, comparator_event, ties)
    ours, error = model.fitted(made.weights)
    failed = 0
    if how == "bootstrap":
        draws = np.random.default_rng(_seed(seed))
        error, failed = bootstrap_error(lambda w: model.resampled(w, draws), made, arm, samples, seed)
    plain, plain_error = model.fitted(np.ones(made.n))
    effect = wald(ours - theirs, math.hypot(error, their_error), level, "log")
    return MaicResult(
        anchored=kind,
        measure="hazard_ratio",
        effect=effect,
        ours=wald(ours, error, level, "log"),
        unadjusted=wald(plain - theirs, math.hypot(plain_error, their_error), level, "log"),
        weights=made,
        factors=factors,
        bias=bias_bound(effect, measure="hr_common"),
        failed_samples=failed,
        variance=how,
        method=f"{kind} MAIC, hazard ratio by weighted Cox ({ties}), {how.replace('_', ' ')}; {made.method}",
    )


@dataclass(frozen=True)
class _WeightedCox:
    """Our patients and, after them, `theirs` of the comparator's with weight 1: time, event, treatment of all (n,)."""

    time: Floats
    event: Floats
    treatment: Floats
    theirs: int
    ties: str

    def fitted(self, weights: Floats, drawn: Floats | None = None) -> tuple[float, float]:
        """The log hazard ratio and its robust error under weights of ours, theirs counted as `drawn`."""
        from studies.statistics.survival.cox import fit_cox

        both = np.concatenate([weights, np.ones(self.theirs) if drawn is None else drawn])
        kept = both > 0  # a weight that underflowed to 0 carries nothing
        fit = fit_cox(
            self.treatment[kept, None], self.time[kept], self.event[kept], weights=both[kept], robust=True,
            ties=self.ties, names=("treatment",),
        )  # fmt: skip
        return float(fit.coef[0]), math.sqrt(float(fit.covariance[0, 0]))

    def resampled(self, weights: Floats, draws: np.random.Generator) -> float:
        """The log hazard ratio with the comparator's patients drawn anew."""
        if not self.theirs:
            return self.fitted(weights)[0]
        drawn = draws.multinomial(self.theirs, np.full(self.theirs, 1.0 / self.theirs)).astype(float)
        return self.fitted(weights, drawn)[0]


def _with_their_patients(
    time: Floats,
    event: Floats,
    their_time: npt.ArrayLike | None,
    their_event: npt.ArrayLike | None,
    ties: str,
) -> _WeightedCox:
    until = numbers([] if their_time is None else their_time, "comparator_time")
    happened = yes_no([] if their_event is None else their_event, "comparator_event", len(until)).astype(
        float
    )
    return _WeightedCox(
        time=np.concatenate([time, until]),
        event=np.concatenate([event, happened]),
        treatment=np.repeat([1.0, 0.0], [len(time), len(until)]),
        theirs=len(until),
        ties=ties,
    )


def bootstrap_error(
    statistic: Callable[[Floats], float], made: MaicWeights, arm: Bools | None, samples: int, seed: int | None
) -> tuple[float, int]:
    """The standard deviation of `statistic(weights)` over resamplings of the patients, weighed anew each time.

    Patients are drawn with replacement within each arm. Samples for which no weights or no estimate exist are
    counted (second value); more than a twentieth of them and there is no honest error: TOO_MANY_FAILED.
    """
    rounds, rng = whole(samples, "samples", LEAST_SAMPLES), np.random.default_rng(_seed(seed))
    groups = [np.arange(made.n)] if arm is None else [np.flatnonzero(arm), np.flatnonzero(~arm)]
    spread = made.centred.std(axis=0)
    z = made.centred / spread
    values, failed = [], 0
    for _ in range(rounds):
        counts = np.zeros(made.n)
        for rows in groups:
            counts[rows] = rng.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)))
        alpha = solve_moments(z, counts)
        try:
            if alpha is None:
                raise CannotEstimate(NOT_ESTIMABLE, statistic="weights")
            value = statistic(weights_at(alpha, z, counts))
            if not math.isfinite(value):
                raise CannotEstimate(NOT_ESTIMABLE, statistic="comparison")
            values.append(value)
        except CannotEstimate:
            failed += 1
    if failed > rounds / 20 or len(values) < 2:
        raise CannotEstimate(TOO_MANY_FAILED, groups=str(rounds), failed=str(failed))
    return float(np.std(values, ddof=1)), failed


def transformed(mean: float, measure: str) -> tuple[float, float]:
    """A mean or proportion on the additive scale of `measure`, and the derivative there."""
    if measure in ("mean_difference", "risk_difference"):
        return mean, 1.0
    if not 0.0 < mean < 1.0:
        raise CannotEstimate(PROPORTION_AT_THE_EDGE)
    if measure == "risk_ratio":
        return math.log(mean), 1.0 / mean
    return math.log(mean / (1.0 - mean)), 1.0 / (mean * (1.0 - mean))


def _ours(
    y: Floats, arm: Bools | None, w: Floats, measure: str, centred: Floats | None
) -> tuple[float, Floats]:
    """Our outcome or contrast on the additive scale, and each patient's influence on it (n,)."""
    groups = [(1.0, np.ones(len(y), dtype=bool))] if arm is None else [(1.0, arm), (-1.0, ~arm)]
    value, influence = 0.0, np.zeros(len(y))
    for sign, rows in groups:
        part = np.where(rows, w, 0.0)
        total = float(part.sum())
        if total <= 0.0:
            raise CannotEstimate(ONE_ARM)
        mean = float(part @ y / total)
        at, slope = transformed(mean, measure)
        moved = part * (y - mean)
        if centred is not None:
            weighted = centred * w[:, None]
            # Solved by least squares: it stays exact where moments are on very different scales.
            share_of = np.linalg.lstsq(weighted.T @ centred, centred.T @ moved, rcond=None)[0]
            moved = moved - weighted @ share_of
        value += sign * at
        influence += sign * slope * moved / total
    return value, influence


def _arms(
    kind: str, treatment: npt.ArrayLike | None, comparator: ArmSummary | Contrast | None, n: int
) -> Bools | None:
    if kind == "unanchored":
        if treatment is not None or not isinstance(comparator, ArmSummary):
            raise CannotEstimate(UNANCHORED_REFUSED)
        return None
    if treatment is None or not isinstance(comparator, Contrast):
        raise CannotEstimate(NEEDS_A_TREATMENT)
    arm = yes_no(treatment, "treatment", n)
    if arm.all() or not arm.any():
        raise CannotEstimate(ONE_ARM)
    return arm


def _theirs(comparator: ArmSummary | Contrast, measure: str) -> tuple[float, float, Scale]:
    scale: Scale = "identity" if measure in ("mean_difference", "risk_difference") else "log"
    if isinstance(comparator, Contrast):
        contrast = check_contrast(comparator)
        if contrast.scale != scale:
            raise CannotEstimate(BAD_ARGUMENT, argument="comparator", allowed=scale)
        return contrast.value, contrast.se, scale
    at, slope = transformed(number(comparator.value, "comparator"), measure)
    return at, slope * positive(comparator.se, "comparator"), scale


def _our_part(value: float, error: float, level: float, scale: Scale, kind: str, measure: str) -> Estimate:
    if kind == "unanchored" and measure == "odds_ratio":
        return wald(value, error, level, "logit")  # the weighted proportion itself
    return wald(value, error, level, scale)


def _seed(seed: int | None) -> int:
    if seed is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="seed", allowed="0, 1, 2, ...")
    return whole(seed, "seed")
