"""Weights from a propensity score: which population they stand for, and who was left out.

Notation: e is the score, A the treatment. A weight is h(e)/P(A | x), where the tilting function h says
whom the comparison is about (Li, Morgan & Zaslavsky 2018, table 1): ATE 1, ATT e, ATC 1 - e,
ATO e(1 - e), ATM min(e, 1 - e) (Li & Greene 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_OVERLAP, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.causal.designs import check_option
from studies.statistics.causal.propensity import both_arms
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

Estimand = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]
ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM")

SCORE_OUTSIDE = Reason(
    "score_outside",
    "倾向评分必须严格介于 0 与 1 之间。",
    "Propensity scores have to lie strictly between 0 and 1.",
)
ARM_TRIMMED_AWAY = Reason(
    "arm_trimmed_away",
    "按倾向评分截除后，有一个组没有受试者。",
    "Trimming by the propensity score left one arm without subjects.",
)


@dataclass(frozen=True)
class Crump:
    """Keep alpha <= e <= 1 - alpha; `alpha=None` takes the optimal cut (Crump et al. 2009, theorem 1)."""

    alpha: float | None = 0.1


@dataclass(frozen=True)
class Percentile:
    """Keep scores from the `lower` quantile in the treated to the `upper` in the comparators.

    Stürmer et al. (2010): asymmetric trimming of those treated against prediction. Quantiles are R's type 7.
    """

    lower: float = 0.05
    upper: float = 0.95


@dataclass(frozen=True)
class CommonSupport:
    """Keep the range of scores that both arms have: max of the minima to min of the maxima."""


Trim = Crump | Percentile | CommonSupport


@dataclass(frozen=True)
class Weights:
    """`weights` (n,), 0 for those trimmed; `kept` (n,); the limits of the score that was kept.

    `ess_treated` and `ess_comparator` are Kish's effective sample sizes; `truncated` counts weights that
    were set to a limit. `derivative` (n,) is dw/d logit e, for errors that account for an estimated score;
    it is 0 where a weight was truncated.
    """

    weights: Floats
    kept: Bools
    estimand: Estimand
    stabilised: bool
    lower_score: float
    upper_score: float
    trimmed_treated: int
    trimmed_comparator: int
    truncated: int
    ess_treated: float
    ess_comparator: float
    largest: float
    derivative: Floats
    method: str


@checked
def weights(
    score: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    estimand: Estimand = "ATE",
    stabilised: bool = False,
    trim: Trim | None = None,
    truncate: tuple[float, float] | None = None,
) -> Weights:
    """Weights of n subjects from scores (n,) in (0, 1) and treatment (n,) 0/1.

    `stabilised` multiplies by the marginal odds that make weights average 1: ATE by P(A), ATT the
    comparators by P(A=0)/P(A=1), ATC the treated by the inverse; it is refused for ATO and ATM.
    `trim` leaves subjects out by their score (fit the score again on those kept, Li et al. 2019);
    `truncate` = (low, high) sets weights beyond these quantiles (type 7, of those kept) to the quantile.
    P(A) is the share among those kept. Raises `CannotEstimate` for scores of 0 or 1, one arm, an unknown
    estimand, and trimming that empties an arm.
    """
    exposed = both_arms(treated)
    e = _checked_score(score, len(exposed))
    check_option(estimand, ESTIMANDS, "estimand")
    if stabilised:
        check_option(estimand, ("ATE", "ATT", "ATC"), "estimand (stabilised)")
    low, high = _limits(e, exposed, trim)
    kept = (e >= low) & (e <= high)
    if not (exposed & kept).any() or not (~exposed & kept).any():
        raise CannotEstimate(ARM_TRIMMED_AWAY)
    w, slope = tilted(e, exposed, estimand)
    factor = _stabiliser(exposed, kept, estimand) if stabilised else np.ones(len(e))
    w, slope = np.where(kept, w * factor, 0.0), np.where(kept, slope * factor, 0.0)
    w, slope, truncated = _truncated(w, slope, kept, truncate)
    return Weights(
        weights=w,
        kept=kept,
        estimand=estimand,
        stabilised=stabilised,
        lower_score=low,
        upper_score=high,
        trimmed_treated=int((exposed & ~kept).sum()),
        trimmed_comparator=int((~exposed & ~kept).sum()),
        truncated=truncated,
        ess_treated=effective_sample_size(w[exposed & kept]),
        ess_comparator=effective_sample_size(w[~exposed & kept]),
        largest=float(w.max()),
        derivative=slope,
        method=_sentence(estimand, stabilised, trim, truncate),
    )


def effective_sample_size(weights: npt.ArrayLike) -> float:
    """Kish (1965): (sum w)^2 / sum w^2; weights of 0 count for nobody. Raises for negative or no weights."""
    column = numbers(weights, "weights")
    if (column < 0).any() or not (column > 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="weights", allowed="weights >= 0")
    scaled = column / column.max()
    return float(scaled.sum() ** 2 / (scaled**2).sum())


def tilted(score: Floats, treated: Bools, estimand: str) -> tuple[Floats, Floats]:
    """Weights (n,) and their derivatives with respect to the logit of the score (n,).

    Each arm has its own formula. Scores of exactly 0 or 1 (an outlier's) stay harmless where it has no pole; a pole
    is refused: SCORE_OUTSIDE.
    """
    with np.errstate(divide="ignore", over="ignore"):
        w, slope = _tilted(score, score / (1.0 - score), treated, estimand)
    if not (np.isfinite(w).all() and np.isfinite(slope).all()):
        raise CannotEstimate(SCORE_OUTSIDE)
    return w, slope


def _tilted(e: Floats, odds: Floats, treated: Bools, estimand: str) -> tuple[Floats, Floats]:
    if estimand == "ATE":
        return np.where(treated, 1.0 / e, 1.0 / (1.0 - e)), np.where(treated, -1.0 / odds, odds)
    if estimand == "ATT":
        return np.where(treated, 1.0, odds), np.where(treated, 0.0, odds)
    if estimand == "ATC":
        return np.where(treated, 1.0 / odds, 1.0), np.where(treated, -1.0 / odds, 0.0)
    if estimand == "ATO":
        return np.where(treated, 1.0 - e, e), np.where(treated, -1.0, 1.0) * e * (1.0 - e)
    w = np.where(treated, np.minimum(1.0, 1.0 / odds), np.minimum(1.0, odds))
    slope = np.where(treated, np.where(e > 0.5, -1.0 / odds, 0.0), np.where(e < 0.5, odds, 0.0))
    return w, slope


def optimal_cut(score: npt.ArrayLike) -> float:
    """Crump et al. (2009), theorem 1: the alpha that minimises the variance bound of the trimmed ATE.

    With g = 1/(e(1-e)): nobody is cut when max g <= 2 mean g; otherwise the largest gamma with
    gamma <= 2 mean(g | g <= gamma) gives alpha = 1/2 - sqrt(1/4 - 1/gamma), over the observed g.
    """
    e = _checked_score(score, None)
    g = np.sort(1.0 / (e * (1.0 - e)))
    running = np.cumsum(g) / np.arange(1, len(g) + 1)
    if g[-1] <= 2.0 * running[-1]:
        return 0.0
    fine = np.flatnonzero(g <= 2.0 * running)
    # Between this g and the next the bound may still hold: gamma is twice the mean of those kept,
    # unless the next g comes first.
    last = int(fine[-1])
    gamma = min(2.0 * float(running[last]), float(g[last + 1]))
    return float(0.5 - np.sqrt(max(0.25 - 1.0 / gamma, 0.0)))


def _checked_score(score: npt.ArrayLike, rows: int | None) -> Floats:
    e = numbers(score, "score", rows)
    if (e <= 0).any() or (e >= 1).any():
        raise CannotEstimate(SCORE_OUTSIDE)
    return e


def _limits(e: Floats, exposed: Bools, trim: Trim | None) -> tuple[float, float]:
    if trim is None:
        return float(e.min()), float(e.max())
    if isinstance(trim, Crump):
        if trim.alpha is not None and not 0.0 <= trim.alpha < 0.5:
            raise CannotEstimate(BAD_ARGUMENT, argument="alpha", allowed="0 <= alpha < 0.5")
        alpha = optimal_cut(e) if trim.alpha is None else trim.alpha
        return alpha, 1.0 - alpha
    if isinstance(trim, Percentile):
        _check_quantiles(trim.lower, trim.upper, "trim")
        return float(np.quantile(e[exposed], trim.lower)), float(np.quantile(e[~exposed], trim.upper))
    if isinstance(trim, CommonSupport):
        low = max(float(e[exposed].min()), float(e[~exposed].min()))
        high = min(float(e[exposed].max()), float(e[~exposed].max()))
        if low > high:
            raise CannotEstimate(NO_OVERLAP)
        return low, high
    raise CannotEstimate(BAD_ARGUMENT, argument="trim", allowed="Crump, Percentile, CommonSupport, None")


def _check_quantiles(low: float, high: float, argument: str) -> None:
    if not 0.0 <= low < high <= 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed="0 <= lower < upper <= 1")


def _stabiliser(exposed: Bools, kept: Bools, estimand: str) -> Floats:
    share = float(exposed[kept].mean())
    if estimand == "ATE":
        return np.where(exposed, share, 1.0 - share)
    if estimand == "ATT":
        return np.where(exposed, 1.0, (1.0 - share) / share)
    return np.where(exposed, share / (1.0 - share), 1.0)


def _truncated(
    w: Floats, slope: Floats, kept: Bools, truncate: tuple[float, float] | None
) -> tuple[Floats, Floats, int]:
    if truncate is None:
        return w, slope, 0
    _check_quantiles(truncate[0], truncate[1], "truncate")
    low, high = np.quantile(w[kept], truncate)
    beyond = kept & ((w < low) | (w > high))
    return (
        np.where(kept, np.clip(w, low, high), 0.0),
        np.where(beyond, 0.0, slope),
        int(beyond.sum()),
    )


def _sentence(
    estimand: str, stabilised: bool, trim: Trim | None, truncate: tuple[float, float] | None
) -> str:
    parts = [f"propensity score weights, {estimand}{', stabilised' if stabilised else ''}"]
    if trim is not None:
        parts.append(f"trimmed by {trim!r}")
    if truncate is not None:
        parts.append(f"truncated at quantiles {truncate[0]:g} and {truncate[1]:g}")
    return "; ".join(parts)
