"""Is an event reported with a product more often than with others? Two-by-two measures of spontaneous reports.

a: reports of the product with the event; b: of the product without it; c: of other products with it;
d: of other products without it. None of these is a risk: nobody knows how many people were exposed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import LENGTHS_DIFFER, NO_SUBJECTS, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import labels
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, chi_square_p
from studies.statistics.safety.checks import amounts, between, counts, one_of, whole

EMPTY_CELL = Reason(
    "no_reports_in_cell",
    "四格表中有空单元格，“{statistic}”没有有限的估计值。",
    "A cell of the two-by-two table is empty: '{statistic}' has no finite estimate.",
)
NOTHING_EXPECTED = Reason(
    "nothing_expected",
    "期望报告数为 0：该产品或该事件没有任何报告。",
    "The expected number of reports is 0: the product or the event was never reported.",
)
# Evans, Waller & Davis 2001, Pharmacoepidemiol Drug Saf 10:483.
EVANS_REPORTS, EVANS_PRR, EVANS_CHISQ = 3, 2.0, 4.0


@dataclass(frozen=True)
class ReportingRatio:
    """`ratio` with limits on the log scale; `chisq` is Pearson's with 1 df (Yates-corrected where asked).

    `evans`: at least 3 reports, PRR >= 2 and Yates' chi-square >= 4; None for the odds ratio.
    """

    ratio: Estimate
    reports: int
    chisq: float
    p: float
    evans: bool | None
    method: str


@dataclass(frozen=True)
class InformationComponent:
    """log2 of shrunk observed/expected, (k,) each; a `signal` where the lower limit is above 0."""

    ic: Floats
    lower: Floats
    upper: Floats
    signal: Bools
    method: str


@dataclass(frozen=True)
class ReportCounts:
    """The two-by-two tables of all pairs of product and event that were reported at least once.

    product, event (k,) are positions in `products` and `events`; a, b, c, d (k,); expected (k,) = row total x
    column total / reports.
    """

    products: tuple[object, ...]
    events: tuple[object, ...]
    product: npt.NDArray[np.intp]
    event: npt.NDArray[np.intp]
    a: npt.NDArray[np.intp]
    b: npt.NDArray[np.intp]
    c: npt.NDArray[np.intp]
    d: npt.NDArray[np.intp]
    expected: Floats


@checked
def proportional_reporting_ratio(
    a: int, b: int, c: int, d: int, *, yates: bool = True, conf_level: float = CI_LEVEL
) -> ReportingRatio:
    """PRR = a/(a+b) : c/(c+d), var log = 1/a - 1/(a+b) + 1/c - 1/(c+d) (Evans et al. 2001).

    `evans` always uses Yates' chi-square; `yates` says which one is reported.
    Raises `CannotEstimate` where a or c is 0 (no ratio) and for counts that are not whole and >= 0.
    """
    a, b, c, d = _cells(a, b, c, d)
    if a == 0 or c == 0:
        raise CannotEstimate(EMPTY_CELL, statistic="PRR")
    variance = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    value = math.log(a / (a + b)) - math.log(c / (c + d))
    ratio = wald(value, math.sqrt(variance), conf_level, "log")
    corrected = _chi_square(a, b, c, d, yates=True)
    chisq = corrected if yates else _chi_square(a, b, c, d, yates=False)
    evans = a >= EVANS_REPORTS and ratio.value >= EVANS_PRR and corrected >= EVANS_CHISQ
    how = "with" if yates else "without"
    return ReportingRatio(
        ratio=ratio,
        reports=a,
        chisq=chisq,
        p=chi_square_p(chisq, 1),
        evans=evans,
        method=f"proportional reporting ratio; chi-square {how} Yates' correction",
    )


@checked
def reporting_odds_ratio(
    a: int, b: int, c: int, d: int, *, yates: bool = True, conf_level: float = CI_LEVEL
) -> ReportingRatio:
    """ROR = ad/(bc), var log = 1/a + 1/b + 1/c + 1/d (Woolf 1955; van Puijenbroek et al. 2002).

    Raises `CannotEstimate` where any cell is 0 and for counts that are not whole and >= 0.
    """
    a, b, c, d = _cells(a, b, c, d)
    if 0 in (a, b, c, d):
        raise CannotEstimate(EMPTY_CELL, statistic="ROR")
    value = math.log(a) + math.log(d) - math.log(b) - math.log(c)
    chisq = _chi_square(a, b, c, d, yates=yates)
    how = "with" if yates else "without"
    return ReportingRatio(
        ratio=wald(value, math.sqrt(1 / a + 1 / b + 1 / c + 1 / d), conf_level, "log"),
        reports=a,
        chisq=chisq,
        p=chi_square_p(chisq, 1),
        evans=None,
        method=f"reporting odds ratio; chi-square {how} Yates' correction",
    )


@checked
def information_component(
    observed: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    interval: str = "noren",
    conf_level: float = CI_LEVEL,
) -> InformationComponent:
    """IC = log2((O + 1/2)/(E + 1/2)) for k pairs: observed (k,) counts, expected (k,) > 0.

    interval "noren": IC025 = IC - 3.3 (O + 1/2)^(-1/2) - 2 (O + 1/2)^(-3/2), IC975 = IC + 2.4 (O + 1/2)^(-1/2)
    - 0.5 (O + 1/2)^(-3/2), which are approximations for 95 % only; "gamma": the quantiles of the posterior
    Gamma(O + 1/2, rate E + 1/2) that they approximate (Noren, Hopstadius & Bate 2013, Stat Methods Med Res
    22:57; the posterior of Bate et al.'s BCPNN as a Poisson model).
    Raises `CannotEstimate` for bad columns, nothing expected, and "noren" at another level.
    """
    one_of(interval, "interval", ("noren", "gamma"))
    seen = counts(observed, "observed")
    awaited = amounts(expected, "expected", len(seen))
    if (awaited == 0).any():
        raise CannotEstimate(NOTHING_EXPECTED)
    shape, rate = seen + 0.5, awaited + 0.5
    ic = np.log2(shape / rate)
    if interval == "noren":
        one_of(f"{conf_level:g}", "conf_level", ("0.95",))
        lower = ic - 3.3 / np.sqrt(shape) - 2.0 / shape**1.5
        upper = ic + 2.4 / np.sqrt(shape) - 0.5 / shape**1.5
    else:
        from scipy.special import gammaincinv

        tail = (1.0 - between(conf_level, "conf_level", 0, 1)) / 2.0
        lower = np.log2(gammaincinv(shape, tail) / rate)
        upper = np.log2(gammaincinv(shape, 1.0 - tail) / rate)
    how = "Noren's approximate limits" if interval == "noren" else "limits of the gamma posterior"
    return InformationComponent(ic, lower, upper, lower > 0, f"information component, shrunk by 1/2; {how}")


def report_counts(report: npt.ArrayLike, product: npt.ArrayLike, event: npt.ArrayLike) -> ReportCounts:
    """Tables from report lines (r,): one line for each product and event of a report; repeats count once.

    A report with two products and three events gives six lines. b, c and d count reports, so that
    a + b + c + d is the number of different reports (as in PRR and ROR); expected is (a+b)(a+c)/reports.
    Raises `CannotEstimate` for columns that are empty, missing or of different lengths.
    """
    reports = labels(report, "report")
    products = labels(product, "product", len(reports.codes))
    events = labels(event, "event", len(reports.codes))
    if len(products.codes) != len(events.codes):
        raise CannotEstimate(LENGTHS_DIFFER, variable="event")
    size = len(reports)
    if size == 0:
        raise CannotEstimate(NO_SUBJECTS)
    of_product = np.bincount(np.unique(products.codes * size + reports.codes) // size)
    of_event = np.bincount(np.unique(events.codes * size + reports.codes) // size)
    pair = products.codes * len(events) + events.codes
    once = np.unique(np.stack([pair, reports.codes]), axis=1)[0]
    pairs, a = np.unique(once, return_counts=True)
    row, column = pairs // len(events), pairs % len(events)
    return ReportCounts(
        products=products.levels,
        events=events.levels,
        product=row,
        event=column,
        a=a,
        b=of_product[row] - a,
        c=of_event[column] - a,
        d=size - of_product[row] - of_event[column] + a,
        expected=of_product[row] * of_event[column] / size,
    )


def _cells(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    return whole(a, "a"), whole(b, "b"), whole(c, "c"), whole(d, "d")


def _chi_square(a: int, b: int, c: int, d: int, *, yates: bool) -> float:
    """Pearson's statistic; Yates' correction never turns the difference over (R's chisq.test)."""
    n = a + b + c + d
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        raise CannotEstimate(EMPTY_CELL, statistic="chi-square")
    apart = abs(a * d - b * c)
    corrected = max(0.0, apart - n / 2) if yates else float(apart)
    return n * corrected**2 / margins
