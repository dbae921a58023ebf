"""The E-value: how strong an unmeasured confounder would have to be to explain a result away.

Source: VanderWeele & Ding (2017), Sensitivity analysis in observational research: introducing the E-value,
Ann Intern Med 167:268-274, Table 2 for the other measures; Ding & VanderWeele (2016), Epidemiology
27:368-377, for the bounding factor and for the risk difference.

An E-value is no proof. It speaks of confounding only, not of selection or measurement, and a large
one says nothing where the comparison group is badly chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from studies.reasons import BAD_ARGUMENT, NOT_ESTIMABLE, CannotEstimate, Reason
from studies.statistics.bridging.arguments import choice, number, positive, share, whole
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile

Measure = Literal["rr", "or_rare", "or_common", "hr_rare", "hr_common", "mean_difference"]

LIMITS_DO_NOT_ENCLOSE = Reason(
    "limits_do_not_enclose",
    "置信区间的上下限没有包含估计值本身。",
    "The confidence limits do not lie on either side of the estimate.",
)

# A standardised difference d answers to a risk ratio of exp(0.91 d) and its 95 % limits to
# exp(0.91 d -+ 1.78 se) (VanderWeele & Ding 2017, Table 2); 1.78 is 0.91 x 1.96 as they rounded it.
_PER_SD, _PER_ERROR_95 = 0.91, 1.78


@dataclass(frozen=True)
class EValue:
    """`e_value` for the estimate, `e_value_limit` for the confidence limit nearer to `true`.

    `rr`, `rr_limit`, `rr_true` are the risk ratios that the measure was turned into. `e_value_limit` is 1
    where the interval holds `true` already, and None where no interval was given.
    """

    e_value: float
    e_value_limit: float | None
    rr: float
    rr_limit: float | None
    rr_true: float
    measure: str
    method: str


@dataclass(frozen=True)
class RiskDifferenceEValue:
    """E-values of a risk difference: `bias_factor` brings the estimate to `true`, `_limit` its lower limit.

    A positive difference is asked about; turn the exposure round for a negative one.
    """

    e_value: float
    e_value_limit: float
    bias_factor: float
    bias_factor_limit: float
    risk_difference: float
    lower: float
    upper: float
    method: str


@checked
def e_value(
    value: float,
    lower: float | None = None,
    upper: float | None = None,
    *,
    measure: Measure,
    true: float | None = None,
    se: float | None = None,
) -> EValue:
    """The E-value of an estimate and of its confidence limit.

    value, lower, upper -- a ratio and its limits; for "mean_difference" the standardised difference d, with
        its limits, or with `se`, from which the published 95 % limits exp(0.91 d -+ 1.78 se) follow.
    measure -- "rr"; "or_rare", "hr_rare" (outcome in under 15 % at the end of follow-up: the ratio stands for
        a risk ratio); "or_common" (sqrt(OR)); "hr_common" ((1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR))).
    true -- the value to move to, on the scale of `value`; by default no effect (1, or 0 for a difference).

    Raises `CannotEstimate` for an unknown measure, a number that is missing or not positive where a ratio is
    meant, and limits that do not enclose the estimate. Formula: VanderWeele & Ding (2017), Table 2.
    """
    choice(measure, "measure", get_args(Measure))
    no_effect = 0.0 if measure == "mean_difference" else 1.0
    aim = no_effect if true is None else true
    rr, rr_true = _risk_ratio(value, measure, "value"), _risk_ratio(aim, measure, "true")
    low = None if lower is None else _risk_ratio(lower, measure, "lower")
    high = None if upper is None else _risk_ratio(upper, measure, "upper")
    if se is not None:
        if measure != "mean_difference" or low is not None or high is not None:
            raise CannotEstimate(BAD_ARGUMENT, argument="se", allowed="mean_difference, without limits")
        half = _PER_ERROR_95 * number(se, "se", 0.0)
        low, high = rr * math.exp(-half), rr * math.exp(half)
    if (low is not None and low > rr) or (high is not None and high < rr):
        raise CannotEstimate(LIMITS_DO_NOT_ENCLOSE)
    nearer = low if rr > rr_true else high
    limit = None if nearer is None else _limit_e_value(rr, nearer, rr_true)
    return EValue(
        e_value=_needed(rr / rr_true),
        e_value_limit=limit,
        rr=rr,
        rr_limit=nearer,
        rr_true=rr_true,
        measure=measure,
        method=f"E-value (VanderWeele & Ding 2017), measure {measure}, true value {aim:g}",
    )


@checked
def joint_bounding_factor(rr_exposure_confounder: float, rr_confounder_outcome: float) -> float:
    """The most by which a confounder of this strength can shift a risk ratio: uv / (u + v - 1).

    Both are risk ratios of at least 1 (Ding & VanderWeele 2016). Raises `CannotEstimate` below 1.
    """
    u = number(rr_exposure_confounder, "rr_exposure_confounder", 1.0)
    v = number(rr_confounder_outcome, "rr_confounder_outcome", 1.0)
    return u * v / (u + v - 1.0)


@checked
def other_strength_needed(rr: float, rr_exposure_confounder: float) -> float | None:
    """How strongly the confounder must act on the outcome, given how strongly it goes with the exposure.

    The curve of the E-value figure: `v` with uv / (u + v - 1) = rr. None where u is not above `rr`: then
    no effect on the outcome, however large, explains the ratio away. `rr` below 1 is turned round.
    """
    bias = positive(rr, "rr")
    bias = 1.0 / bias if bias < 1.0 else bias
    u = number(rr_exposure_confounder, "rr_exposure_confounder", 1.0)
    if bias == 1.0:
        return 1.0
    return bias * (u - 1.0) / (u - bias) if u > bias else None


@checked
def risk_difference_e_value(
    events_exposed: int,
    n_exposed: int,
    events_unexposed: int,
    n_unexposed: int,
    *,
    true: float = 0.0,
    conf_level: float = CI_LEVEL,
) -> RiskDifferenceEValue:
    """The E-value of a risk difference above `true` from the counts of a cohort.

    A confounder with bounding factor B leaves at least (p1 - p0 B)(f + (1 - f)/B), where f is the
    proportion exposed (Ding & VanderWeele 2016, the appendix on the difference scale); the limit uses the
    delta-method variance of that bound. Both are solved for B, not searched on a grid.

    Raises `CannotEstimate` for counts that are no counts and for a difference that is not above `true`.
    """
    n1, n0 = whole(n_exposed, "n_exposed", 1), whole(n_unexposed, "n_unexposed", 1)
    a = whole(events_exposed, "events_exposed", 0, n1)
    b = whole(events_unexposed, "events_unexposed", 0, n0)
    aim, z = number(true, "true", -1.0, 1.0), normal_quantile(share(conf_level, "conf_level"))
    p1, p0, f = a / n1, b / n0, n1 / (n1 + n0)
    if p0 == 0.0 or p1 - p0 <= aim:
        raise CannotEstimate(NOT_ESTIMABLE, statistic="E-value of the risk difference")
    v1, v0, vf = p1 * (1 - p1) / n1, p0 * (1 - p0) / n0, f * (1 - f) / (n1 + n0)

    def lower_limit(bias: float) -> float:
        to_exposed, to_unexposed = f + (1 - f) / bias, f * bias + (1 - f)
        by_prevalence = p1 * (1 - 1 / bias) + p0 * (1 - bias)
        variance = to_exposed**2 * v1 + to_unexposed**2 * v0 + by_prevalence**2 * vf
        return p1 * to_exposed - p0 * to_unexposed - z * math.sqrt(variance)

    shift = aim + p0 * (1 - f) - p1 * f
    bias = (math.sqrt(shift**2 + 4 * p1 * p0 * f * (1 - f)) - shift) / (2 * p0 * f)
    error = math.sqrt(v1 + v0)
    bias_limit = 1.0
    if lower_limit(1.0) > aim:
        from scipy.optimize import brentq

        bias_limit = float(brentq(lambda b: lower_limit(b) - aim, 1.0, bias, xtol=1e-13, rtol=1e-13))
    return RiskDifferenceEValue(
        e_value=_needed(bias),
        e_value_limit=_needed(bias_limit),
        bias_factor=bias,
        bias_factor_limit=bias_limit,
        risk_difference=p1 - p0,
        lower=p1 - p0 - z * error,
        upper=p1 - p0 + z * error,
        method=f"E-value of a risk difference (Ding & VanderWeele 2016), true value {aim:g}",
    )


def _needed(ratio: float) -> float:
    above = ratio if ratio >= 1.0 else 1.0 / ratio
    return above + math.sqrt(above * (above - 1.0))


def _limit_e_value(rr: float, limit: float, rr_true: float) -> float:
    beyond = limit > rr_true if rr > rr_true else limit < rr_true
    return _needed(limit / rr_true) if beyond else 1.0


def _risk_ratio(value: float, measure: str, name: str) -> float:
    if measure == "mean_difference":
        # Beyond |d| = 700 exp() would overflow; nobody measures such a difference.
        return math.exp(_PER_SD * number(value, name, -700.0, 700.0))
    ratio = positive(value, name)
    if measure == "or_common":
        return math.sqrt(ratio)
    if measure == "hr_common":
        return math.expm1(math.sqrt(ratio) * math.log(0.5)) / math.expm1(math.sqrt(1 / ratio) * math.log(0.5))
    return ratio
