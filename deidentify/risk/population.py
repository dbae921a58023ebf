"""How many people would be unique in the population that a table is a sample of, and the journalist's risk.

From the histogram of class sizes alone (n records, u classes, N = n / sampling fraction):

pitman   Hoshino (2001), the Pitman sampling formula: theta and alpha by maximum likelihood; the expected
         number of population uniques is Gamma(theta + 1) / Gamma(theta + alpha) * N ** alpha
zayatz   Zayatz (1991): by Bayes' rule, how likely a sample unique comes from a population unique, the
         population's class sizes being estimated by the sample's
snb      Chen and Keller-McNulty (1998), the shifted negative binomial: its two parameters from the sample's
         classes of size 1 and 2, the number of population classes by Haas and Stokes (1998), Shlosser's form
dankar   the choice among them of Dankar et al. (2012): Pitman's up to a sampling fraction of 0.1, Zayatz's
         where that has no answer; above 0.1 Zayatz's or SNB's

Above 0.1 we take the higher of the two, where Dankar et al. take the lower: a risk is not to be understated.
On the public `adult` table at 0.2 this is Zayatz's estimate, as ARX prints it; the negative binomial, solved
as derived below, would say 0.319 instead of 0.358.

An equation without a solution gives no number, and the reason: never the last step of an iteration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deidentify.risk.table import Table
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL_FRACTION = 0.1  # Dankar et al. 2012: where the decision rule changes models
_TOLERANCE = 1e-9
_STEPS = 1_000_000  # factors multiplied at once

FRACTION = Problem(
    code="risk.sampling_fraction",
    zh="抽样比例必须大于 0 且不超过 1。",
    en="The sampling fraction must be above 0 and at most 1.",
    next_zh="抽样比例 = 表中人数 ÷ 目标人群人数；乐城特许药械的使用者几乎都在表中时，请填 1。",
    next_en="It is people in the table / people in the population: 1 where nearly every user of a product is in it.",
)

NO_REPEATS = Bilingual(
    "样本中没有重复的组合，似然没有极大值", "no combination repeats, so the likelihood has no maximum"
)
NO_MAXIMUM = Bilingual("似然没有内部极大值", "the likelihood has no maximum inside its range")
TOO_LARGE = Bilingual("估计值超过总体人数", "the estimate exceeds the population")
NO_SOLUTION = Bilingual("模型方程无解", "the model's equations have no solution")
SEVERAL = Bilingual("模型方程有多个解", "the model's equations have more than one solution")
WHOLE_POPULATION = Bilingual("表即总体，无需估计", "the table is the population: nothing to estimate")


@dataclass(frozen=True)
class Uniqueness:
    """Shares of the population that are unique. None where a model has no answer; `reasons` says why."""

    sampling_fraction: float
    population: int
    dankar: float | None
    pitman: float | None
    zayatz: float | None
    snb: float | None
    model: str  # which model dankar's rule chose: pitman | zayatz | snb
    reasons: Mapping[str, Bilingual] = field(default_factory=dict)

    def as_dict(self) -> dict[str, float | None]:
        """The three that the command prints."""
        return {"dankar": self.dankar, "pitman": self.pitman, "zayatz": self.zayatz}


class _NoAnswer(Exception):
    def __init__(self, why: Bilingual) -> None:
        super().__init__(why.en)
        self.why = why


def population_uniqueness(class_sizes: Mapping[int, int], sampling_fraction: float) -> Uniqueness:
    """The estimates for a histogram of class sizes (size -> classes)."""
    if not (math.isfinite(sampling_fraction) and 0 < sampling_fraction <= 1):
        raise FRACTION.error()
    records = sum(size * count for size, count in class_sizes.items())
    population = round(records / sampling_fraction)
    reasons: dict[str, Bilingual] = {}

    def share(model: str, uniques: Callable[[Mapping[int, int], int, int], float]) -> float | None:
        if not class_sizes.get(1):
            return 0.0
        try:
            found = uniques(class_sizes, records, population)
        except _NoAnswer as none:
            reasons[model] = none.why
            return None
        if not 0 <= found <= population * (1 + _TOLERANCE):
            reasons[model] = TOO_LARGE
            return None
        return min(found / population, 1.0)

    pitman, zayatz, snb = share("pitman", _pitman), share("zayatz", _zayatz), share("snb", _snb)
    model = _chosen(sampling_fraction, pitman, zayatz, snb)
    chosen = {"pitman": pitman, "zayatz": zayatz, "snb": snb}[model]
    return Uniqueness(sampling_fraction, population, chosen, pitman, zayatz, snb, model, reasons)


def _chosen(fraction: float, pitman: float | None, zayatz: float | None, snb: float | None) -> str:
    if fraction <= SMALL_FRACTION:
        return "zayatz" if pitman is None else "pitman"
    return "snb" if snb is not None and (zayatz is None or snb > zayatz) else "zayatz"


# -- Zayatz ----------------------------------------------------------------------------------------


def _zayatz(sizes: Mapping[int, int], records: int, population: int) -> float:
    """S1 = s1 * P(F = 1 | f = 1) * N / n, with hypergeometric P(f = 1 | F = j)."""
    classes = sum(sizes.values())
    drawn = zip(sizes.values(), _one_drawn(list(sizes), records, population), strict=True)
    alone = sizes[1] / classes * records / population
    total = math.fsum(count / classes * chance for count, chance in drawn)
    return sizes[1] * alone / total * population / records


def _one_drawn(sizes: Sequence[int], records: int, population: int) -> list[float]:
    """P(exactly one member of a class is drawn) = size * n/N * prod_{j=1}^{size-1} (N-n-j+1)/(N-j), a size each.

    Written as a running product, because differences of large log-gammas lose the digits that are printed.
    """
    import numpy as np

    chances: dict[int, float] = {}
    logarithm, done = 0.0, 1
    for size in sorted(sizes):
        while done < size and logarithm > -745:  # below, exp underflows: such a class shows more than one
            upto = min(size, done + _STEPS)
            j = np.arange(done, upto, dtype=float)
            # A class larger than what was not drawn cannot show one member alone: its factor is 0.
            left = np.maximum(population - records - j + 1, 0.0) / (population - j)
            logarithm += float(np.sum(np.log(left))) if left.all() else -math.inf
            done = upto
        chances[size] = size * records / population * math.exp(logarithm)
    return [chances[size] for size in sizes]


# -- Pitman ----------------------------------------------------------------------------------------


def _pitman(sizes: Mapping[int, int], records: int, population: int) -> float:
    """Maximum likelihood on 0 < alpha < 1, theta > -alpha: theta for each alpha, then alpha, both bracketed."""
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import digamma, gammaln

    classes = sum(sizes.values())
    if classes == records:
        raise _NoAnswer(NO_REPEATS)
    if classes < 2:
        raise _NoAnswer(NO_MAXIMUM)
    size = np.array(sorted(sizes), dtype=float)
    count = np.array([sizes[int(one)] for one in size], dtype=float)

    def by_theta(theta: float, alpha: float) -> float:
        """The likelihood's slope in theta: sum 1/(theta + i alpha), i < u, less sum 1/(theta + i), i < n."""
        rising = digamma(classes + theta / alpha) - digamma(1 + theta / alpha)
        return float(rising / alpha - digamma(records + theta) + digamma(1 + theta))

    def theta_of(alpha: float) -> float:
        low, high = math.log(alpha * 1e-12), math.log(records)
        while by_theta(math.exp(high) - alpha, alpha) > 0:
            high += 2
            if high > 60:
                raise _NoAnswer(NO_MAXIMUM)
        if by_theta(math.exp(low) - alpha, alpha) < 0:
            raise _NoAnswer(NO_MAXIMUM)
        root = brentq(lambda z: by_theta(math.exp(z) - alpha, alpha), low, high, xtol=1e-14, rtol=1e-14)
        return math.exp(root) - alpha

    def by_alpha(alpha: float) -> float:
        """The slope in alpha along theta_of(alpha)."""
        theta = theta_of(alpha)
        rising = digamma(classes + theta / alpha) - digamma(1 + theta / alpha)
        first = (classes - 1) / alpha - theta / alpha**2 * rising
        return float(first - np.sum(count * (digamma(size - alpha) - digamma(1 - alpha))))

    alpha = _maximum(by_alpha)
    theta = theta_of(alpha)
    return float(math.exp(gammaln(theta + 1) - gammaln(theta + alpha) + alpha * math.log(population)))


