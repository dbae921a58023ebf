"""A single arm against an objective performance criterion (OPC): the test, the bound, and the claim.

A device study without a control says beforehand: at least 80 % of implants succeed, or at most 5 % have the
complication. The criterion is met when the exact one-sided test at `alpha` rejects "it is not so", which is
the same as: the exact one-sided bound lies on the right side of the criterion. Three verdicts, not two:
"met"; "not met" when the data show the opposite at the same level; "not shown" when they show neither.

Sources: Clopper & Pearson (1934); R's binom.test(alternative = "greater"); for subjects lost to follow-up,
the worst-case and tipping-point analyses of Yan, Lee & Li (2009, J Biopharm Stat 19:1085) with one arm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rwd_platform.core.text import Bilingual
from studies.reasons import CannotEstimate, Reason
from studies.statistics.counts.measure import (
    Alternative,
    chosen,
    events_of,
    first_true,
    normal_p,
    positive,
    share,
    whole,
    z_of,
)
from studies.statistics.counts.proportions import Proportion, binomial_p, limits, proportion
from studies.statistics.inputs import labels, yes_no
from studies.statistics.options import checked

Direction = Literal["at least", "at most"]
Verdict = Literal["met", "not met", "not shown"]
DIRECTIONS = ("at least", "at most")

NO_SOURCE = Reason(
    "no_source",
    "目标值必须注明来源（指南、文献或监管文件）。",
    "A performance criterion needs its source (a guideline, publication or regulator's document).",
)
FLAT_CURVE = Reason(
    "flat_curve",
    "该时点的生存率为 0 或 1，或标准误为 0，对数-对数置信界无法计算。",
    "Survival is 0 or 1 there, or its standard error is 0: the log-log bound does not exist.",
)
ONE_SITE = Reason(
    "one_site", "只有一家中心，无法逐一剔除中心。", "There is one site only: none can be left out."
)


@dataclass(frozen=True)
class Criterion:
    """What was promised, before the data: a proportion, its direction, and where the number comes from.

    `direction` "at least" for a success that should be frequent, "at most" for a complication that
    should be rare. Raises `CannotEstimate`: OUT_OF_RANGE, BAD_ARGUMENT, NO_SOURCE.
    """

    value: float
    source: str
    direction: Direction = "at least"

    def __post_init__(self) -> None:
        share(self.value, "criterion")
        chosen(self.direction, DIRECTIONS, "direction")
        if not self.source.strip():
            raise CannotEstimate(NO_SOURCE)

    @property
    def alternative(self) -> Alternative:
        """What the one-sided test tries to show: "greater" for at least, "less" for at most."""
        return "greater" if self.direction == "at least" else "less"


@dataclass(frozen=True)
class CriterionResult:
    """The comparison of one arm with its criterion.

    `bound` is the one-sided limit at 1 - alpha on the side of the claim; lower and upper are the two-sided
    Clopper-Pearson limits at 1 - 2 alpha, of which `bound` is one; `p` is the exact one-sided p-value.
    """

    events: int
    n: int
    estimate: float
    bound: float
    lower: float
    upper: float
    p: float
    alpha: float
    criterion: Criterion
    verdict: Verdict
    claim: Bilingual
    method: str


@dataclass(frozen=True)
class LossToFollowUp:
    """What the subjects without an outcome could do to the verdict.

    as_failures / as_successes count every lost subject the one or the other way; `observed` leaves them out.
    failures_to_overturn is the smallest number of failures among the lost (the rest successes) with which
    the criterion is no longer met: 0 when it is not met even if none failed, None when it stays met though
    all failed. verdicts[k] is the verdict with k failures among the lost.
    """

    lost: int
    observed: CriterionResult
    as_failures: CriterionResult
    as_successes: CriterionResult
    failures_to_overturn: int | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class SiteResults:
    """Each site's own proportion (exact two-sided limits), and the verdict when that site is left out."""

    sites: tuple[Hashable, ...]
    results: tuple[Proportion, ...]
    without: tuple[CriterionResult, ...]


