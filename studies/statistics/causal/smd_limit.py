"""How large a standardised difference has to be before it means anything: a limit that depends on n.

The rule "below 0.1" (Austin 2009) is for thousands. At 30 per arm perfect randomisation exceeds 0.1 on one
covariate 70 % of the time, so a limit for small studies is a quantile of what randomisation would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.causal.designs import check_level
from studies.statistics.causal.propensity import both_arms
from studies.statistics.inputs import matrix
from studies.statistics.options import checked

RULE = 0.1


@dataclass(frozen=True)
class SmdLimit:
    """`limit`: what the largest |SMD| of `covariates` stays below with chance `quantile` under randomisation.

    `chance_one` and `chance_any` are the chances that randomisation exceeds `rule` on one given covariate
    and on at least one of all.
    """

    limit: float
    quantile: float
    rule: float
    chance_one: float
    chance_any: float
    n_treated: int
    n_comparator: int
    covariates: int
    method: str


@checked
def smd_limit(
    n_treated: int, n_comparator: int, covariates: int = 1, *, quantile: float = 0.95, rule: float = RULE
) -> SmdLimit:
    """The limit for independent covariates, by formula.

    Under randomisation SMD sqrt(n1 n0/(n1 + n0)) is t on n1 + n0 - 2 degrees for a normal covariate and
    the pooled sd (exactly so for equal arms), and the largest of p independent ones stays below the
    two-sided t quantile of quantile^(1/p). Correlated covariates reach less far: see
    `smd_limit_simulated`. Raises `CannotEstimate` for an arm of fewer than 2 and no covariate.
    """
    if min(n_treated, n_comparator) < 2 or covariates < 1 or rule < 0:
        raise CannotEstimate(
            BAD_ARGUMENT, argument="n_treated, n_comparator, covariates", allowed="2, 2, 1 or more"
        )
    check_level(quantile)
    from scipy.special import stdtr, stdtrit

    df = n_treated + n_comparator - 2
    unit = float(np.sqrt(1.0 / n_treated + 1.0 / n_comparator))
    each = quantile ** (1.0 / covariates)
    inside = float(1.0 - 2.0 * stdtr(df, -rule / unit))
    return SmdLimit(
        limit=float(stdtrit(df, 0.5 + each / 2.0)) * unit,
        quantile=quantile,
        rule=rule,
        chance_one=1.0 - inside,
        chance_any=1.0 - inside**covariates,
        n_treated=n_treated,
        n_comparator=n_comparator,
        covariates=covariates,
        method="largest |SMD| under randomisation, independent normal covariates, t distribution",
    )


@checked
def smd_limit_simulated(
    x: npt.ArrayLike,
    treated: npt.ArrayLike,
    *,
    quantile: float = 0.95,
    rule: float = RULE,
    draws: int = 2000,
    seed: int,
) -> SmdLimit:
    """The same limit for these very covariates x (n, p): treatment is dealt out anew `draws` times.

    The covariates keep their distributions and correlations, the arms their sizes; SMD with the pooled sd
    sqrt((v1 + v0)/2). A covariate that does not vary within the arms of a draw counts as 0 there when its
    means are equal and as a miss of every limit otherwise.
    """
    exposed = both_arms(treated)
    table = matrix(x, len(exposed))
    check_level(quantile)
    if table.shape[1] < 1 or draws < 2 or min(int(exposed.sum()), int((~exposed).sum())) < 2:
        raise CannotEstimate(BAD_ARGUMENT, argument="x, draws", allowed="1, 2 or more; 2 or more per arm")
    table = table - table.mean(axis=0)
    random = np.random.default_rng(seed)
    sizes = np.abs(np.array([_smd(table, random.permutation(exposed)) for _ in range(draws)]))
    largest = sizes.max(axis=1)
    return SmdLimit(
        limit=float(np.quantile(largest, quantile)),
        quantile=quantile,
        rule=rule,
        chance_one=float((sizes > rule).mean()),
        chance_any=float((largest > rule).mean()),
        n_treated=int(exposed.sum()),
        n_comparator=int((~exposed).sum()),
        covariates=table.shape[1],
        method=f"largest |SMD| when treatment is dealt out at random, {draws} draws, seed {seed}",
    )


def _smd(table: Floats, exposed: npt.NDArray[np.bool_]) -> Floats:
    one, zero = table[exposed], table[~exposed]
    apart = one.mean(axis=0) - zero.mean(axis=0)
    spread = np.sqrt((one.var(axis=0, ddof=1) + zero.var(axis=0, ddof=1)) / 2.0)
    missed = np.where(np.abs(apart) > 0, np.inf, 0.0)
    return np.asarray(np.divide(apart, spread, out=missed, where=spread > 0))
