"""The weights that an analysis plans: from the propensity score, by entropy balancing, or by matching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from studies.design import Design
from studies.planned import Weights
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.entropy_balancing import entropy_balance
from studies.statistics.causal.matching import match_nearest
from studies.statistics.causal.weights import Estimand
from studies.statistics.causal.weights import weights as weights_of

ESTIMANDS: Mapping[str, Estimand] = {"overlap": "ATO", "ate": "ATE", "att": "ATT"}
CALIPER = 0.2  # sd of the logit of the score (Austin 2011, Pharmaceutical Statistics 10:150)

# How each is told in the method of a result row.
ABOUT: Mapping[str, str] = {
    "overlap": "overlap weights from a logistic propensity score",
    "ate": "stabilised ATE weights from a logistic propensity score",
    "att": "ATT weights from a logistic propensity score",
    "entropy": "ATT weights by entropy balancing of the means",
    "matched": "1:1 nearest-neighbour matching without replacement on the logit of a logistic propensity score, "
    f"largest score first, caliper {CALIPER} SD, ties to the lowest row",
}


@dataclass(frozen=True)
class Weighting:
    """`values` (n,), 0 for who was not matched. `pair` (n,) numbers the matched pairs, -1 outside; None: no pairs."""

    values: Floats
    pair: Ints | None = None


def weighting(
    kind: Weights, exposed: Bools, score: Callable[[], Floats], covariates: Callable[[], Design]
) -> Weighting:
    """The weights of `kind`, which is not "none". Those for the ATE are stabilised: they average 1.

    `score` gives the propensity scores (n,), `covariates` their design: only what the kind needs is computed.
    Raises `CannotEstimate`: a score that separates the arms, means that no weights reach, nobody who can be matched.
    """
    if kind == "entropy":
        made = covariates()
        return Weighting(entropy_balance(exposed, made.x, estimand="ATT", names=made.columns).weights)
    if kind == "matched":
        p = score()
        matched = match_nearest(exposed, np.log(p / (1.0 - p)), caliper=CALIPER)
        return Weighting(matched.weights, matched.subclass)
    estimand = ESTIMANDS[kind]
    found = weights_of(score(), exposed, estimand=estimand, stabilised=estimand == "ATE")
    return Weighting(found.weights)
