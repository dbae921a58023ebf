"""What the methods for counts share: the checks of single numbers, the sides of an interval, the result.

A count is a whole number, a proportion lies between 0 and 1, and the side of a test has one spelling.
Everything else that these methods refuse, they refuse with the reasons declared here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, TypeVar, cast

from rwd_platform.core.text import Bilingual
from studies.reasons import BAD_ARGUMENT, NOT_A_NUMBER, CannotEstimate, Reason

Alternative = Literal["two-sided", "greater", "less"]
Roots = Literal["r", "exact"]
Limit = TypeVar("Limit")

NOT_A_COUNT = Reason(
    "not_a_count",
    "“{variable}”必须是不小于 {least} 的整数。",
    "'{variable}' has to be a whole number of at least {least}.",
)
MORE_EVENTS_THAN_SUBJECTS = Reason(
    "more_events_than_subjects",
    "“{variable}”多于受试者数。",
    "'{variable}' is more than the number of subjects.",
)
OUT_OF_RANGE = Reason(
    "out_of_range",
    "“{variable}”超出允许范围（{range}）。",
    "'{variable}' is outside of its range ({range}).",
)
DEGENERATE_WALD = Reason(
    "degenerate_wald",
    "事件数为 0 或等于受试者数时，Wald 区间宽度为 0，没有意义；请改用精确法。",
    "With no event, or nothing but events, the Wald interval has no width and no meaning; use an exact one.",
)

_ALTERNATIVES = ("two-sided", "greater", "less")
# R's uniroot() stops at this absolute width: .Machine$double.eps^0.25.
R_TOLERANCE = 2.0**-13
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class Measure:
    """One number with its interval and the p of its null value.

    `lower` or `upper` None means that the interval is open on that side; `estimate` None that the data
    give no finite one, and then `statement` says why in both languages. `se` is on the scale on which
    the interval was made, None where the method has none. `method` is one English sentence.
    """

    estimate: float | None
    lower: float | None
    upper: float | None
    p: float | None
    method: str
    se: float | None = None
    conf_level: float = 0.95
    alternative: Alternative = "two-sided"
    statement: Bilingual | None = None


def whole(value: float, name: str, least: int = 0) -> int:
    """A count of at least `least`, given as any number without a fraction. Raises NOT_A_COUNT."""
    number = finite(value, name)
    if number != math.floor(number) or number < least:
        raise CannotEstimate(NOT_A_COUNT, variable=name, least=str(least))
    return int(number)


def events_of(events: float, n: float, name: str = "events") -> tuple[int, int]:
    """Events among n >= 1 subjects, as whole numbers. Raises NOT_A_COUNT, MORE_EVENTS_THAN_SUBJECTS."""
    subjects = whole(n, "n", least=1)
    happened = whole(events, name)
    if happened > subjects:
        raise CannotEstimate(MORE_EVENTS_THAN_SUBJECTS, variable=name)
    return happened, subjects


def finite(value: float, name: str) -> float:
    """A single finite number. Raises NOT_A_NUMBER."""
    try:
        number = float(value)
    except (TypeError, ValueError) as no_number:
        raise CannotEstimate(NOT_A_NUMBER, variable=name) from no_number
    if not math.isfinite(number):
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    return number


def positive(value: float, name: str) -> float:
    """A finite number above 0. Raises NOT_A_NUMBER or OUT_OF_RANGE."""
    number = finite(value, name)
    if number <= 0:
        raise CannotEstimate(OUT_OF_RANGE, variable=name, range="> 0")
    return number


def share(value: float, name: str, *, ends: bool = False) -> float:
    """A number between 0 and 1, without the ends unless `ends`. Raises NOT_A_NUMBER or OUT_OF_RANGE."""
    number = finite(value, name)
    if not (0.0 <= number <= 1.0 if ends else 0.0 < number < 1.0):
        raise CannotEstimate(OUT_OF_RANGE, variable=name, range="[0, 1]" if ends else "(0, 1)")
    return number


def chosen(value: str, allowed: tuple[str, ...], name: str) -> str:
    """One of the options. Raises BAD_ARGUMENT with the list of them."""
    if value not in allowed:
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed=", ".join(allowed))
    return value


def side(alternative: str) -> Alternative:
    """The alternative hypothesis; R's spelling "two.sided" is understood. Raises BAD_ARGUMENT."""
    spelled = "two-sided" if alternative in ("two.sided", "two_sided") else alternative
    return cast(Alternative, chosen(spelled, _ALTERNATIVES, "alternative"))


