"""What a Cox model predicts: baseline hazard, survival of new people with limits, expected events.

The hazard is cumulated as the fit treats ties: `ctype` 2 removes the dying one by one (Efron; for a fit with Efron
ties), 1 does not (Breslow). `stype` 2 turns it into survival by exp(-H), 1 is Kalbfleisch & Prentice's product.
Standard errors are of the cumulative hazard, and so of log survival: the variance of the baseline plus that of the
coefficients, with the fit's reported covariance (robust where the fit is), which is R's choice too.

Sources: Tsiatis (1981); Therneau & Grambsch, Modeling Survival Data (2000), 10.2; Kalbfleisch & Prentice (2002), 4.3;
the manual pages `survfit.coxph`, `predict.coxph` of R's survival 3.5.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, BAD_LABELS, NEGATIVE_TIME, NOT_ESTIMABLE, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.inputs import matrix, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.survival.cox import CoxFit
from studies.statistics.survival.curve_limits import ConfType, check_conf, limits

CONF_TYPES: tuple[ConfType, ...] = ("log", "log-log", "plain", "logit", "arcsin")
KINDS = ("lp", "risk", "expected", "survival")
REFERENCES = ("strata", "sample", "zero")
_CELLS = 4_000_000  # people x times x covariates worked on at once
_SAME_TIME = 1.0 + 1e-10  # a time asked for may be off by rounding from the event time it means


@dataclass(frozen=True)
class BaselineHazard:
    """By event time (k,), stratum by stratum: cumhaz at covariates 0, or at their means where `centered`;
    an offset is at its mean."""

    time: Floats
    stratum: Ints
    cumhaz: Floats
    centered: bool
    ctype: int


@dataclass(frozen=True)
class PredictedCurves:
    """Curves of m people at t times: time (t,), the others (t, m).

    se is that of cumhaz and of log surv. Limits are of surv; lower <= surv <= upper, both within 0 and 1. Where the
    limits cannot be formed (log-log, logit at survival 1) they are the estimate itself, as no time at risk has passed.
    """

    time: Floats
    surv: Floats
    cumhaz: Floats
    se: Floats
    lower: Floats
    upper: Floats
    conf_type: str
    conf_level: float
    method: str


@dataclass(frozen=True)
class Predicted:
    """Predictions for m rows and their standard errors (m,)."""

    value: Floats
    se: Floats


@checked
def baseline_hazard(fit: CoxFit, *, centered: bool = False, ctype: int | None = None) -> BaselineHazard:
    """The cumulative baseline hazard of each stratum at its event times (R's `basehaz`)."""
    parts = Increments(fit, baseline_ties(fit, ctype))
    sets = fit.likelihood.sets
    factor = 1.0 if centered else float(np.exp(-(fit.likelihood.center @ fit.coef)))
    hazard = parts.hazard * factor
    start = np.searchsorted(sets.stratum_of_time, sets.stratum_of_time, side="left")
    total = np.concatenate([[0.0], np.cumsum(hazard)])
    return BaselineHazard(sets.times, sets.stratum_of_time, total[1:] - total[start], centered, parts.ctype)


@checked
def predict_survival(
    fit: CoxFit,
    x: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    offset: npt.ArrayLike | None = None,
    stype: int = 2,
    ctype: int | None = None,
    conf_type: str = "log",
    conf_level: float = CI_LEVEL,
) -> PredictedCurves:
    """Survival of m new people x (m, p) at times (t,), each in its stratum (m,) where the fit has strata.

    After the last observed time the curve stays where it is. conf_type: "log" (R's default for these curves),
    "log-log", "plain", "logit", "arcsin". Raises `CannotEstimate` for bad columns, negative times, a stratum that the
    fit does not know, an unknown option, and survival 0 with a limit that needs its logarithm.
    """
    if conf_type not in CONF_TYPES:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_type", allowed=", ".join(CONF_TYPES))
    check_conf(conf_type, conf_level)
    if stype not in (1, 2):
        raise CannotEstimate(BAD_ARGUMENT, argument="stype", allowed="1, 2")
    at = checked_times(times)
    rows, risk, stratum = new_people(fit, x, strata, offset)
    parts = Increments(fit, baseline_ties(fit, ctype))
    cumhaz, variance = np.empty((len(at), len(rows))), np.empty((len(at), len(rows)))
    surv = np.empty_like(cumhaz)
    for group in np.unique(stratum).tolist():
        chosen = np.flatnonzero(stratum == group)
        hazard, own, mean = parts.until(group, at)
        cumhaz[:, chosen] = hazard[:, None] * risk[chosen]
        for block in np.array_split(chosen, 1 + len(chosen) * mean.size // _CELLS):
            gap = hazard[:, None, None] * rows[block] - mean[:, None, :]
            spread = ((gap @ fit.covariance) * gap).sum(axis=2)
            variance[:, block] = (own[:, None] + spread) * risk[block] ** 2
        surv[:, chosen] = np.exp(-cumhaz[:, chosen])
        if stype == 1:
            surv[:, chosen] = _product_limit(fit, group, at)[:, None] ** risk[chosen]
    se = np.sqrt(variance)
    lower, upper = _limits(surv, se, conf_type, conf_level)
    how = "Kalbfleisch-Prentice" if stype == 1 else ("Breslow", "Efron")[parts.ctype - 1]
    method = f"survival from the Cox model, {how} baseline, {conf_type} limits"
    return PredictedCurves(at, surv, cumhaz, se, lower, upper, conf_type, conf_level, method)


def _limits(surv: Floats, se: Floats, conf_type: str, conf_level: float) -> tuple[Floats, Floats]:
    """From the error of log survival; at survival 1, before the first event, both limits are 1."""
    if (surv <= 0).any() and conf_type != "plain":
        raise CannotEstimate(NOT_ESTIMABLE, statistic=f"conf_type={conf_type}")
    kind = next(one for one in CONF_TYPES if one == conf_type)
    lower, upper = limits(surv, se * surv, kind, conf_level)
    return np.where(surv >= 1.0, surv, lower), np.where(surv >= 1.0, surv, upper)


@checked
def predict(
    fit: CoxFit,
    kind: str = "lp",
    *,
    x: npt.ArrayLike | None = None,
    time: npt.ArrayLike | None = None,
    entry: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    offset: npt.ArrayLike | None = None,
    reference: str = "strata",
) -> Predicted:
    """R's `predict.coxph`, for the rows of the fit (x None) or new rows (m, p), with standard errors.

    kind -- "lp" x beta less that of the reference; "risk" its exponential; "expected" number of events from entry
    to time; "survival" exp(-expected). reference for lp and risk: the weighted means of each stratum ("strata", R's
    default), the means of all rows ("sample"; R leaves covariates that are only -1, 0, 1 uncentred here, and so do
    we), or covariates of 0 ("zero"). The standard error of "risk" is se(lp) sqrt(risk), as R gives it.
    """
    if kind not in KINDS:
        raise CannotEstimate(BAD_ARGUMENT, argument="kind", allowed=", ".join(KINDS))
    if reference not in REFERENCES:
        raise CannotEstimate(BAD_ARGUMENT, argument="reference", allowed=", ".join(REFERENCES))
    like = fit.likelihood
    if x is None:
        rows, stratum, risk = like.xt.T, like.sets.stratum, np.exp(fit.linear_predictor)
    else:
        rows, risk, stratum = new_people(fit, x, strata, offset)
    if kind in ("lp", "risk"):
        rows = rows - _reference(fit, stratum, reference)
        lp = rows @ fit.coef
        shift = like.offset if x is None or offset is None else numbers(offset, "offset") - like.offset_center
        if shift is not None:
            lp = lp + shift
        se = np.sqrt(np.einsum("ij,jk,ik->i", rows, fit.covariance, rows))
        return Predicted(lp, se) if kind == "lp" else Predicted(np.exp(lp), se * np.sqrt(np.exp(lp)))
    if x is None:
        until, came = fit.time, fit.entry
    else:
        if time is None:
            raise CannotEstimate(BAD_ARGUMENT, argument="time", allowed="(m,)")
        until = numbers(time, "time", len(rows))
        came = None if entry is None else numbers(entry, "entry", len(rows))
    value, se = _expected(fit, rows, risk, stratum, until, came)
    if x is None:
        # A tied death meets only its part of the slots of its time: one less its martingale residual.
        value = like.expected(fit.state)
    return Predicted(value, se) if kind == "expected" else Predicted(np.exp(-value), se * np.exp(-value))


class Increments:
    """By event time: hazard at the mean covariates, its variance, and the hazard-weighted mean covariate."""

    def __init__(self, fit: CoxFit, ctype: int) -> None:
        like, self.ctype = fit.likelihood, ctype
        sums, shift = fit.state.sums, np.exp(-fit.state.shift)
        weight = like.weight_of_deaths
        if ctype == (2 if fit.ties == "efron" else 1):
            hazard, q0, q1 = sums.hazard, sums.q0, sums.q1
            # u/left^2 summed over slots is the variance: R's varhaz.
            mean = sums.s1 * q0 - sums.d1 * q1
            variance = q0
        else:
            hazard, variance, mean = _other_ties(fit, ctype, weight)
        self.hazard: Floats = hazard * shift
        self._variance: Floats = variance * shift**2
        self._mean: Floats = mean * shift
        self._sets = like.sets

    def until(self, stratum: int, times: Floats) -> tuple[Floats, Floats, Floats]:
        """Cumulated at `times` (t,) in a stratum: hazard (t,), its variance (t,), the mean covariate (t, p)."""
        start, stop = np.searchsorted(self._sets.stratum_of_time, [stratum, stratum + 1])
        passed = np.searchsorted(self._sets.times[start:stop], times * _SAME_TIME, side="right")

        def cumulated(values: Floats) -> Floats:
            zero = np.zeros((*values.shape[:-1], 1))
            sums = np.concatenate([zero, np.cumsum(values[..., start:stop], axis=-1)], axis=-1)
            return np.asarray(np.take(sums, passed, axis=-1))

        return cumulated(self.hazard), cumulated(self._variance), cumulated(self._mean).T


def _other_ties(fit: CoxFit, ctype: int, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """The baseline with the other treatment of ties than the fit's."""
    from studies.statistics.survival.partial_likelihood import PartialLikelihood

    like = fit.likelihood
    x = like.xt.T + like.center
    other = PartialLikelihood(x, like.sets, like.weights, "efron" if ctype == 2 else "breslow", like.offset)
    sums = other.at(fit.coef).sums
    return sums.hazard, sums.q0, sums.s1 * sums.q0 - sums.d1 * sums.q1


def baseline_ties(fit: CoxFit, ctype: int | None) -> int:
    """`ctype`, or that of the fit's ties. Raises `CannotEstimate(BAD_ARGUMENT)`."""
    if ctype is None:
        return 2 if fit.ties == "efron" else 1
    if ctype not in (1, 2):
        raise CannotEstimate(BAD_ARGUMENT, argument="ctype", allowed="1, 2")
    return ctype


def checked_times(times: npt.ArrayLike) -> Floats:
    """Times (t,), or one. Raises `CannotEstimate` for none, NaN and negative ones."""
    at = numbers(np.atleast_1d(np.asarray(times, dtype=float)), "times")
    if (at < 0).any():
        raise CannotEstimate(NEGATIVE_TIME, variable="times")
    return at


def new_people(
    fit: CoxFit,
    x: npt.ArrayLike,
    strata: Sequence[Hashable] | npt.ArrayLike | None,
    offset: npt.ArrayLike | None,
) -> tuple[Floats, Floats, Ints]:
    """Centred covariates (m, p), exp(linear predictor) relative to the centre (m,), stratum numbers (m,)."""
    table = np.asarray(x, dtype=object if isinstance(x, list) else None)
    rows = matrix(table.astype(float)[None, :] if table.ndim == 1 else x)
    if rows.shape[1] != len(fit.names):
        raise CannotEstimate(BAD_ARGUMENT, argument="x", allowed=f"(m, {len(fit.names)})")
    rows = rows - fit.likelihood.center
    eta = rows @ fit.coef
    if offset is not None:
        eta = eta + numbers(offset, "offset", len(rows)) - fit.likelihood.offset_center
    elif fit.likelihood.offset is not None:
        raise CannotEstimate(BAD_ARGUMENT, argument="offset", allowed="(m,)")
    levels = fit.likelihood.sets.levels
    if levels == (None,):
        return rows, np.exp(eta), np.zeros(len(rows), dtype=np.intp)
    if strata is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="strata", allowed="(m,)")
    number = {level: at for at, level in enumerate(levels)}
    try:
        codes = [number[one] for one in np.asarray(strata).tolist()]
    except (KeyError, TypeError) as unknown:
        raise CannotEstimate(BAD_LABELS, variable="strata") from unknown
    if len(codes) != len(rows):
        raise CannotEstimate(BAD_ARGUMENT, argument="strata", allowed="(m,)")
    return rows, np.exp(eta), np.asarray(codes, dtype=np.intp)


def _reference(fit: CoxFit, stratum: Ints, reference: str) -> Floats:
    """What is subtracted from the centred covariates, (m, p)."""
    like, sets = fit.likelihood, fit.likelihood.sets
    if reference == "zero":
        return np.broadcast_to(-like.center, (len(stratum), len(fit.coef)))
    if reference == "strata" and sets.levels != (None,):
        weights = np.ones(fit.n) if like.weights is None else like.weights
        total = np.bincount(sets.stratum, weights=weights, minlength=len(sets.levels))
        sums = [np.bincount(sets.stratum, weights=weights * c, minlength=len(sets.levels)) for c in like.xt]
        return np.asarray((np.stack(sums, axis=1) / total[:, None])[stratum])
    mean = (
        np.zeros(len(fit.coef))
        if like.weights is None or fit.entry is not None
        else (like.xt @ like.weights / like.weights.sum())
    )
    original = np.round(like.xt + like.center[:, None], 9)
    coded = np.array([bool(np.isin(column, (-1.0, 0.0, 1.0)).all()) for column in original])
    shift = np.where(coded, -like.center, mean)
    return np.broadcast_to(shift, (len(stratum), len(fit.coef)))


def _expected(
    fit: CoxFit, rows: Floats, risk: Floats, stratum: Ints, until: Floats, came: Floats | None
) -> tuple[Floats, Floats]:
    """Events expected from entry to time, and the standard error.

    With entry the error is that of the difference of two cumulated hazards. R 3.5 subtracts their variances, as if
    the coefficients' part had independent increments, and gets another number (or NaN).
    """
    parts = Increments(fit, 2 if fit.ties == "efron" else 1)
    value, variance = np.zeros(len(rows)), np.zeros(len(rows))
    for group in np.unique(stratum).tolist():
        chosen = np.flatnonzero(stratum == group)
        hazard, own, mean = parts.until(group, until[chosen])
        if came is not None:
            before = parts.until(group, came[chosen])
            hazard, own, mean = hazard - before[0], own - before[1], mean - before[2]
        gap = hazard[:, None] * rows[chosen] - mean
        value[chosen] = hazard * risk[chosen]
        variance[chosen] = own + np.einsum("ij,jk,ik->i", gap, fit.covariance, gap)
    return value, np.sqrt(np.maximum(variance, 0.0)) * risk


def _product_limit(fit: CoxFit, stratum: int, times: Floats) -> Floats:
    """Kalbfleisch & Prentice's baseline survival: at each event time the a in (0, 1) with
    sum over the dying of w r / (1 - a^r) = sum over those at risk of w r; closed where there is one death."""
    like, sets = fit.likelihood, fit.likelihood.sets
    start, stop = np.searchsorted(sets.stratum_of_time, [stratum, stratum + 1])
    weights = np.ones(fit.n) if like.weights is None else like.weights
    risk = np.exp(fit.linear_predictor)
    at_risk = sets.at_risk(weights * risk)[start:stop]
    inside = (sets.time_of_dead >= start) & (sets.time_of_dead < stop)
    dead, at = sets.dead[inside], sets.time_of_dead[inside] - start
    r, w = risk[dead], weights[dead]
    # Bisection on u = log a: the left side falls from +infinity as a falls from 1 to 0.
    low, high = np.full(stop - start, -745.0), np.zeros(stop - start)
    all_die = np.bincount(at, weights=w * r, minlength=stop - start) >= at_risk * (1.0 - 1e-12)
    for _ in range(200):
        middle = (low + high) / 2.0
        with np.errstate(all="ignore"):
            left = np.bincount(at, weights=w * r / -np.expm1(r * middle[at]), minlength=stop - start)
        too_high = left > at_risk
        high, low = np.where(too_high, middle, high), np.where(too_high, low, middle)
    steps = np.where(all_die, -np.inf, (low + high) / 2.0)
    curve = np.exp(np.concatenate([[0.0], np.cumsum(steps)]))
    return np.asarray(curve[np.searchsorted(sets.times[start:stop], times * _SAME_TIME, side="right")])
