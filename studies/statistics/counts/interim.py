"""Interim looks: boundaries that spend alpha, futility, and what may be said after stopping.

The boundary of each look depends on the information reached, not on a plan: looks may be unequal and their
number may change (Lan & DeMets 1983). After stopping, the ordinary p-value and interval are wrong; those of
the stage-wise ordering are given, with the median-unbiased estimate.

Sources: Lan & DeMets (1983, O'Brien-Fleming and Pocock type); Hwang, Shih & DeCani (1990); Kim & DeMets (1987);
Pampallona, Tsiatis & Kim (2001, beta spending); Jennison & Turnbull (2000), chapters 2, 7-9, 19; Tsiatis, Rosner &
Mehta (1984, stage-wise ordering); Jennison & Turnbull (1989, repeated intervals).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.counts.measure import chosen, finite, positive, root, share, whole, z_of
from studies.statistics.counts.recursion import BAD_INFORMATION, REACH, Going, beyond, go_on, information_of
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

Spending = Literal["obrien-fleming", "pocock", "hwang-shih-decani", "kim-demets"]
SPENDING = ("obrien-fleming", "pocock", "hwang-shih-decani", "kim-demets")

_FARTHEST = 36.5  # beyond it a normal tail is no number any more

NO_GAMMA = Reason(
    "no_gamma",
    "该消耗函数需要参数 gamma（kim-demets 须大于 0）。",
    "This spending function needs its parameter `gamma` (above 0 for kim-demets).",
)
FUTILITY_ONE_SIDED = Reason(
    "futility_one_sided",
    "无效界值仅用于单侧设计。",
    "Futility bounds belong to one-sided designs.",
)
NO_SUCH_LOOK = Reason(
    "no_such_look",
    "所给的分析阶段超出了已有信息量的分析次数。",
    "There is no information for the look at which the study is said to have ended.",
)


@dataclass(frozen=True)
class GroupSequentialDesign:
    """Boundaries of k looks on the z scale. Arrays (k,).

    information holds fractions of the planned total; spent the cumulative alpha; critical the z that stops
    for efficacy (two-sided: also -critical), infinite where a look may spend next to nothing; futility the z
    below which one may stop, -inf where none may, or None; beta_spent its cumulative beta and drift the
    theta sqrt(total information) at which the power is 1 - beta. inflation is the total information against
    that of a study without looks.
    """

    information: Floats
    spent: Floats
    critical: Floats
    stage_levels: Floats
    alpha: float
    sided: int
    spending: Spending
    method: str
    futility: Floats | None = None
    beta_spent: Floats | None = None
    drift: float | None = None
    inflation: float | None = None


@dataclass(frozen=True)
class StoppingProbabilities:
    """Per look (k,): the probability to stop there for efficacy (upper), and at the lower bound."""

    upper: Floats
    lower: Floats
    power: float
    expected_information: float


@dataclass(frozen=True)
class FinalInference:
    """After stopping at `stage`: one-sided p of no effect, median-unbiased estimate and equal-tailed limits."""

    stage: int
    p: float
    estimate: float
    lower: float
    upper: float
    conf_level: float
    method: str


@dataclass(frozen=True)
class RepeatedInterval:
    """At each look (k,): estimate -+ critical times se. They hold together, whether or not the study stopped."""

    lower: Floats
    upper: Floats
    crossed: npt.NDArray[np.bool_]


@checked
def spent(
    information: npt.ArrayLike,
    *,
    alpha: float,
    spending: Spending = "obrien-fleming",
    gamma: float | None = None,
) -> Floats:
    """The alpha (or beta) that may be spent up to each information fraction; all of it from 1 on.

    "obrien-fleming": 2 - 2 Phi(z_(alpha/2)/sqrt(t)); "pocock": alpha log(1 + (e - 1) t); "hwang-shih-decani":
    alpha (1 - exp(-gamma t))/(1 - exp(-gamma)); "kim-demets": alpha t^gamma. Fractions need not be in order.
    Raises `CannotEstimate`: BAD_INFORMATION (not above 0), OUT_OF_RANGE, BAD_ARGUMENT, NO_GAMMA.
    """
    from scipy.special import ndtr

    kind, level = chosen(spending, SPENDING, "spending"), share(alpha, "alpha")
    t = numbers(information, "information")
    if (t <= 0).any():
        raise CannotEstimate(BAD_INFORMATION)
    t = np.minimum(t, 1.0)
    if kind == "obrien-fleming":
        return np.asarray(2.0 * ndtr(-z_of(level / 2.0) / np.sqrt(t)))
    if kind == "pocock":
        return np.asarray(level * np.log1p((math.e - 1.0) * t))
    if gamma is None or (kind == "kim-demets" and gamma <= 0):
        raise CannotEstimate(NO_GAMMA)
    shape = finite(gamma, "gamma")
    if kind == "kim-demets":
        return np.asarray(level * t**shape)
    return level * (t if shape == 0.0 else np.expm1(-shape * t) / math.expm1(-shape))


@checked
def group_sequential(
    information: npt.ArrayLike,
    *,
    alpha: float = 0.025,
    sided: int = 1,
    spending: Spending = "obrien-fleming",
    gamma: float | None = None,
    beta: float | None = None,
    beta_spending: Spending = "obrien-fleming",
    beta_gamma: float | None = None,
) -> GroupSequentialDesign:
    """Boundaries for looks at these fractions of the total information, (k,) increasing.

    alpha is the total level; with sided=2 half of it is spent at each of the symmetric bounds. When the last
    fraction is 1 all alpha is spent. With `beta` (one-sided only) there are non-binding futility bounds: beta
    is spent under the drift that makes the last of them meet the efficacy bound; they do not lower `critical`.

    Raises `CannotEstimate`: BAD_INFORMATION, OUT_OF_RANGE (fractions above 1, alpha), BAD_ARGUMENT, NO_GAMMA,
    FUTILITY_ONE_SIDED, LOOKS_TOO_CLOSE.
    """
    t = _fractions(information)
    if sided not in (1, 2):
        raise CannotEstimate(BAD_ARGUMENT, argument="sided", allowed="1, 2")
    level = share(alpha, "alpha")
    one_side = spent(t, alpha=level / sided, spending=spending, gamma=gamma)
    critical = _efficacy(t, one_side, two_sided=sided == 2)
    named = f"{spending} spending" + (f" (gamma {gamma:g})" if gamma is not None else "")
    design = GroupSequentialDesign(
        information=t,
        spent=one_side * sided,
        critical=critical,
        stage_levels=_upper_tail(critical),
        alpha=level,
        sided=sided,
        spending=spending,
        method=f"group sequential boundaries, {named}, {'two' if sided == 2 else 'one'}-sided alpha {level:g}",
    )
    if beta is None:
        return design
    if sided == 2:
        raise CannotEstimate(FUTILITY_ONE_SIDED)
    return _with_futility(design, share(beta, "beta"), beta_spending, beta_gamma)


@checked
def stopping_probabilities(design: GroupSequentialDesign, drift: float) -> StoppingProbabilities:
    """Where the study stops if theta sqrt(total information) is `drift`; 0 gives the true level.

    One-sided designs with futility bounds: as if these were obeyed. `power` is the probability of the upper
    bound, for two-sided designs of the bound on the drift's side. Raises `CannotEstimate`: NOT_A_NUMBER.
    """
    theta = finite(drift, "drift")
    lower = -design.critical if design.sided == 2 else design.futility
    if lower is None:
        lower = np.full_like(design.critical, -np.inf)
    up, down, before = [], [], None
    for at, low, high in zip(design.information, lower, design.critical, strict=True):
        up.append(beyond(before, float(at), theta, float(high), upper=True))
        down.append(beyond(before, float(at), theta, float(low), upper=False))
        before = go_on(before, float(at), theta, float(low), float(high))
    upper, under = np.array(up), np.array(down)
    stopped = upper[:-1] + under[:-1]
    expected = float(stopped @ design.information[:-1] + (1.0 - stopped.sum()) * design.information[-1])
    power = float(under.sum() if theta < 0 and design.sided == 2 else upper.sum())
    return StoppingProbabilities(upper, under, power, expected)


@checked
def drift_for_power(design: GroupSequentialDesign, power: float) -> tuple[float, float]:
    """The drift at which the design has `power` (futility bounds obeyed), and its inflation of information.

    Inflation: (drift / (z_alpha + z_beta))^2, against a study with one look. Raises OUT_OF_RANGE.
    """
    target, fixed = share(power, "power"), z_of(design.alpha / design.sided)
    plain = fixed + z_of(1.0 - target)
    drift = root(
        lambda one: stopping_probabilities(design, one).power - target, 0.0, 2.0 * fixed + abs(plain) + 4.0
    )
    return drift, (drift / plain) ** 2


@checked
def final_inference(
    z: float,
    stage: int,
    information: npt.ArrayLike,
    critical: npt.ArrayLike,
    *,
    lower_bounds: npt.ArrayLike | None = None,
    conf_level: float = 0.95,
) -> FinalInference:
    """p, estimate and limits of the stage-wise ordering when the study ended at look `stage` (from 1) with z.

    information (at least `stage` looks) in natural units: 1/se^2 of the estimate at each look, so that the
    estimate is on its own scale (a log hazard ratio, a difference). critical: the upper bounds of the looks;
    lower_bounds only if they were binding (two-sided: -critical); non-binding futility is left out, which keeps
    the level. Raises `CannotEstimate`: BAD_INFORMATION, NO_SUCH_LOOK, LENGTHS_DIFFER, NOT_A_NUMBER, OUT_OF_RANGE.
    """
    at, k = information_of(information), whole(stage, "stage", least=1)
    bounds, seen = _bounds(critical, len(at), np.inf), finite(z, "z")
    below = _bounds(lower_bounds, len(at), -np.inf) if lower_bounds is not None else np.full(len(at), -np.inf)
    if k > len(at):
        raise CannotEstimate(NO_SUCH_LOOK)
    tail = (1.0 - share(conf_level, "conf_level")) / 2.0

    def p_of(theta: float) -> float:
        return _ordered_p(theta, seen, at[:k], bounds[: k - 1], below[: k - 1])

    # In the ordering a study stopped early is extreme: the root lies within what any look could show.
    reach = REACH + abs(seen) + float(np.abs(bounds[: k - 1][np.isfinite(bounds[: k - 1])]).max(initial=0.0))
    far = reach / math.sqrt(float(at[0]))
    estimate, low, high = (
        root(functools.partial(lambda at_p, theta: p_of(theta) - at_p, p), -far, far)
        for p in (0.5, tail, 1.0 - tail)
    )
    return FinalInference(
        stage=k, p=p_of(0.0), estimate=estimate, lower=low, upper=high, conf_level=conf_level,
        method=f"stage-wise ordering, median-unbiased estimate, confidence level {conf_level:g}",
    )  # fmt: skip


def repeated_intervals(
    estimate: npt.ArrayLike, se: npt.ArrayLike, critical: npt.ArrayLike
) -> RepeatedInterval:
    """Repeated confidence intervals: estimate -+ critical se at each look so far, (k,).

    With critical of a two-sided alpha design their joint level is 1 - alpha; of a one-sided one, each limit's is.
    Raises `CannotEstimate`: LENGTHS_DIFFER, NOT_A_NUMBER, OUT_OF_RANGE.
    """
    value = numbers(estimate, "estimate")
    error = numbers(se, "se", len(value))
    positive(float(error.min()), "se")
    z = numbers(critical, "critical", len(value))
    return RepeatedInterval(value - z * error, value + z * error, value / error >= z)


def _fractions(information: npt.ArrayLike) -> Floats:
    t = information_of(information)
    if t[-1] > 1.0 + 1e-12:
        share(float(t[-1]), "information", ends=True)
    return t


def _upper_tail(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(-z))


def _bounds(bounds: npt.ArrayLike, looks: int, missing: float) -> Floats:
    column = np.asarray(bounds, dtype=np.float64)
    if column.ndim != 1 or np.isnan(column).any():
        raise CannotEstimate(BAD_INFORMATION)
    # The look at which the study ended needs no bound.
    return np.concatenate([column, np.full(max(0, looks - len(column)), missing)])


def _efficacy(t: Floats, cumulative: Floats, *, two_sided: bool) -> Floats:
    """The bounds that spend `cumulative` at the looks under no effect."""
    before: Going | None = None
    bounds = []
    for at, more in zip(t, np.diff(cumulative, prepend=0.0), strict=True):
        bound = _bound(before, float(at), 0.0, float(more), upper=True)
        bounds.append(bound)
        before = go_on(before, float(at), 0.0, -bound if two_sided else -math.inf, bound)
    return np.array(bounds)


def _bound(before: Going | None, at: float, theta: float, probability: float, *, upper: bool) -> float:
    """The z beyond which `probability` lies; infinite where there is nothing to spend."""
    middle = theta * math.sqrt(at)
    if probability <= 0.0:
        return math.inf if upper else -math.inf
    low, high = middle - _FARTHEST, middle + _FARTHEST

    def gap(z: float) -> float:
        return beyond(before, at, theta, z, upper=upper) - probability

    if gap(low) * gap(high) >= 0:
        # Less than 1e-290 is asked for (nobody stops there), or more than is left (everybody does).
        return math.inf if (gap(high) > 0) == upper else -math.inf
    return root(gap, low, high)


def _with_futility(
    design: GroupSequentialDesign, beta: float, spending: Spending, gamma: float | None
) -> GroupSequentialDesign:
    cumulative = spent(design.information, alpha=beta, spending=spending, gamma=gamma)

    def last_gap(drift: float) -> float:
        return _futility(design, cumulative, drift)[1]

    plain = z_of(design.alpha) + z_of(beta)
    drift = root(last_gap, 0.5 * plain, 2.0 * plain + 1.0)
    futility, _ = _futility(design, cumulative, drift)
    futility[-1] = design.critical[-1]
    return replace(
        design,
        method=f"{design.method}; non-binding futility, {spending} spending of beta {beta:g}",
        futility=futility,
        beta_spent=cumulative,
        drift=drift,
        inflation=(drift / plain) ** 2,
    )


def _futility(design: GroupSequentialDesign, cumulative: Floats, drift: float) -> tuple[Floats, float]:
    """The futility bounds under `drift`, and how much beta is left over at the last efficacy bound."""
    before: Going | None = None
    bounds = np.empty_like(cumulative)
    steps = np.diff(cumulative, prepend=0.0)
    for look, (at, more, high) in enumerate(zip(design.information, steps, design.critical, strict=True)):
        if look == len(steps) - 1:
            return bounds, float(more) - beyond(before, float(at), drift, float(high), upper=False)
        # Under a drift too small for the power the bound would pass the efficacy bound: it stops there.
        bounds[look] = min(_bound(before, float(at), drift, float(more), upper=False), float(high))
        before = go_on(before, float(at), drift, float(bounds[look]), float(high))
    raise AssertionError  # a design has at least one look


def _ordered_p(theta: float, z: float, at: Floats, upper: Floats, lower: Floats) -> float:
    """P(a result at least as extreme): crossing the upper bound before, or Z >= z at the last look."""
    before: Going | None = None
    p = 0.0
    for information, high, low in zip(at[:-1], upper, lower, strict=True):
        p += beyond(before, float(information), theta, float(high), upper=True)
        before = go_on(before, float(information), theta, float(low), float(high))
    return p + beyond(before, float(at[-1]), theta, z, upper=True)
