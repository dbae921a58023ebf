"""Which covariates a comparison across studies must account for, and which of them it could.

Anchored, only what modifies the effect matters, because randomisation took care of the rest. Unanchored,
everything that foretells the outcome does (Phillippo et al. 2016, NICE DSU Technical Support Document 18,
recommendations 3 and 4). The list is declared by people who know the disease; nothing can check it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics.bridging.arguments import Anchored, anchoring, number, positive, share
from studies.statistics.doubt.e_value import EValue, Measure, e_value
from studies.statistics.doubt.negative_controls import empirical_null
from studies.statistics.estimate import Estimate
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile

FACTORS_NOT_DECLARED = Reason(
    "factors_not_declared",
    "非锚定比较必须先声明全部预后因素与效应修饰因素；锚定比较必须声明效应修饰因素。",
    "An unanchored comparison needs all prognostic factors and effect modifiers declared, an anchored one "
    "its effect modifiers.",
)


@dataclass(frozen=True)
class Factors:
    """What was declared to matter, what was adjusted for, and what is missing. An empty `missing` is no proof."""

    declared: tuple[str, ...]
    adjusted: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class BiasBound:
    """How much bias an effect can bear: None where it makes no sense (the interval holds the null already).

    to_null -- bias on the additive scale of the interval (log for ratios) that moves the estimate to the null;
    limit_to_null -- the same for the nearer limit; e_value -- for ratios, as confounding strength.
    """

    to_null: float
    limit_to_null: float | None
    e_value: EValue | None


@checked
def declared_factors(
    prognostic_factors: Sequence[str] | None,
    effect_modifiers: Sequence[str] | None,
    adjusted: Sequence[str],
    *,
    anchored: Anchored,
) -> Factors:
    """Compare the declaration with the covariates in use.

    Raises `CannotEstimate` where a list that the design needs was not given. An empty list is an answer
    (nothing modifies the effect) where anchored; unanchored, an empty list of prognostic factors is not.
    """
    kind = anchoring(anchored)
    if effect_modifiers is None or (kind == "unanchored" and not prognostic_factors):
        raise CannotEstimate(FACTORS_NOT_DECLARED)
    needed = (
        list(effect_modifiers) if kind == "anchored" else [*(prognostic_factors or ()), *effect_modifiers]
    )
    declared = tuple(dict.fromkeys(needed))
    return Factors(declared, tuple(adjusted), tuple(one for one in declared if one not in set(adjusted)))


@checked
def bias_bound(effect: Estimate, *, measure: Measure | None = None) -> BiasBound:
    """What it would take to explain `effect` away: on its own scale, and as an E-value for a ratio.

    measure -- how a ratio is to be read by the E-value ("rr", "or_common", ...); None gives no E-value.
    """
    back = math.log if effect.scale == "log" else float
    null = 0.0
    value = back(effect.value)
    nearer = effect.lower if value > null else effect.upper
    gap = None
    if nearer is not None and nearer > (0.0 if effect.scale == "log" else -math.inf):
        beyond = back(nearer) if math.isfinite(nearer) else None
        gap = abs(beyond) if beyond is not None and (beyond > null) == (value > null) else None
    strength = None
    if effect.scale == "log" and measure is not None:
        strength = e_value(effect.value, effect.lower, effect.upper, measure=measure)
    return BiasBound(abs(value - null), gap, strength)


@dataclass(frozen=True)
class OutOfSampleError:
    """Errors of the same adjustment in studies where the answer was known: N(mean, sd^2), n of them."""

    mean: float
    sd: float
    n: int


@checked
def out_of_sample_error(
    observed: npt.ArrayLike, predicted: npt.ArrayLike, se: npt.ArrayLike, *, minimum_studies: int = 5
) -> OutOfSampleError:
    """How far predictions by the same covariates missed in other single-arm studies of the same population.

    observed, predicted -- (k,) outcomes on the additive scale; se -- (k,) of their difference.
    The surplus over chance is fitted as for negative controls (maximum likelihood), which is the
    "out-of-sample" way to size residual bias of TSD 18, section 4.1.6. At least 5 studies.
    """
    gap = np.asarray(observed, dtype=float) - np.asarray(predicted, dtype=float)
    fitted = empirical_null(gap, se, minimum_controls=minimum_studies)
    return OutOfSampleError(fitted.mean, fitted.sd, fitted.n)


@checked
def with_residual_bias(
    effect: Estimate, *, sd: float, mean: float = 0.0, conf_level: float = CI_LEVEL
) -> Estimate:
    """The effect with residual bias N(mean, sd^2) taken out of the middle and put into the interval.

    On the additive scale of the effect: value - mean +- z sqrt(se^2 + sd^2). `sd` comes from
    `out_of_sample_error` or from the protocol.
    """
    if effect.se is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="effect", allowed="se")
    log = effect.scale == "log"
    error = math.hypot(positive(effect.se, "se"), number(sd, "sd", 0.0))
    value = (math.log(effect.value) if log else effect.value) - number(mean, "mean")
    half = normal_quantile(share(conf_level, "conf_level")) * error
    ends = [math.exp(one) if log else one for one in (value, value - half, value + half)]
    p = math.erfc(abs(value) / error / math.sqrt(2.0))
    return Estimate(ends[0], error, ends[1], ends[2], p, conf_level, effect.scale)
