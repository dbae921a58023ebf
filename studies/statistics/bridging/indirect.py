"""The anchored indirect comparison: A against B through a comparator C that both trials had.

Source: Bucher, Guyatt, Griffith & Walter (1997), J Clin Epidemiol 50:683-691. It keeps randomisation within each
trial and stands on one assumption: what modifies the effect is distributed alike in both trials. A single
arm has no contrast, so the question does not even type-check here: `bucher` takes two `Contrast`s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics.bridging.arguments import Anchored, anchoring, choice, number, positive, share
from studies.statistics.estimate import Estimate, Scale, wald
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile, two_sided_p

UNANCHORED_REFUSED = Reason(
    "unanchored_refused",
    "单臂研究没有共同对照组：不能作锚定的间接比较（Bucher 法），只能作声明了全部预后因素的非锚定比较。",
    "A single-arm study has no common comparator: no anchored (Bucher) comparison is possible, only an "
    "unanchored one with every prognostic factor declared.",
)
NO_COMMON_COMPARATOR = Reason(
    "no_common_comparator",
    "两个试验的对照“{one}”与“{other}”不同，没有共同对照。",
    "The trials' reference arms '{one}' and '{other}' differ: there is no common comparator.",
)


@dataclass(frozen=True)
class Contrast:
    """What one trial says: `treatment` against `reference`, as `value` with `se` on `scale`.

    On scale "log" value and se are of the log ratio; on "identity" of a difference.
    """

    treatment: str
    reference: str
    value: float
    se: float
    scale: Scale = "log"


@dataclass(frozen=True)
class IndirectComparison:
    """`effect` of `treatment` against `against`, both randomised against `through`."""

    treatment: str
    against: str
    through: str
    effect: Estimate
    anchored: str
    method: str


@checked
def contrast_from_limits(
    treatment: str,
    reference: str,
    value: float,
    lower: float,
    upper: float,
    *,
    scale: Scale = "log",
    conf_level: float = CI_LEVEL,
) -> Contrast:
    """A contrast from a published estimate and its confidence limits (ratios for scale "log").

    se = (upper - lower) / 2z on the scale. Raises `CannotEstimate` for limits that do not enclose the
    estimate, or that are so uneven around it that they were not made on this scale (a tenth of their width).
    """
    choice(scale, "scale", ("log", "identity"))
    z = normal_quantile(share(conf_level, "conf_level"))
    if scale == "log":
        middle, low, high = (math.log(positive(one, "contrast")) for one in (value, lower, upper))
    else:
        middle, low, high = (number(one, "contrast") for one in (value, lower, upper))
    uneven = abs(middle - (low + high) / 2.0)
    if not low < high or not low <= middle <= high or uneven > 0.1 * (high - low):
        raise CannotEstimate(BAD_ARGUMENT, argument="lower, upper", allowed=f"value +- z se ({scale})")
    return Contrast(treatment, reference, middle, (high - low) / (2.0 * z), scale)


@checked
def bucher(
    treatment: Contrast, comparator: Contrast, *, anchored: Anchored, conf_level: float = CI_LEVEL
) -> IndirectComparison:
    """A against B from A against C and B against C: the difference of contrasts; their variances add up.

    Raises `CannotEstimate` for anchored="unanchored", for different reference arms, for different scales
    and for numbers that are not finite. The effect is reported back-transformed for scale "log".
    """
    if anchoring(anchored) == "unanchored":
        raise CannotEstimate(UNANCHORED_REFUSED)
    a, b = check_contrast(treatment), check_contrast(comparator)
    if a.reference != b.reference:
        raise CannotEstimate(NO_COMMON_COMPARATOR, one=a.reference, other=b.reference)
    if a.scale != b.scale:
        raise CannotEstimate(BAD_ARGUMENT, argument="scale", allowed=a.scale)
    effect = wald(a.value - b.value, math.hypot(a.se, b.se), share(conf_level, "conf_level"), a.scale)
    return IndirectComparison(
        a.treatment, b.treatment, a.reference, effect, "anchored",
        f"anchored indirect comparison through {a.reference} (Bucher 1997)",
    )  # fmt: skip


@checked
def inconsistency(direct: Contrast, indirect: Contrast, *, conf_level: float = CI_LEVEL) -> Estimate:
    """Direct minus indirect estimate of the same contrast, with its z-test (Bucher 1997).

    Both must come from different patients. On scale "log" the difference is a ratio of ratios.
    """
    one, other = check_contrast(direct), check_contrast(indirect)
    if (one.treatment, one.reference) != (other.treatment, other.reference):
        raise CannotEstimate(NO_COMMON_COMPARATOR, one=one.reference, other=other.reference)
    if one.scale != other.scale:
        raise CannotEstimate(BAD_ARGUMENT, argument="scale", allowed=one.scale)
    level = share(conf_level, "conf_level")
    difference, error = one.value - other.value, math.hypot(one.se, other.se)
    made = wald(difference, error, level, one.scale)
    return Estimate(
        made.value, error, made.lower, made.upper, two_sided_p(difference / error), level, one.scale
    )


def check_contrast(contrast: Contrast) -> Contrast:
    """The contrast, with a finite value and an error above 0. Raises `CannotEstimate` otherwise."""
    if not isinstance(contrast, Contrast):
        raise CannotEstimate(UNANCHORED_REFUSED)
    choice(contrast.scale, "scale", ("log", "identity"))
    number(contrast.value, "contrast")
    positive(contrast.se, "se")
    return contrast
