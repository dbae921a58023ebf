"""Is the new treatment not worse by more than a margin, or equivalent within one?

The margin is a decision made before the data; without its justification it is refused. The verdict comes from
a one-sided bound at 1 - alpha; equivalence needs both bounds inside (two one-sided tests).

Sources: Farrington & Manning (1990); Miettinen & Nurminen (1985); Schuirmann (1987, two one-sided tests); Welch
(1947); ICH E9 (1998), 3.3.2; FDA, Non-Inferiority Clinical Trials (2016). Planning is in `trial_size`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.reasons import CannotEstimate, Reason
from studies.statistics.counts.measure import (
    chosen,
    events_of,
    finite,
    finite_or_none,
    normal_p,
    positive,
    share,
    whole,
    z_of,
)
from studies.statistics.counts.score import difference_limits, difference_z, log_limits, ratio_z
from studies.statistics.options import checked

Outcome = Literal["beneficial", "harmful"]
Scale = Literal["difference", "ratio"]
Aim = Literal["non-inferiority", "equivalence"]
Verdict = Literal["shown", "not shown", "refuted"]

NO_JUSTIFICATION = Reason(
    "no_justification",
    "非劣效（等效）界值必须注明其确定依据。",
    "A margin needs its justification in words.",
)
BAD_MARGIN = Reason(
    "bad_margin",
    "界值超出允许范围：差值界值须大于 0，比值界值须大于 1（率差界值小于 1）。",
    "The margin is out of range: above 0 for a difference (below 1 for proportions), above 1 for a ratio.",
)
NO_SPREAD = Reason("no_spread", "两组均无变异，检验无法进行。", "Neither group varies: there is no test.")


@dataclass(frozen=True)
class Margin:
    """The largest loss that is accepted, on the scale of the measure, and why.

    `value` is above 0 for a difference and above 1 for a ratio, whatever the direction: a margin of 1.25 for
    a beneficial outcome means a ratio of at least 1/1.25. Raises `CannotEstimate`: NO_JUSTIFICATION,
    BAD_MARGIN, NOT_A_NUMBER.
    """

    value: float
    justification: str
    scale: Scale = "difference"

    def __post_init__(self) -> None:
        chosen(self.scale, ("difference", "ratio"), "scale")
        if not self.justification.strip():
            raise CannotEstimate(NO_JUSTIFICATION)
        if finite(self.value, "margin") <= (0.0 if self.scale == "difference" else 1.0):
            raise CannotEstimate(BAD_MARGIN)

    @property
    def on_line(self) -> float:
        """The margin where differences live: itself, or its logarithm."""
        return self.value if self.scale == "difference" else math.log(self.value)


@dataclass(frozen=True)
class Comparison:
    """The comparison of a treatment with a margin.

    estimate is treatment against control; lower and upper are two-sided limits at 1 - 2 alpha, of which the
    one on the side of loss decides (None: no finite limit). p is the one-sided p of the margin, for
    equivalence the larger of the two. verdict: "shown" when the bound is inside the margin, "refuted" when
    the interval lies outside of it, else "not shown".
    """

    estimate: float
    lower: float | None
    upper: float | None
    z: float
    p: float
    alpha: float
    aim: Aim
    outcome: Outcome
    margin: Margin
    verdict: Verdict
    claim: Bilingual
    method: str


@checked
def compare_proportions(
    events: tuple[int, int],
    n: tuple[int, int],
    margin: Margin,
    *,
    outcome: Outcome = "beneficial",
    aim: Aim = "non-inferiority",
    alpha: float = 0.025,
    small_sample: bool = True,
) -> Comparison:
    """Two proportions, treatment first, by the score test of the margin on its scale (difference or ratio).

    `small_sample` is Miettinen and Nurminen's factor N/(N - 1); False gives Farrington and Manning's test.
    Raises `CannotEstimate`: NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS, BAD_MARGIN, OUT_OF_RANGE, BAD_ARGUMENT, and
    NO_SPREAD for a ratio without any event.
    """
    (x1, n1), (x2, n2) = events_of(events[0], n[0]), events_of(events[1], n[1])
    level = share(alpha, "alpha")
    name = "Miettinen-Nurminen" if small_sample else "Farrington-Manning"
    if margin.scale == "difference":
        if margin.value >= 1.0:
            raise CannotEstimate(BAD_MARGIN)

        def statistic(delta: float) -> float:
            return float(difference_z(x1, n1, x2, n2, delta, small_sample=small_sample))

        estimate = x1 / n1 - x2 / n2
        limits = difference_limits(x1, n1, x2, n2, z_of(level), small_sample=small_sample)
    else:
        if x1 == 0 or x2 == 0:
            raise CannotEstimate(NO_SPREAD)

        def statistic(delta: float) -> float:
            return float(ratio_z(x1, n1, x2, n2, math.exp(delta), small_sample=small_sample))

        estimate = math.log(x1 / n1) - math.log(x2 / n2)
        limits = log_limits(statistic, z_of(level), estimate)
    zs = (statistic(-margin.on_line), statistic(margin.on_line))
    ps = (normal_p(zs[0], "greater"), normal_p(zs[1], "less"))
    full = f"{name} score test of proportions ({margin.scale})"
    return _judged(estimate, limits, ps, _deciding(zs, outcome), margin, outcome, aim, level, full)


@checked
def compare_log_hazard_ratio(
    log_hr: float,
    se: float,
    margin: Margin,
    *,
    outcome: Outcome = "harmful",
    aim: Aim = "non-inferiority",
    alpha: float = 0.025,
) -> Comparison:
    """A hazard ratio (or any ratio with a normal logarithm) against a margin of ratio, by Wald.

    log_hr, se -- the coefficient of the treatment and its standard error. An event that is to be avoided is
    "harmful". Raises `CannotEstimate`: NOT_A_NUMBER, OUT_OF_RANGE, BAD_MARGIN (a margin of difference).
    """
    if margin.scale != "ratio":
        raise CannotEstimate(BAD_MARGIN)
    beta, error, level = finite(log_hr, "log_hr"), positive(se, "se"), share(alpha, "alpha")
    zs = ((beta + margin.on_line) / error, (beta - margin.on_line) / error)
    ps = (normal_p(zs[0], "greater"), normal_p(zs[1], "less"))
    limits = (beta - z_of(level) * error, beta + z_of(level) * error)
    name = "Wald test of the log hazard ratio"
    return _judged(beta, limits, ps, _deciding(zs, outcome), margin, outcome, aim, level, name)


@checked
def compare_means(
    means: tuple[float, float],
    sds: tuple[float, float],
    n: tuple[int, int],
    margin: Margin,
    *,
    outcome: Outcome = "beneficial",
    aim: Aim = "non-inferiority",
    alpha: float = 0.025,
    equal_variances: bool = False,
) -> Comparison:
    """Two means against a margin of difference, by t: Welch's, or Student's with `equal_variances`.

    means, sds, n (at least 2) of treatment and control: t.test(..., mu = -margin, alternative = "greater").
    z holds the t statistic. Raises `CannotEstimate`: NOT_A_COUNT, OUT_OF_RANGE, BAD_MARGIN, NO_SPREAD.
    """
    from scipy.special import stdtr, stdtrit

    if margin.scale != "difference":
        raise CannotEstimate(BAD_MARGIN)
    n1, n2 = whole(n[0], "n", least=2), whole(n[1], "n", least=2)
    v1, v2 = (finite(sd, "sd") ** 2 for sd in sds)
    if min(sds) < 0 or v1 + v2 == 0.0:
        raise CannotEstimate(NO_SPREAD)
    level, estimate = share(alpha, "alpha"), finite(means[0], "mean") - finite(means[1], "mean")
    if equal_variances:
        df = float(n1 + n2 - 2)
        se = math.sqrt(((n1 - 1) * v1 + (n2 - 1) * v2) / df * (1 / n1 + 1 / n2))
    else:
        se = math.sqrt(v1 / n1 + v2 / n2)
        df = se**4 / ((v1 / n1) ** 2 / (n1 - 1) + (v2 / n2) ** 2 / (n2 - 1))
    ts = ((estimate + margin.value) / se, (estimate - margin.value) / se)
    ps = (float(stdtr(df, -ts[0])), float(stdtr(df, ts[1])))
    half = float(stdtrit(df, 1.0 - level)) * se
    name = f"{'Student' if equal_variances else 'Welch'} t test, {df:.4g} degrees"
    limits = (estimate - half, estimate + half)
    return _judged(estimate, limits, ps, _deciding(ts, outcome), margin, outcome, aim, level, name)


def _deciding(statistics: tuple[float, float], outcome: Outcome) -> float:
    """The statistic at the margin on the side of loss: the lower one where more is better."""
    chosen(outcome, ("beneficial", "harmful"), "outcome")
    return statistics[0] if outcome == "beneficial" else statistics[1]


def _judged(
    estimate: float,
    limits: tuple[float, float],
    ps: tuple[float, float],
    z: float,
    margin: Margin,
    outcome: Outcome,
    aim: Aim,
    alpha: float,
    name: str,
) -> Comparison:
    """The verdict. Everything comes on the line of differences; ps are of the lower and of the upper margin."""
    chosen(aim, ("non-inferiority", "equivalence"), "aim")
    edge = margin.on_line
    above, below = ps[0] <= alpha, ps[1] <= alpha  # shown: above the lower margin, below the upper one
    under, over = limits[1] <= -edge, limits[0] >= edge
    if aim == "equivalence":
        p, shown, refuted = max(ps), above and below, under or over
    elif outcome == "beneficial":
        p, shown, refuted = ps[0], above, under
    else:
        p, shown, refuted = ps[1], below, over
    verdict: Verdict = "shown" if shown else "refuted" if refuted else "not shown"

    def back(value: float) -> float:
        return value if margin.scale == "difference" else math.exp(value) if value < math.inf else value

    lower, upper = back(limits[0]), back(limits[1])
    return Comparison(
        estimate=back(estimate),
        lower=finite_or_none(lower),
        upper=finite_or_none(upper),
        z=z,
        p=p,
        alpha=alpha,
        aim=aim,
        outcome=outcome,
        margin=margin,
        verdict=verdict,
        claim=_claim(back(estimate), lower, upper, p, alpha, margin, outcome, aim, verdict),
        method=f"{aim} by {name}, one-sided alpha {alpha:g}",
    )


_AIM_ZH: dict[Aim, str] = {"non-inferiority": "非劣效性", "equivalence": "等效性"}
_VERDICT_ZH: dict[Verdict, str] = {"shown": "成立", "not shown": "尚未得到证明", "refuted": "不成立"}
_VERDICT_EN: dict[Verdict, str] = {"shown": "shown", "not shown": "not shown", "refuted": "refuted"}


def _claim(
    estimate: float,
    lower: float,
    upper: float,
    p: float,
    alpha: float,
    margin: Margin,
    outcome: Outcome,
    aim: Aim,
    verdict: Verdict,
) -> Bilingual:
    level, digits = f"{100 * (1 - 2 * alpha):g}%", 4
    ratio = margin.scale == "ratio"
    low, high = (1 / margin.value if ratio else -margin.value), margin.value
    if aim == "equivalence":
        edges = f"{low:.{digits}g} – {high:.{digits}g}"
    else:
        edges = f"{low if outcome == 'beneficial' else high:.{digits}g}"
    shown_p = "<0.0001" if p < 0.0001 else f"={p:.4f}"
    numbers = f"{estimate:.{digits}g} ({lower:.{digits}g}, {upper:.{digits}g})"
    zh = (
        f"{'比值' if ratio else '差值'} {numbers}，双侧 {level} 置信区间；界值 {edges}，"
        f"单侧 P{shown_p}：{_AIM_ZH[aim]}{_VERDICT_ZH[verdict]}。"
    )
    en = (
        f"{'Ratio' if ratio else 'Difference'} {numbers}, two-sided {level} interval; margin {edges}, "
        f"one-sided p{shown_p}: {aim} is {_VERDICT_EN[verdict]}."
    )
    return Bilingual(zh, en)
