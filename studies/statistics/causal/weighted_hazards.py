"""The weighted hazards model of two arms on resamples: everything it needs are sums by arm and interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NO_EVENTS_IN_ARM, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.bootstrap import Bootstrapped, bootstrap
from studies.statistics.causal.designs import Design, design
from studies.statistics.causal.logistic import expit, irls
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.causal.weights import Estimand, tilted
from studies.statistics.inputs import numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL


@checked
def bootstrap_weighted_curves(
    last: npt.ArrayLike,
    event: npt.ArrayLike,
    treated: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    at: int,
    estimand: Estimand = "ATE",
    degree: int = 2,
    replications: int = 500,
    seed: int,
    conf_level: float = CI_LEVEL,
) -> Bootstrapped:
    """Survival after `at` intervals when all are treated, when none is, and the difference (3,).

    The hazards model is `pooled_logistic_curves` with treatment-by-time products and weights from a
    logistic score on x (n, p); score, weights and hazards are fitted anew in each resample of subjects.
    Raises as `pooled_logistic_curves`, `propensity_score` and `bootstrap`.
    """
    ps = propensity_score(treated, x)
    until = numbers(last, "last", len(ps.score))
    happened = yes_no(event, "event", len(ps.score))
    if (until < 1).any() or (until != np.floor(until)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="last", allowed="1, 2, ...")
    if degree < 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="degree", allowed="1, 2, ...")
    longest = int(until.max())
    if not 1 <= at <= longest:
        raise CannotEstimate(BAD_ARGUMENT, argument="at", allowed=f"1 to {longest}")
    for arm, name in ((ps.treated, "treated"), (~ps.treated, "comparator")):
        if not happened[arm].any():
            raise CannotEstimate(NO_EVENTS_IN_ARM, arm=name)
    score_plan = design(x, len(until))
    moment = np.column_stack([np.arange(longest, dtype=float) ** one for one in range(1, degree + 1)])
    arm_of = np.repeat([1.0, 0.0], longest)
    both = np.vstack([moment, moment])
    cells = design(np.column_stack([arm_of, both, both * arm_of[:, None]]), 2 * longest)
    place = until.astype(np.intp) - 1
    treatment = ps.treated.astype(float)

    def statistics(counts: Floats) -> Floats:
        fitted = irls(score_plan.matrix, treatment, counts, np.zeros(len(counts)))
        w, _ = tilted(expit(score_plan.matrix @ fitted.beta), ps.treated, estimand)
        events, at_risk = _sums(w * counts, place, happened, ps.treated, longest)
        return _survival(cells, events, at_risk, at)

    return bootstrap(statistics, len(until), replications=replications, seed=seed, conf_level=conf_level)


def _sums(
    w: Floats, place: npt.NDArray[np.intp], event: Bools, treated: Bools, longest: int
) -> tuple[Floats, Floats]:
    """Weighted events and weights at risk, (2 * longest,): the treated first."""
    events, at_risk = [], []
    for arm in (treated, ~treated):
        mine = w * arm
        # Scaled within arms: the two hazards do not share a parameter, so only shares matter.
        mine = mine * arm.sum() / mine.sum()
        events.append(np.bincount(place, mine * event, longest))
        at_risk.append(np.cumsum(np.bincount(place, mine, longest)[::-1])[::-1])
    return np.concatenate(events), np.concatenate(at_risk)


def _survival(cells: Design, events: Floats, at_risk: Floats, at: int) -> Floats:
    share = np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)
    fitted = irls(cells.matrix, share, at_risk, np.zeros(len(share)), names=cells.names)
    stay = 1.0 - expit(cells.matrix @ fitted.beta)
    longest = len(stay) // 2
    one, zero = float(np.prod(stay[:at])), float(np.prod(stay[longest : longest + at]))
    return np.array([one, zero, one - zero])
