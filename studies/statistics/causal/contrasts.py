"""Two means and what is made of them - difference, ratio, odds ratio - from one table of influence."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats
from studies.statistics.causal.designs import check_level, cluster_sums
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import cluster_labels
from studies.statistics.probability import CI_LEVEL


@dataclass(frozen=True)
class TwoMeans:
    """The mean outcome had everybody (of the estimand's population) been treated, or not.

    `ratio` needs two positive means, `odds_ratio` two means strictly between 0 and 1; else they are None.
    `influence` (n, 2) holds each row's share in the two means: its column sums of squares are their
    variances.
    """

    mean_treated: Estimate
    mean_comparator: Estimate
    difference: Estimate
    ratio: Estimate | None
    odds_ratio: Estimate | None
    covariance: Floats
    influence: Floats
    n: int
    ess_treated: float
    ess_comparator: float
    estimand: str
    method: str


def two_means(
    treated: float,
    comparator: float,
    influence: Floats,
    *,
    ess: tuple[float, float],
    estimand: str,
    method: str,
    cluster: Sequence[Hashable] | npt.ArrayLike | None = None,
    conf_level: float = CI_LEVEL,
) -> TwoMeans:
    """Wald limits from influence (n, 2): plain for means and difference, on the log scale for the ratios.

    `cluster` (n,) sums the influence within clusters. Raises `CannotEstimate` for influence that is not
    finite. Delta method: ratio d log m = dm/m, odds ratio d logit m = dm/(m(1 - m)).
    """
    check_level(conf_level)
    if not (np.isfinite(influence).all() and np.isfinite([treated, comparator]).all()):
        raise CannotEstimate(NOT_ESTIMABLE, statistic="standard error")
    summed = influence
    if cluster is not None:
        summed = cluster_sums(influence, cluster_labels(cluster, len(influence)).codes)
    covariance = summed.T @ summed

    def contrast(value: float, gradient: tuple[float, float], scale: str) -> Estimate:
        direction = np.array(gradient)
        se = float(np.sqrt(max(direction @ covariance @ direction, 0.0)))
        return wald(value, se, conf_level, scale)  # type: ignore[arg-type]  # one of Scale's names

    ratio = odds = None
    if treated > 0 and comparator > 0:
        ratio = contrast(np.log(treated / comparator), (1 / treated, -1 / comparator), "log")
    if 0 < treated < 1 and 0 < comparator < 1:
        spread = treated * (1 - treated), comparator * (1 - comparator)
        logit = np.log(treated / (1 - treated)) - np.log(comparator / (1 - comparator))
        odds = contrast(float(logit), (1 / spread[0], -1 / spread[1]), "log")
    return TwoMeans(
        mean_treated=contrast(treated, (1.0, 0.0), "identity"),
        mean_comparator=contrast(comparator, (0.0, 1.0), "identity"),
        difference=contrast(treated - comparator, (1.0, -1.0), "identity"),
        ratio=ratio,
        odds_ratio=odds,
        covariance=covariance,
        influence=influence,
        n=len(influence),
        ess_treated=ess[0],
        ess_comparator=ess[1],
        estimand=estimand,
        method=method,
    )