def tail_of(conf_level: float, alternative: Alternative) -> float:
    """What each limit leaves outside: (1 - level)/2 for two limits, 1 - level for one."""
    outside = 1.0 - share(conf_level, "conf_level")
    return outside / 2.0 if alternative == "two-sided" else outside


def normal_p(z: float, alternative: Alternative) -> float:
    """The p of a standard normal statistic, by erfc so that tiny tails stay numbers."""
    if alternative == "two-sided":
        return math.erfc(abs(z) / math.sqrt(2.0))
    return 0.5 * math.erfc((z if alternative == "greater" else -z) / math.sqrt(2.0))


def z_of(tail: float) -> float:
    """The z with `tail` above it."""
    return -NormalDist().inv_cdf(tail)


def kept(low: Limit, high: Limit, alternative: Alternative, bottom: Limit, top: Limit) -> tuple[Limit, Limit]:
    """The limits of the side: for "greater" only the lower one counts, for "less" only the upper one."""
    return (bottom if alternative == "less" else low), (top if alternative == "greater" else high)


def sentence(text: str, alternative: Alternative, conf_level: float) -> str:
    """The method with the kind of its interval: as it stands in a results table."""
    kind = "two-sided" if alternative == "two-sided" else f"one-sided ({alternative})"
    return f"{text}; {kind}, confidence level {conf_level:g}"


def first_true(start: int, stop: int, holds: Callable[[int], bool]) -> int:
    """The first k of start ... stop - 1 from which on `holds` is true (it never turns back); else stop."""
    while start < stop:
        middle = (start + stop) // 2
        if holds(middle):
            stop = middle
        else:
            start = middle + 1
    return start


def finite_or_none(value: float) -> float | None:
    """None for a side that is open: no infinite number leaves these methods."""
    return value if math.isfinite(value) else None


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where f changes its sign between `low` and `high`, to the last digits (Brent 1973, chapter 4)."""
    from scipy.optimize import brentq

    return float(brentq(f, low, high, xtol=1e-300, rtol=4 * _EPSILON, maxiter=500))


def root_as_r(f: Callable[[float], float], low: float, high: float) -> float:
    """Where R's uniroot() stops with its default tolerance: within 1.2e-4 of the root, not at it.

    fisher.test() and mantelhaen.test(exact=TRUE) print what uniroot() returns, and the digits from the
    fourth on depend on its path. It is Brent's "zeroin" (Brent 1973, chapter 4; Netlib), which is
    written here step by step so that the path is the same.
    """
    a, b = low, high
    f_a, f_b = f(a), f(b)
    if f_a == 0.0:
        return a
    if f_b == 0.0:
        return b
    c, f_c = a, f_a
    for _ in range(1000):
        before = b - a
        if abs(f_c) < abs(f_b):
            a, b, c = b, c, b
            f_a, f_b, f_c = f_b, f_c, f_b
        tolerance = 2.0 * _EPSILON * abs(b) + R_TOLERANCE / 2.0
        step = (c - b) / 2.0
        if abs(step) <= tolerance or f_b == 0.0:
            break
        if abs(before) >= tolerance and abs(f_a) > abs(f_b):
            step = _interpolated(a, b, c, f_a, f_b, f_c, before, tolerance)
        if abs(step) < tolerance:
            step = math.copysign(tolerance, step)
        a, f_a = b, f_b
        b += step
        f_b = f(b)
        if (f_b > 0.0) == (f_c > 0.0) and f_b != 0.0:
            c, f_c = a, f_a
    return b


def _interpolated(
    a: float, b: float, c: float, f_a: float, f_b: float, f_c: float, before: float, tolerance: float
) -> float:
    """Brent's step: linear or inverse quadratic interpolation where that is safe, else bisection."""
    gap = c - b
    if a == c:
        ratio = f_b / f_a
        p, q = gap * ratio, 1.0 - ratio
    else:
        q, ratio, other = f_a / f_c, f_b / f_c, f_b / f_a
        p = other * (gap * q * (q - ratio) - (b - a) * (ratio - 1.0))
        q = (q - 1.0) * (ratio - 1.0) * (other - 1.0)
    if p > 0.0:
        q = -q
    else:
        p = -p
    safe = p < 0.75 * gap * q - abs(tolerance * q) / 2.0 and p < abs(before * q / 2.0)
    return p / q if safe else gap / 2.0
