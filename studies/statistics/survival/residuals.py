"""Residuals of a Cox model: martingale, deviance, score, dfbeta, dfbetas, Schoenfeld and scaled Schoenfeld.

Rows come in the order of the data; Schoenfeld's in the order stratum, time, then the data, one for each event.
Sources: Therneau, Grambsch & Fleming (1990); Schoenfeld (1982); Grambsch & Therneau (1994); Therneau & Grambsch,
Modeling Survival Data (2000), chapters 4, 6.2 and 7.1; the manual page `residuals.coxph` of R's survival 3.5.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.inputs import labels
from studies.statistics.options import checked
from studies.statistics.survival.cox import CoxFit
from studies.statistics.survival.risk_sets import sums_by

BY_ROW = ("martingale", "deviance", "score", "dfbeta", "dfbetas")
BY_EVENT = ("schoenfeld", "scaledsch")


@dataclass(frozen=True)
class Schoenfeld:
    """One line for each of m events: values (m, p), its time, stratum number and row in the data (m,)."""

    values: Floats
    time: Floats
    stratum: Ints
    row: Ints


@checked
def residuals(
    fit: CoxFit,
    type: str = "martingale",
    *,
    weighted: bool | None = None,
    collapse: Sequence[Hashable] | npt.ArrayLike | None = None,
) -> Floats:
    """Residuals of the n rows, (n,) for martingale and deviance, (n, p) for score, dfbeta and dfbetas.

    score -- each row's part of the score; with the weights they sum to 0.
    dfbeta -- the change of coef when the row is left out, approximately; dfbetas the same in units of the
    model-based standard error.
    schoenfeld, scaledsch -- (m, p), as `schoenfeld` gives them.
    weighted -- times the case weights; None as R: True for dfbeta and dfbetas, otherwise False.
    collapse (n,) -- sums over the rows of each label, in the order of the sorted labels; not for Schoenfeld's.
    Raises `CannotEstimate(BAD_ARGUMENT)` for another type, and for `collapse` where it cannot be.
    """
    if type in BY_EVENT:
        if collapse is not None:
            raise CannotEstimate(BAD_ARGUMENT, argument="collapse", allowed="None (schoenfeld)")
        return schoenfeld(fit, scaled=type == "scaledsch", weighted=bool(weighted)).values
    if type not in BY_ROW:
        raise CannotEstimate(BAD_ARGUMENT, argument="type", allowed=", ".join(BY_ROW + BY_EVENT))
    like = fit.likelihood
    groups = None if collapse is None else labels(collapse, "collapse", fit.n)
    weigh = type in ("dfbeta", "dfbetas") if weighted is None else weighted
    factor = like.weights if weigh else None
    lines = np.atleast_2d(_by_row(fit, type))
    if factor is not None:
        lines = lines * factor
    if groups is not None:
        lines = sums_by(groups.codes, lines, len(groups))
    if type == "deviance":
        events = _event_of_rows(fit)
        if groups is not None:
            events = sums_by(groups.codes, events, len(groups))
        lines = _deviance(lines, events)
    return lines[0] if type in ("martingale", "deviance") else np.ascontiguousarray(lines.T)


@checked
def schoenfeld(fit: CoxFit, *, scaled: bool = False, weighted: bool = False) -> Schoenfeld:
    """The covariates of each person with an event, less the mean of those at risk then.

    scaled -- Grambsch & Therneau's: times the number of events and the model-based covariance, plus coef, so
    that their course in time shows that of the coefficient. With tied events the mean is the average over
    Efron's slots. weighted -- times the weight of the person with the event (R 3.5 takes the weights in another
    order than the residuals where the data are not sorted by time; here they belong together).
    """
    like = fit.likelihood
    sets = like.sets
    order = np.lexsort((sets.dead, sets.time_of_dead))
    values = like.schoenfeld(fit.state).T[order]
    if weighted:
        values = values if like.weights is None else values * like.weights[sets.dead[order], None]
    if scaled:
        values = values @ fit.naive_covariance * len(order) + fit.coef
    at = sets.time_of_dead[order]
    return Schoenfeld(values, sets.times[at], sets.stratum_of_time[at], sets.dead[order])


def _by_row(fit: CoxFit, type: str) -> Floats:
    like = fit.likelihood
    if type in ("martingale", "deviance"):
        return _event_of_rows(fit) - like.expected(fit.state)
    score = like.score_residuals(fit.state)
    if type == "score":
        return score
    influence: Floats = fit.naive_covariance @ score
    return influence if type == "dfbeta" else influence / fit.naive_se[:, None]


def _event_of_rows(fit: CoxFit) -> Floats:
    events = np.zeros(fit.n)
    events[fit.likelihood.sets.dead] = 1.0
    return events


def _deviance(martingale: Floats, events: Floats) -> Floats:
    """sign(M) sqrt(-2 (M + d log((d - M) / d))), Therneau & Grambsch (2000), 4.3.

    A sum over rows may have several events d. R 3.5 leaves out the division by d there (and gets NaN).
    """
    share = np.where(events > 0, (events - martingale) / np.maximum(events, 1.0), 1.0)
    inside = -2.0 * (martingale + events * np.log(share))
    # Where M is 0 to rounding the bracket is, too.
    return np.asarray(np.sign(martingale) * np.sqrt(np.maximum(inside, 0.0)))
