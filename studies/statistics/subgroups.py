"""Does the treatment effect differ between subgroups? Effects by level, interaction tests, one site left out.

The effect at each level comes from one model with the product of treatment and level, so all levels share
the covariates' slopes, and the test of interaction compares it with the model without products. An effect that
is significant at one level and not at another shows nothing: read the interaction (Assmann et al. 2000, Lancet
355:1064). Unadjusted unless `adjust` is asked for: Holm (1979) or Hochberg (1988) over the interaction tests.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS_IN_ARM, ONE_ARM, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import Labels, labels, matrix, numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import chi_square_p
from studies.statistics.subgroup_outcomes import CoxOutcome, LinearOutcome, LogisticOutcome, Outcome

__all__ = [
    "CoxOutcome",
    "Interaction",
    "LeftOut",
    "Level",
    "LinearOutcome",
    "LogisticOutcome",
    "Subgroup",
    "adjust_p",
    "leave_one_site_out",
    "subgroup_effects",
]

Test = Literal["likelihood_ratio", "wald"]
Adjustment = Literal["none", "holm", "hochberg"]
_TESTS = ("likelihood_ratio", "wald")

ONE_LEVEL = Reason(
    "one_level",
    "亚组变量“{variable}”只有一个水平，无法检验交互作用。",
    "The subgroup variable '{variable}' has one level only: no interaction can be tested.",
)
ARM_EMPTY_AT_LEVEL = Reason(
    "arm_empty_at_level",
    "“{level}”水平中只有一个组有受试者。",
    "At the level '{level}' only one of the arms has subjects.",
)


@dataclass(frozen=True)
class Level:
    """One level: subjects and events (None for a continuous outcome) of the control and the treated arm, and
    the effect of treatment there, or the reason (`not_estimated`) why it has none.
    """

    level: Hashable
    n_control: int
    n_treated: int
    events_control: int | None
    events_treated: int | None
    effect: Estimate | None
    not_estimated: CannotEstimate | None


@dataclass(frozen=True)
class Interaction:
    """The test that the effect is the same at all levels. `p_adjusted` equals p unless an adjustment over
    several subgroup variables was asked for.
    """

    statistic: float
    df: int
    p: float
    p_adjusted: float
    test: Test
    adjustment: Adjustment


@dataclass(frozen=True)
class Subgroup:
    """All of one subgroup variable. `interaction` is None, with `no_interaction`, where it cannot be tested."""

    variable: str
    levels: tuple[Level, ...]
    interaction: Interaction | None
    no_interaction: CannotEstimate | None
    method: str


@dataclass(frozen=True)
class LeftOut:
    """The effect of treatment without one site."""

    site: Hashable
    n: int
    n_left_out: int
    effect: Estimate | None
    not_estimated: CannotEstimate | None


@checked
def subgroup_effects(
    outcome: Outcome,
    treated: npt.ArrayLike,
    subgroups: Mapping[str, Sequence[Hashable] | npt.ArrayLike],
    *,
    covariates: npt.ArrayLike | None = None,
    test: Test = "likelihood_ratio",
    adjust: Adjustment = "none",
    conf_level: float = 0.95,
) -> tuple[Subgroup, ...]:
    """Effects by level and the test of interaction for every variable in `subgroups`, name -> labels (n,).

    treated (n,) 0/1; covariates (n, c) in every model. The test is the likelihood ratio (for a linear outcome
    the F test, which is the same as Wald's there) or Wald's chi-square, with levels - 1 degrees of freedom.
    Levels with a single arm, or without events in an arm, are reported with their reason and left out of the
    model and the test. Raises `CannotEstimate` for one arm alone, unequal lengths and bad columns.
    """
    if test not in _TESTS:
        raise CannotEstimate(BAD_ARGUMENT, argument="test", allowed=", ".join(_TESTS))
    arm = yes_no(treated, "treated", outcome.n)
    if arm.all() or not arm.any():
        raise CannotEstimate(ONE_ARM)
    x = np.empty((outcome.n, 0)) if covariates is None else matrix(covariates, outcome.n, "covariates")
    found = [
        _subgroup(outcome, arm, name, labels(values, name, outcome.n), x, test, conf_level)
        for name, values in subgroups.items()
    ]
    tested = [one.interaction for one in found if one.interaction is not None]
    adjusted = iter(adjust_p([one.p for one in tested], adjust))
    return tuple(
        one
        if one.interaction is None
        else replace(one, interaction=replace(one.interaction, p_adjusted=next(adjusted), adjustment=adjust))
        for one in found
    )


@checked
def leave_one_site_out(
    outcome: Outcome,
    treated: npt.ArrayLike,
    site: Sequence[Hashable] | npt.ArrayLike,
    *,
    covariates: npt.ArrayLike | None = None,
    conf_level: float = 0.95,
) -> tuple[LeftOut, ...]:
    """The effect of treatment with each site left out in turn; site (n,) labels of two or more sites.

    A site without which nothing can be estimated is reported with its reason.
    """
    arm = yes_no(treated, "treated", outcome.n)
    sites = labels(site, "site", outcome.n)
    if len(sites) < 2:
        raise CannotEstimate(ONE_LEVEL, variable="site")
    x = np.empty((outcome.n, 0)) if covariates is None else matrix(covariates, outcome.n, "covariates")
    found = []
    for k, level in enumerate(sites.levels):
        rows = sites.codes != k
        effect, reason = None, None
        try:
            effect = _effect(outcome, arm, x, rows, conf_level)
        except CannotEstimate as cannot:
            reason = cannot
        found.append(LeftOut(level, int(rows.sum()), int((~rows).sum()), effect, reason))
    return tuple(found)


@checked
def adjust_p(p: Sequence[float], method: Adjustment) -> list[float]:
    """p values adjusted for their number, in the order given, as R's `p.adjust`.

    Holm (1979) steps down and holds under any dependence; Hochberg (1988) steps up and needs independence or
    positive dependence. Raises `CannotEstimate` for p outside [0, 1] and an unknown method.
    """
    if method not in ("none", "holm", "hochberg"):
        raise CannotEstimate(BAD_ARGUMENT, argument="adjust", allowed="none, holm, hochberg")
    if not len(p):
        return []
    values = numbers(p, "p")
    if ((values < 0) | (values > 1)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="p", allowed="0 ... 1")
    if method == "none":
        return [float(one) for one in values]
    order = np.argsort(values, kind="stable")
    scaled = values[order] * (len(values) - np.arange(len(values)))
    down, up = np.maximum.accumulate(scaled), np.minimum.accumulate(scaled[::-1])[::-1]
    scaled = down if method == "holm" else up
    back = np.empty(len(values))
    back[order] = np.minimum(scaled, 1.0)
    return [float(one) for one in back]


def _subgroup(
    model: Outcome, arm: Bools, name: str, groups: Labels, x: Floats, test: Test, conf_level: float
) -> Subgroup:
    reasons = [_why_not(model, arm, groups.codes == k, str(level)) for k, level in enumerate(groups.levels)]
    usable = [k for k, reason in enumerate(reasons) if reason is None]
    effects: dict[int, Estimate] = {}
    interaction, failed = None, None
    try:
        if len(usable) < 2:
            raise CannotEstimate(ONE_LEVEL, variable=name)
        effects, interaction = _interaction(model, arm, groups, usable, x, test, conf_level)
    except CannotEstimate as cannot:
        failed = cannot
    if failed is not None:  # without a joint model each level stands alone
        for k in usable:
            try:
                effects[k] = _effect(model, arm, x, groups.codes == k, conf_level)
            except CannotEstimate as cannot:
                reasons[k] = cannot
    levels = tuple(
        _level(model, arm, groups, k, effects.get(k), reasons[k]) for k in range(len(groups.levels))
    )
    kind = "F" if model.scale == "identity" else test.replace("_", " ")
    return Subgroup(
        name,
        levels,
        interaction,
        failed,
        f"{model.name} with treatment by {name}, {kind} test of interaction",
    )


def _interaction(
    model: Outcome, arm: Bools, groups: Labels, usable: list[int], x: Floats, test: Test, conf_level: float
) -> tuple[dict[int, Estimate], Interaction]:
    """One model with a treatment effect at each usable level, and one with a common effect."""
    rows = np.isin(groups.codes, usable)
    member = (groups.codes[:, None] == np.array(usable)) * 1.0
    main = x if model.absorbs(groups.codes) else np.column_stack([member[:, 1:], x])
    full = model.fit(np.column_stack([member * arm[:, None], main]), rows)
    k, df = len(usable), len(usable) - 1
    linear = model.scale == "identity"
    left = int(rows.sum()) - (k + main.shape[1] + 1)
    effects = {
        level: _estimate(
            model, float(full.coef[place]), float(full.covariance[place, place]), left, conf_level
        )
        for place, level in enumerate(usable)
    }
    apart = np.column_stack([-np.ones(df), np.eye(df)])
    difference = apart @ full.coef[:k]
    chisq = float(difference @ np.linalg.solve(apart @ full.covariance[:k, :k] @ apart.T, difference))
    if linear:
        from scipy.special import fdtrc

        statistic, p = chisq / df, float(fdtrc(df, left, chisq / df))
        return effects, Interaction(statistic, df, p, p, test, "none")
    if test == "likelihood_ratio":
        reduced = model.fit(np.column_stack([arm, main]), rows)
        chisq = max(2.0 * (full.loglik - reduced.loglik), 0.0)
    p = chi_square_p(chisq, df)
    return effects, Interaction(chisq, df, p, p, test, "none")


def _effect(model: Outcome, arm: Bools, x: Floats, rows: Bools, conf_level: float) -> Estimate:
    if arm[rows].all() or not arm[rows].any():
        raise CannotEstimate(ONE_ARM)
    # A covariate that is constant among these rows says nothing about them.
    varies = np.ptp(x[rows], axis=0) > 0
    design = np.column_stack([arm, x[:, varies]])
    fit = model.fit(design, rows)
    left = int(rows.sum()) - design.shape[1] - 1
    return _estimate(model, float(fit.coef[0]), float(fit.covariance[0, 0]), left, conf_level)


def _estimate(model: Outcome, value: float, variance: float, left: int, conf_level: float) -> Estimate:
    se = float(np.sqrt(variance))
    if model.scale != "identity":
        return wald(value, se, conf_level, model.scale)
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(left, 0.5 + conf_level / 2)) * se
    p = 2.0 * float(stdtr(left, -abs(value / se))) if se > 0 else None
    return Estimate(value, se, value - half, value + half, p, conf_level)


def _why_not(model: Outcome, arm: Bools, mine: Bools, level: str) -> CannotEstimate | None:
    if not (mine & arm).any() or not (mine & ~arm).any():
        return CannotEstimate(ARM_EMPTY_AT_LEVEL, level=level)
    happened = model.events()
    if happened is None:
        return None
    for side, name in ((arm, "treated"), (~arm, "control")):
        here = happened[mine & side]
        if not here.any() or (model.name.startswith("Logistic") and here.all()):
            return CannotEstimate(NO_EVENTS_IN_ARM, arm=f"{level}: {name}")
    return None


def _level(
    model: Outcome, arm: Bools, groups: Labels, k: int, effect: Estimate | None, reason: CannotEstimate | None
) -> Level:
    mine, happened = groups.codes == k, model.events()
    return Level(
        level=groups.levels[k],
        n_control=int((mine & ~arm).sum()),
        n_treated=int((mine & arm).sum()),
        events_control=None if happened is None else int((mine & ~arm & happened).sum()),
        events_treated=None if happened is None else int((mine & arm & happened).sum()),
        effect=effect,
        not_estimated=reason,
    )
