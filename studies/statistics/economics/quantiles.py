"""Quantiles of skewed amounts (costs, days to onset) with limits that assume nothing about their shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import between


@dataclass(frozen=True)
class Quantile:
    """The value below which the share `probability` lies. A limit is None where n is too small for one."""

    probability: float
    value: float
    lower: float | None
    upper: float | None
    n: int
    conf_level: float


@checked
def quantiles(
    values: npt.ArrayLike,
    probabilities: Sequence[float] = (0.25, 0.5, 0.75),
    *,
    conf_level: float = CI_LEVEL,
) -> tuple[Quantile, ...]:
    """Quantiles of values (n,): R's type 7 (linear between order statistics), limits by order statistics.

    The number of values below a true quantile is binomial(n, probability), so the limits are the order
    statistics at its exact tail probabilities (Hahn & Meeker 1991, 5.2): coverage is at least conf_level.
    Raises `CannotEstimate` for empty or not finite values and a probability outside (0, 1).
    """
    from scipy.special import bdtr

    column = np.sort(numbers(values, "values"))
    between(conf_level, "conf_level", 0, 1)
    n, tail = len(column), (1.0 - conf_level) / 2.0
    found = []
    for probability in probabilities:
        between(probability, "probabilities", 0, 1)
        below = bdtr(np.arange(n + 1), n, probability)
        first = int(np.searchsorted(below, tail * (1 - 1e-12)))
        last = int(np.searchsorted(below, (1.0 - tail) * (1 - 1e-12))) + 1
        found.append(
            Quantile(
                probability=probability,
                value=float(np.quantile(column, probability)),
                lower=float(column[first - 1]) if first >= 1 else None,
                upper=float(column[last - 1]) if last <= n else None,
                n=n,
                conf_level=conf_level,
            )
        )
    return tuple(found)