def _maximum(slope: Callable[[float], float]) -> float:
    """Where a slope on (0, 1) falls through zero; refused when it does so nowhere or more than once."""
    from scipy.optimize import brentq

    steps = [1e-4, 1e-3, *(place / 50 for place in range(1, 50)), 1 - 1e-3, 1 - 1e-5]
    slopes = [slope(step) for step in steps]
    falls = [place for place in range(len(steps) - 1) if slopes[place] > 0 >= slopes[place + 1]]
    if len(falls) != 1:
        raise _NoAnswer(NO_MAXIMUM if not falls else SEVERAL)
    return float(brentq(slope, steps[falls[0]], steps[falls[0] + 1], xtol=1e-14, rtol=1e-13))


# -- shifted negative binomial ---------------------------------------------------------------------


def _snb(sizes: Mapping[int, int], records: int, population: int) -> float:
    """K * beta ** alpha. A population class has 1 + NB(alpha, beta) members, each in the sample with chance f."""
    import numpy as np
    from scipy.optimize import root

    if records == population:
        raise _NoAnswer(WHOLE_POPULATION)
    if not sizes.get(2):
        raise _NoAnswer(NO_SOLUTION)
    fraction = records / population
    classes = _population_classes(sizes, fraction)

    def excess(point: Sequence[float]) -> list[float]:
        log_alpha, logit = float(point[0]), float(point[1])
        if abs(log_alpha) > 50 or abs(logit) > 50:
            return [math.inf, math.inf]
        once, twice = chances_of_one_and_two(math.exp(log_alpha), 1 / (1 + math.exp(-logit)), fraction)
        return [classes * once / sizes[1] - 1, classes * twice / sizes[2] - 1]

    found: list[float] = []
    with np.errstate(all="ignore"):  # a start from which the solver wanders off is not kept
        for log_alpha in (-5.0, -2.5, -1.0, 0.0, 1.0, 2.5):
            for logit in (-5.0, -2.0, 0.0, 2.0):
                answer: Any = root(excess, [log_alpha, logit], tol=1e-12)
                if max(map(abs, excess(answer.x))) < _TOLERANCE:
                    beta = 1 / (1 + math.exp(-answer.x[1]))
                    found.append(classes * math.exp(math.exp(answer.x[0]) * math.log(beta)))
    return _the_one(found)