@dataclass(frozen=True)
class CurveCriterion:
    """Survival at one time against a criterion: estimate, one-sided log-log bound, z and p."""

    time: float
    estimate: float
    se: float
    bound: float
    z: float
    p: float
    alpha: float
    criterion: Criterion
    verdict: Verdict
    claim: Bilingual
    method: str


@checked
def against_criterion(events: int, n: int, criterion: Criterion, *, alpha: float = 0.025) -> CriterionResult:
    """The exact one-sided test of `events` among `n` against the criterion, at one-sided level `alpha`.

    events counts what the criterion counts: successes for "at least", complications for "at most".
    Met when p <= alpha. "Not met" when the exact bound of the other side, at the same alpha, excludes the
    criterion. Raises `CannotEstimate`: NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, NOT_A_NUMBER, OUT_OF_RANGE.
    """
    x, size = events_of(events, n)
    level = share(alpha, "alpha")
    low, high = limits(np.array([float(x)]), size, "clopper-pearson", level)
    p = binomial_p(x, size, criterion.value, criterion.alternative)
    opposite = binomial_p(
        x, size, criterion.value, "less" if criterion.alternative == "greater" else "greater"
    )
    verdict: Verdict = "met" if p <= level else "not met" if opposite <= level else "not shown"
    bound = float(low[0]) if criterion.direction == "at least" else float(high[0])
    said = _claim(criterion, verdict, x / size, bound, level, p, counts=(x, size))
    name = f"exact one-sided binomial test against a criterion, Clopper-Pearson bound at {1 - level:g}"
    return CriterionResult(
        x, size, x / size, bound, float(low[0]), float(high[0]), p, level, criterion, verdict, said, name
    )


@checked
def loss_to_follow_up(
    events: int, observed: int, lost: int, criterion: Criterion, *, alpha: float = 0.025
) -> LossToFollowUp:
    """The verdict for every number of failures among the `lost` (0 ... lost), with denominator observed + lost.

    events of `observed` subjects as in `against_criterion`. A failure is a subject without the success of an
    "at least" criterion, or with the complication of an "at most" one. Raises `CannotEstimate` likewise.
    """
    x, size = events_of(events, observed, "events")
    gone = whole(lost, "lost")

    def with_failures(failures: int) -> CriterionResult:
        more = gone - failures if criterion.direction == "at least" else failures
        return against_criterion(x + more, size + gone, criterion, alpha=alpha)

    # A large registry may have lost thousands: the verdicts are monotone, so two searches find all of them.
    first_unmet = first_true(0, gone + 1, lambda k: with_failures(k).verdict != "met")
    first_missed = first_true(0, gone + 1, lambda k: with_failures(k).verdict == "not met")
    met: tuple[Verdict, ...] = ("met",)
    unshown: tuple[Verdict, ...] = ("not shown",)
    missed: tuple[Verdict, ...] = ("not met",)
    verdicts = met * first_unmet + unshown * (first_missed - first_unmet) + missed * (gone + 1 - first_missed)
    return LossToFollowUp(
        lost=gone,
        observed=against_criterion(x, size, criterion, alpha=alpha),
        as_failures=with_failures(gone),
        as_successes=with_failures(0),
        failures_to_overturn=first_unmet if first_unmet <= gone else None,
        verdicts=verdicts,
    )


@checked
def by_site(
    outcome: npt.ArrayLike,
    site: Sequence[Hashable] | npt.ArrayLike,
    criterion: Criterion,
    *,
    alpha: float = 0.025,
    conf_level: float = 0.95,
) -> SiteResults:
    """Each site's proportion, and the whole verdict without it.

    outcome -- (n,) 0/1, one a subject; site -- (n,) labels. Raises `CannotEstimate`: NO_SUBJECTS, BAD_CODES,
    BAD_LABELS, LENGTHS_DIFFER, ONE_SITE, and as `against_criterion`.
    """
    happened = yes_no(outcome, "outcome")
    sites = labels(site, "site", len(happened))
    if len(sites) < 2:
        raise CannotEstimate(ONE_SITE)
    n = np.bincount(sites.codes, minlength=len(sites))
    x = np.bincount(sites.codes, weights=happened, minlength=len(sites))
    results = tuple(
        proportion(int(one), int(size), conf_level=conf_level) for one, size in zip(x, n, strict=True)
    )
    without = tuple(
        against_criterion(int(x.sum() - one), int(n.sum() - size), criterion, alpha=alpha)
        for one, size in zip(x, n, strict=True)
    )
    return SiteResults(sites.levels, results, without)


