"""Is the effect in one region consistent with the effect overall?

Sources: Ministry of Health, Labour and Welfare of Japan (2007), Basic principles on global clinical trials (the
PMDA's method 1: the region keeps a fraction pi of the overall effect with probability at least 0.8; method 2: all
regions point the same way); ICH E17 (2017); Quan et al. (2010), Drug Inf J 44:617-632 for the probabilities;
Cochran (1954), Higgins & Thompson (2002) for Q and I^2; Fieller (1954) for the ratio.

Effects are on an additive scale (log hazard ratio, difference). The region's patients are part of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, ONE_ARM, CannotEstimate
from studies.statistics.bridging.arguments import number, positive, share, whole
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, chi_square_p, normal_quantile, two_sided_p

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Consistency:
    """What the PMDA's methods say of given estimates.

    retained -- the region's effect over the overall effect; lower, upper -- Fieller's limits, None where the overall
    effect is not clearly different from 0 and the ratio has no bounded interval. method_1 -- retained >= pi;
    method_2 -- every region has the sign of the whole. difference -- region minus the rest, with its test.
    """

    region: Hashable
    effect: float
    overall: Estimate
    retained: float
    lower: float | None
    upper: float | None
    fraction: float
    method_1: bool
    method_2: bool
    difference: Estimate
    method: str


@dataclass(frozen=True)
class Heterogeneity:
    """Cochran's Q with its degrees of freedom and p; I^2 (0 to 1), H^2, and tau^2 of DerSimonian & Laird.

    fixed -- the inverse-variance mean (common effect); random -- the mean with tau^2.
    """

    q: float
    df: int
    p: float
    i_squared: float
    h_squared: float
    tau_squared: float
    fixed: Estimate
    random: Estimate


@dataclass(frozen=True)
class RegionalSize:
    """The smallest region: `fraction` of the whole and `n` patients of `n_total`, with the probability reached."""

    fraction: float
    n: int
    n_total: int
    probability: float
    method: str


@checked
def consistency(
    effect: npt.ArrayLike,
    se: npt.ArrayLike,
    *,
    regions: Sequence[Hashable],
    region: Hashable,
    fraction: float = 0.5,
    conf_level: float = CI_LEVEL,
) -> Consistency:
    """Judge one region against the whole, from every region's estimate.

    effect, se -- (k,) on an additive scale, `regions` (k,) names, each once; `region` one of them; fraction -- pi.
    The overall effect is the inverse-variance mean, of which the region is a part (their covariance is the overall
    variance). Raises `CannotEstimate` for a single region, an unknown one, and an overall effect of 0.
    """
    y = numbers(effect, "effect")
    errors = _errors(se, len(y))
    names = labels(regions, "regions", len(y))
    if len(names) < 2:
        raise CannotEstimate(ONE_ARM)
    if len(names) != len(y) or region not in names.levels:
        raise CannotEstimate(BAD_ARGUMENT, argument="region", allowed=", ".join(map(str, names.levels)))
    pi, level = number(fraction, "fraction", 0.0, 1.0), share(conf_level, "conf_level")
    at = int(np.flatnonzero(names.codes == names.levels.index(region))[0])
    weights = errors**-2
    overall, variance = float(weights @ y / weights.sum()), float(1.0 / weights.sum())
    if abs(overall) <= 1e-12 * float(np.abs(y).max()):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="retained fraction")
    rest = np.arange(len(y)) != at
    others, others_variance = (
        float(weights[rest] @ y[rest] / weights[rest].sum()),
        float(1.0 / weights[rest].sum()),
    )
    mine, my_variance = float(y[at]), float(errors[at] ** 2)
    lower, upper = _fieller(mine, my_variance, overall, variance, level)
    return Consistency(
        region=region,
        effect=mine,
        overall=wald(overall, math.sqrt(variance), level),
        retained=mine / overall,
        lower=lower,
        upper=upper,
        fraction=pi,
        method_1=mine / overall >= pi,
        method_2=bool((y * overall > 0).all()),
        difference=wald(mine - others, math.sqrt(my_variance + others_variance), level),
        method=f"regional consistency, PMDA methods 1 (pi = {pi:g}) and 2, inverse-variance overall effect",
    )


@checked
def heterogeneity(effect: npt.ArrayLike, se: npt.ArrayLike, *, conf_level: float = CI_LEVEL) -> Heterogeneity:
    """Cochran's Q, I^2 and tau^2 of (k,) estimates, k at least 2: the test of interaction with region.

    R: metafor::rma(yi, sei, method = "DL") and method = "FE"; its tau^2 and I^2 of DL are the ones here.
    """
    y = numbers(effect, "effect")
    errors = _errors(se, len(y))
    if len(y) < 2:
        raise CannotEstimate(ONE_ARM)
    level, w = share(conf_level, "conf_level"), errors**-2
    mean = float(w @ y / w.sum())
    q, df = float(w @ (y - mean) ** 2), len(y) - 1
    tau = max(0.0, (q - df) / float(w.sum() - (w**2).sum() / w.sum()))
    v = 1.0 / (errors**2 + tau)
    return Heterogeneity(
        q=q,
        df=df,
        p=chi_square_p(q, df),
        i_squared=max(0.0, (q - df) / q) if q > 0 else 0.0,
        h_squared=q / df,
        tau_squared=tau,
        fixed=wald(mean, float(w.sum() ** -0.5), level),
        random=wald(float(v @ y / v.sum()), float(v.sum() ** -0.5), level),
    )


@checked
def probability_method_1(
    region_share: float,
    *,
    fraction: float = 0.5,
    alpha: float = 0.025,
    power: float = 0.9,
    effect_ratio: float = 1.0,
    given_success: bool = False,
) -> float:
    """P(region's estimate >= fraction x overall estimate), for a trial with this one-sided alpha and power.

    region_share -- the region's part of all patients or events, in (0, 1). effect_ratio -- the region's true effect
    over that of the other regions (1: the same). given_success -- the probability given that the overall result is
    significant, by the bivariate normal distribution. Quan et al. (2010), eq. for criterion 1.
    """
    u, pi = share(region_share, "region_share"), number(fraction, "fraction", 0.0, 1.0)
    z_alpha = _NORMAL.inv_cdf(1.0 - share(alpha, "alpha"))
    drift = z_alpha + _NORMAL.inv_cdf(share(power, "power"))
    # In units of the overall standard error: the other regions' effect d solves u r d + (1 - u) d = drift.
    ratio = number(effect_ratio, "effect_ratio")
    blend = u * ratio + (1.0 - u)
    if blend <= 0.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="effect_ratio", allowed="> -(1 - u)/u")
    mean = ratio * drift / blend - pi * drift
    sd = math.sqrt(1.0 / u + pi**2 - 2.0 * pi)
    if not given_success:
        return _NORMAL.cdf(mean / sd)
    # cov(region - pi overall, overall) = 1 - pi, both in units of the overall variance.
    joint = _both_above(mean / sd, drift - z_alpha, (1.0 - pi) / sd)
    return joint / _NORMAL.cdf(drift - z_alpha)


@checked
def probability_method_2(
    region_shares: npt.ArrayLike, *, alpha: float = 0.025, power: float = 0.9, threshold: float = 0.0
) -> float:
    """P(every region's estimate > threshold x the true effect), for equal true effects in regions of these shares.

    region_shares -- (k,) above 0 that add up to 1. Regions are independent: a product of normal probabilities.
    """
    u = numbers(region_shares, "region_shares")
    if (u <= 0).any() or abs(float(u.sum()) - 1.0) > 1e-8:
        raise CannotEstimate(BAD_ARGUMENT, argument="region_shares", allowed="> 0, sum 1")
    drift = _drift(alpha, power) * (1.0 - number(threshold, "threshold", 0.0, 1.0))
    return math.prod(_NORMAL.cdf(drift * math.sqrt(one)) for one in u.tolist())


@checked
def regional_size(
    n_total: int,
    *,
    method: int = 1,
    regions: int = 2,
    fraction: float = 0.5,
    alpha: float = 0.025,
    power: float = 0.9,
    assurance: float = 0.8,
    given_success: bool = False,
) -> RegionalSize:
    """How many of `n_total` patients the region needs so that consistency is seen with probability `assurance`.

    method 1 -- by `probability_method_1`; method 2 -- by `probability_method_2`, where the other `regions` - 1
    regions share the rest equally: the smallest share that reaches `assurance`. With alpha 0.025, pi 0.5 and power
    0.9 the share is 22.4 %. Raises `CannotEstimate` where no share reaches it.
    """
    total, wanted = whole(n_total, "n_total", 2), share(assurance, "assurance")
    if method not in (1, 2):
        raise CannotEstimate(BAD_ARGUMENT, argument="method", allowed="1, 2")
    others = whole(regions, "regions", 2) - 1

    def reached(u: float) -> float:
        if method == 1:
            return probability_method_1(
                u, fraction=fraction, alpha=alpha, power=power, given_success=given_success
            )
        return probability_method_2([u] + [(1.0 - u) / others] * others, alpha=alpha, power=power)

    # Method 2 rises until the regions are equal in size; beyond that the others become the weak ones.
    highest = 1.0 - 1e-9 if method == 1 else 1.0 / (others + 1)
    lowest = 1e-9
    if reached(highest) < wanted:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="regional sample size")
    from scipy.optimize import brentq

    u = lowest
    if reached(lowest) < wanted:
        u = float(brentq(lambda one: reached(one) - wanted, lowest, highest, xtol=1e-13))
    n = min(total - 1, math.ceil(u * total - 1e-9))
    return RegionalSize(
        u, n, total, reached(max(n, 1) / total),
        f"smallest regional share by method {method}, assurance {wanted:g}, one-sided alpha {alpha:g}, power {power:g}",
    )  # fmt: skip


@checked
def interaction(effect: float, se: float, other_effect: float, other_se: float) -> Estimate:
    """The difference of the effects in two separate groups, with its z-test (Altman & Bland 2003, BMJ 326:219)."""
    gap = number(effect, "effect") - number(other_effect, "other_effect")
    error = math.hypot(positive(se, "se"), positive(other_se, "other_se"))
    made = wald(gap, error)
    return Estimate(made.value, error, made.lower, made.upper, two_sided_p(gap / error))


def _drift(alpha: float, power: float) -> float:
    return _NORMAL.inv_cdf(1.0 - share(alpha, "alpha")) + _NORMAL.inv_cdf(share(power, "power"))


def _both_above(a: float, b: float, correlation: float) -> float:
    """P(X > -a, Y > -b) = P(X < a, Y < b) of a standard bivariate normal, by integrating over the correlation."""
    from scipy.integrate import quad

    def slice_at(r: float) -> float:
        return math.exp(-(a * a - 2 * r * a * b + b * b) / (2 * (1 - r * r))) / math.sqrt(1 - r * r)

    area, _ = quad(slice_at, 0.0, correlation, epsabs=1e-13)
    return _NORMAL.cdf(a) * _NORMAL.cdf(b) + float(area) / (2 * math.pi)


def _fieller(
    mine: float, my_variance: float, overall: float, variance: float, level: float
) -> tuple[float | None, float | None]:
    """All r with |mine - r overall| <= z sd; the covariance of the two is the overall variance."""
    z2 = normal_quantile(level) ** 2
    a = overall**2 - z2 * variance
    b = mine * overall - z2 * variance
    c = mine**2 - z2 * my_variance
    inside = b * b - a * c
    if a <= 0.0 or inside < 0.0:
        return None, None
    root = math.sqrt(inside)
    return (b - root) / a, (b + root) / a


def _errors(se: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    errors = numbers(se, "se", rows)
    if (errors <= 0).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="se", allowed="> 0")
    return errors