def chances_of_one_and_two(alpha: float, beta: float, fraction: float) -> tuple[float, float]:
    """The chances that a class of 1 + NB(alpha, beta) members shows exactly one, and exactly two, in a sample.

    From the generating function of the sizes, thinned, with d = (1 - f)(1 - beta):
    f (beta/(1-d))^alpha (1 + alpha d/(1-d)), and
    f^2/2 alpha (1-beta) beta^alpha (1-d)^-(alpha+2) (2 - (1-alpha) d).
    """
    d = (1 - fraction) * (1 - beta)
    once = fraction * math.exp(alpha * math.log(beta / (1 - d))) * (1 + alpha * d / (1 - d))
    power = math.exp(alpha * math.log(beta) - (alpha + 2) * math.log1p(-d))
    return once, fraction**2 / 2 * alpha * (1 - beta) * power * (2 - (1 - alpha) * d)


def _the_one(found: Sequence[float]) -> float:
    """The number that every start has led to; none, or two different ones, are no answer."""
    if not found:
        raise _NoAnswer(NO_SOLUTION)
    if max(found) - min(found) > 1e-6 * max(found):
        raise _NoAnswer(SEVERAL)
    return min(found)


def _population_classes(sizes: Mapping[int, int], fraction: float) -> float:
    """How many classes the population has: Shlosser's estimator as modified by Haas and Stokes (1998)."""
    rest = 1 - fraction
    lost = math.fsum(count * rest**size for size, count in sizes.items())
    once = math.fsum(count * size * fraction * rest ** (size - 1) for size, count in sizes.items())
    paired = math.fsum(
        count * size * fraction**2 * (1 - fraction**2) ** (size - 1) for size, count in sizes.items()
    )
    seen = math.fsum(
        count * rest**size * ((1 + fraction) ** size - 1) for size, count in sizes.items() if size < 10_000
    )
    return sum(sizes.values()) + sizes[1] * paired / seen * (lost / once) ** 2


# -- the journalist ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Journalist:
    """The risk when the attacker knows that a person is in the population, not whether in the table.

    `classes_absent`: sample classes that the population file lacks, or has fewer of than the sample; for
    those the sample's own size is taken, since at least so many people exist.
    """

    smallest: int  # the smallest population class that a record of the table falls into (k-map)
    classes_absent: int

    @property
    def maximum(self) -> float:
        return 1 / self.smallest


def journalist(table: Table, population: Table, quasi: Sequence[str]) -> Journalist:
    """k-map against a population table that has the same quasi-identifiers. `measure` must have run on `table`."""
    places = population.positions(quasi)
    keys = [f"q{number}" for number in range(len(places))]
    named = ", ".join(f"c{place} AS {key}" for key, place in zip(keys, places, strict=True))
    with population.reading() as connection:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE peers AS SELECT {named}, count(*) AS n "  # noqa: S608 - names made here
            f"FROM ({population.select}) GROUP BY ALL"
        )
    peers = population.scratch / "peers.parquet"
    population.connection.execute(f"COPY peers TO '{peers}' (FORMAT parquet)")
    same = " AND ".join(f"classes.{key} IS NOT DISTINCT FROM peers.{key}" for key in keys)
    smallest, absent = table.connection.execute(
        "SELECT min(greatest(classes.n, coalesce(peers.n, 0))), count(*) FILTER (coalesce(peers.n, 0) < classes.n) "  # noqa: S608 - names made here, no value
        f"FROM classes LEFT JOIN read_parquet('{peers}') AS peers ON {same}"
    ).fetchone() or (0, 0)
    return Journalist(int(smallest), int(absent))