@checked
def survival_against_criterion(
    time: float, survival: float, se: float, criterion: Criterion, *, alpha: float = 0.025
) -> CurveCriterion:
    """Kaplan-Meier survival at `time` against a criterion of survival, on the log(-log) scale.

    survival and se are those of the curve at `time` (se of the survival itself, by Greenwood). The test is
    (log(-log S) - log(-log c)) / (se / |S log S|); the bound is S ** exp(+-z se / |S log S|) (Kalbfleisch &
    Prentice 1980, section 1.3; Klein & Moeschberger 2003, equation 4.3.2). The direction is that of survival:
    an upper limit of 10 % on failures is "at least" 0.90. Approximate; with few events the exact proportion
    is the safer analysis. Raises `CannotEstimate`: FLAT_CURVE, NOT_A_NUMBER, OUT_OF_RANGE.
    """
    months, level = positive(time, "time"), share(alpha, "alpha")
    s, error = share(survival, "survival", ends=True), float(se)
    if not 0.0 < s < 1.0 or error == 0.0:
        raise CannotEstimate(FLAT_CURVE)
    scaled = positive(error, "se") / abs(s * math.log(s))
    # log(-log S) falls as S rises: a positive z speaks for more survival than the criterion.
    z = (math.log(-math.log(criterion.value)) - math.log(-math.log(s))) / scaled
    p = normal_p(z, criterion.alternative)
    sign = 1.0 if criterion.direction == "at least" else -1.0
    bound = s ** math.exp(sign * z_of(level) * scaled)
    verdict: Verdict = "met" if p <= level else "not met" if 1.0 - p <= level else "not shown"
    said = _claim(criterion, verdict, s, bound, level, p, counts=None)
    name = f"Kaplan-Meier survival against a criterion, one-sided log-log bound at {1 - level:g}"
    return CurveCriterion(months, s, error, bound, z, p, level, criterion, verdict, said, name)


_VERDICT_ZH: dict[Verdict, str] = {
    "met": "达到目标值",
    "not met": "未达到目标值",
    "not shown": "尚不能证明达到目标值",
}
_VERDICT_EN: dict[Verdict, str] = {
    "met": "the criterion is met",
    "not met": "the criterion is not met",
    "not shown": "the criterion is not shown to be met",
}


def _claim(
    criterion: Criterion,
    verdict: Verdict,
    estimate: float,
    bound: float,
    alpha: float,
    p: float,
    counts: tuple[int, int] | None,
) -> Bilingual:
    """The sentence a report may print. Bounds are rounded away from the claim, so that it is never too good."""
    least = criterion.direction == "at least"
    shown_bound = _percent(bound, math.floor if least else math.ceil)
    shown_p = "<0.0001" if p < 0.0001 else f"={p:.4f}"
    of = f"{counts[0]}/{counts[1]}, " if counts else ""
    level = f"{100 * (1 - alpha):g}%"
    target, value = _exactly(criterion.value), _percent(estimate, round)
    zh_of = f"{counts[0]}/{counts[1]}，" if counts else ""
    zh = (
        f"观察值 {zh_of}{value}；单侧 {level} 置信{'下' if least else '上'}限 {shown_bound}，"
        f"目标值为{'不低于' if least else '不高于'} {target}（单侧 P{shown_p}）：{_VERDICT_ZH[verdict]}。"
    )
    en = (
        f"Observed {of}{value}; one-sided {level} {'lower' if least else 'upper'} bound {shown_bound} against a "
        f"criterion of {criterion.direction} {target} (one-sided p{shown_p}): {_VERDICT_EN[verdict]}."
    )
    return Bilingual(zh, en)


def _percent(value: float, rounded: Callable[[float], int]) -> str:
    return f"{rounded(1000 * value) / 10:.1f}%"


def _exactly(value: float) -> str:
    """A criterion is never rounded: 80%, 97.25%."""
    return f"{100 * value:.10g}%"
