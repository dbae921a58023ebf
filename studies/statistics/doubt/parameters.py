"""Distributions for what is not known: the bias parameters of a probabilistic bias analysis.

They are drawn by inverting the distribution function at uniform numbers, so that two parameters can be drawn
with a rank correlation and every draw depends on the seed alone.
Source: Lash, Fox & Fink (2009), Applying Quantitative Bias Analysis to Epidemiologic Data, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.bridging.arguments import number, positive
from studies.statistics.options import checked


@dataclass(frozen=True)
class Fixed:
    """One value, taken as known."""

    value: float

    def quantile(self, u: Floats) -> Floats:
        """(m,) values at the probabilities `u` (m,)."""
        return np.full(len(u), number(self.value, "value"))


@dataclass(frozen=True)
class Trapezoidal:
    """Equally likely between `low_mode` and `high_mode`, falling off in straight lines to `low` and `high`.

    A triangle where the modes are equal, uniform where they are the ends (see `uniform`, `triangular`).
    """

    low: float
    low_mode: float
    high_mode: float
    high: float

    def __post_init__(self) -> None:
        ends = [number(one, "trapezoidal") for one in (self.low, self.low_mode, self.high_mode, self.high)]
        if ends != sorted(ends) or ends[0] == ends[3]:
            raise CannotEstimate(
                BAD_ARGUMENT, argument="trapezoidal", allowed="low <= low_mode <= high_mode <= high"
            )

    def quantile(self, u: Floats) -> Floats:
        """(m,) values at the probabilities `u` (m,): the distribution function inverted piece by piece."""
        rise, fall = self.low_mode - self.low, self.high - self.high_mode
        height = 2.0 / (self.high + self.high_mode - self.low - self.low_mode)
        up_to_mode, before_fall = height * rise / 2.0, 1.0 - height * fall / 2.0
        with np.errstate(invalid="ignore"):
            rising = self.low + np.sqrt(2.0 * u * rise / height)
            flat = self.low_mode + (u - up_to_mode) / height
            falling = self.high - np.sqrt(np.maximum(2.0 * (1.0 - u) * fall / height, 0.0))
        return np.where(u < up_to_mode, rising, np.where(u <= before_fall, flat, falling))


@checked
def uniform(low: float, high: float) -> Trapezoidal:
    """Every value between `low` and `high` equally likely."""
    return Trapezoidal(low, low, high, high)


@checked
def triangular(low: float, mode: float, high: float) -> Trapezoidal:
    """Most likely at `mode`, falling off in straight lines."""
    return Trapezoidal(low, mode, mode, high)


@dataclass(frozen=True)
class Beta:
    """A proportion as if `a` successes and `b` failures had been seen: a validation study."""

    a: float
    b: float

    def quantile(self, u: Floats) -> Floats:
        """(m,) values at the probabilities `u` (m,)."""
        from scipy.special import betaincinv

        return np.asarray(betaincinv(positive(self.a, "a"), positive(self.b, "b"), u), dtype=np.float64)


@dataclass(frozen=True)
class LogNormal:
    """A ratio whose logarithm is N(mean, sd^2); `from_limits` takes a median's 95 % limits instead."""

    mean: float
    sd: float

    def quantile(self, u: Floats) -> Floats:
        """(m,) values at the probabilities `u` (m,)."""
        from scipy.special import ndtri

        return np.exp(number(self.mean, "mean") + positive(self.sd, "sd") * np.asarray(ndtri(u)))


@checked
def log_normal_from_limits(lower: float, upper: float) -> LogNormal:
    """The log-normal distribution of which 95 % lies between `lower` and `upper`."""
    low = positive(lower, "lower")
    high = number(upper, "upper", low, open_low=True)
    return LogNormal(
        (np.log(low) + np.log(high)) / 2.0, (np.log(high) - np.log(low)) / (2 * 1.959963984540054)
    )


Parameter = Fixed | Trapezoidal | Beta | LogNormal


def draw(parameter: Parameter | float, draws: int, rng: np.random.Generator) -> Floats:
    """`draws` values (draws,) of one parameter; a bare number stands for itself."""
    law = Fixed(parameter) if isinstance(parameter, int | float) else parameter
    return law.quantile(rng.random(draws))


def draw_pair(
    first: Parameter | float,
    second: Parameter | float,
    correlation: float,
    draws: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Two parameters with a Gaussian copula of this correlation (a sensitivity in cases and in others).

    With a correlation of 1 and equal distributions the two are the same number in every draw.
    """
    from scipy.special import ndtr

    r = number(correlation, "correlation", -1.0, 1.0)
    z = rng.standard_normal((2, draws))
    z[1] = r * z[0] + np.sqrt(max(0.0, 1.0 - r * r)) * z[1]
    laws = [Fixed(one) if isinstance(one, int | float) else one for one in (first, second)]
    u = np.asarray(ndtr(z))
    return laws[0].quantile(u[0]), laws[1].quantile(u[1])
