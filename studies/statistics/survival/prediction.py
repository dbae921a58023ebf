"""What a Cox model predicts: baseline hazard, survival of new people with limits, and survival averaged over people.

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
from studies.statistics.estimate import Estimate, wald
from studies.statistics.inputs import matrix, numbers
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.survival.cox import CoxFit

CONF_TYPES = ("log", "log-log", "plain", "logit", "arcsin")
KINDS = ("lp", "risk", "expected", "survival")
REFERENCES = ("strata", "sample", "zero")
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
class Standardized:
    """Survival averaged over people, at t times (t,), and its standard error (t,), given these people."""

    time: Floats
    surv: Floats
    se: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class StandardizedDifference:
    """Averaged survival had all had the first and had all had the second covariates, and the difference."""

    first: Standardized
    second: Standardized
    difference: tuple[Estimate, ...]


@dataclass(frozen=True)
class Predicted:
    """Predictions for m rows and their standard errors (m,)."""

    value: Floats
    se: Floats


def baseline_hazard(fit: CoxFit, *, centered: bool = False, ctype: int | None = None) -> BaselineHazard:
    """The cumulative baseline hazard of each stratum at its event times (R's `basehaz`)."""
    parts = _Increments(fit, _ctype(fit, ctype))
    sets = fit.likelihood.sets
    factor = 1.0 if centered else float(np.exp(-(fit.likelihood.center @ fit.coef)))
    hazard = parts.hazard * factor
    start = np.searchsorted(sets.stratum_of_time, sets.stratum_of_time, side="left")
    total = np.concatenate([[0.0], np.cumsum(hazard)])
    return BaselineHazard(sets.times, sets.stratum_of_time, total[1:] - total[start], centered, parts.ctype)


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
    if stype not in (1, 2):
        raise CannotEstimate(BAD_ARGUMENT, argument="stype", allowed="1, 2")
    at = _times(times)
    rows, risk, stratum = _new_people(fit, x, strata, offset)
    parts = _Increments(fit, _ctype(fit, ctype))
    cumhaz, variance = np.empty((len(at), len(rows))), np.empty((len(at), len(rows)))
    surv = np.empty_like(cumhaz)
    for group in np.unique(stratum).tolist():
        chosen = np.flatnonzero(stratum == group)
        hazard, own, mean = parts.until(group, at)
        cumhaz[:, chosen] = hazard[:, None] * risk[chosen]
        gap = hazard[:, None, None] * rows[chosen] - mean[:, None, :]
        spread = np.einsum("tmi,ij,tmj->tm", gap, fit.covariance, gap)
        variance[:, chosen] = (own[:, None] + spread) * risk[chosen] ** 2
        surv[:, chosen] = np.exp(-cumhaz[:, chosen])
        if stype == 1:
            surv[:, chosen] = _product_limit(fit, group, at)[:, None] ** risk[chosen]
    se = np.sqrt(variance)
    lower, upper = survival_limits(surv, se, conf_type, conf_level)
    how = "Kalbfleisch-Prentice" if stype == 1 else ("Breslow", "Efron")[parts.ctype - 1]
    method = f"survival from the Cox model, {how} baseline, {conf_type} limits"
    return PredictedCurves(at, surv, cumhaz, se, lower, upper, conf_type, conf_level, method)


def survival_limits(surv: Floats, se: Floats, conf_type: str, conf_level: float) -> tuple[Floats, Floats]:
    """Limits of survival from the standard error of its logarithm, cut at 0 and 1 (R's `survfit_confint`)."""
    z = normal_quantile(conf_level)
    edge = (surv >= 1.0) & (se == 0.0)
    if (surv <= 0).any() and conf_type != "plain" and conf_type != "arcsin":
        raise CannotEstimate(NOT_ESTIMABLE, statistic=f"conf_type={conf_type}")
    with np.errstate(all="ignore"):
        if conf_type == "plain":
            lower, upper = surv - z * se * surv, surv + z * se * surv
        elif conf_type == "log":
            lower, upper = surv * np.exp(-z * se), surv * np.exp(z * se)
        elif conf_type == "log-log":
            middle, width = np.log(-np.log(surv)), z * se / np.log(surv)
            lower, upper = np.exp(-np.exp(middle - width)), np.exp(-np.exp(middle + width))
        elif conf_type == "logit":
            middle, width = np.log(surv / (1.0 - surv)), z * se / (1.0 - surv)
            lower, upper = (
                1.0 - 1.0 / (1.0 + np.exp(middle - width)),
                1.0 - 1.0 / (1.0 + np.exp(middle + width)),
            )
        else:
            middle, width = np.arcsin(np.sqrt(surv)), 0.5 * z * se * np.sqrt(surv / (1.0 - surv))
            lower = np.sin(np.maximum(0.0, middle - width)) ** 2
            upper = np.sin(np.minimum(np.pi / 2, middle + width)) ** 2
    return np.where(edge, surv, np.clip(lower, 0.0, 1.0)), np.where(edge, surv, np.clip(upper, 0.0, 1.0))


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
        rows, risk, stratum = _new_people(fit, x, strata, offset)
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
        value = fit.state.risk * like.cumulated_hazard(fit.state)
    return Predicted(value, se) if kind == "expected" else Predicted(np.exp(-value), se * np.exp(-value))


def standardized_survival(
    fit: CoxFit,
    x: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    ctype: int | None = None,
    conf_level: float = CI_LEVEL,
) -> Standardized:
    """Predicted survival averaged over people x (m, p) (direct standardisation), at times (t,).

    weights (m,) of the average. The standard error is by the delta method from the coefficients and the baseline,
    for these people: it leaves out that other people might have been drawn. Limits are plain, cut at 0 and 1.
    Source: Makuch (1982); Hernan & Robins, What If (2020), 13; Gail & Byar (1986) for the variance.
    """
    return _standardized(fit, _gradients(fit, x, times, weights, strata, ctype), conf_level)


def standardized_difference(
    fit: CoxFit,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    times: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    ctype: int | None = None,
    conf_level: float = CI_LEVEL,
) -> StandardizedDifference:
    """Averaged survival with covariates `first` less that with `second` (both (m, p), the same people): g-computation.

    The two averages share baseline and coefficients; the standard error knows it. As `standardized_survival`.
    """
    one = _gradients(fit, first, times, weights, strata, ctype)
    two = _gradients(fit, second, times, weights, strata, ctype)
    pairs = zip(one.surv - two.surv, _error(fit, one.minus(two)), strict=True)
    difference = tuple(wald(float(value), float(se), conf_level) for value, se in pairs)
    return StandardizedDifference(
        _standardized(fit, one, conf_level), _standardized(fit, two, conf_level), difference
    )


@dataclass(frozen=True)
class _Gradients:
    """Averaged survival (t,) and its slopes: by beta (t, p), and by the baseline of each stratum (s, t).

    own (s, t, t) is the covariance of the strata's cumulated baseline, mean (s, t, p) its slope by beta.
    """

    time: Floats
    surv: Floats
    by_beta: Floats
    by_baseline: Floats
    own: Floats

    def minus(self, other: _Gradients) -> _Gradients:
        return _Gradients(
            self.time,
            self.surv - other.surv,
            self.by_beta - other.by_beta,
            self.by_baseline - other.by_baseline,
            self.own,
        )


class _Increments:
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


def _ctype(fit: CoxFit, ctype: int | None) -> int:
    if ctype is None:
        return 2 if fit.ties == "efron" else 1
    if ctype not in (1, 2):
        raise CannotEstimate(BAD_ARGUMENT, argument="ctype", allowed="1, 2")
    return ctype


def _times(times: npt.ArrayLike) -> Floats:
    at = numbers(np.atleast_1d(np.asarray(times, dtype=float)), "times")
    if (at < 0).any():
        raise CannotEstimate(NEGATIVE_TIME, variable="times")
    return at


def _new_people(
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
    parts = _Increments(fit, 2 if fit.ties == "efron" else 1)
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


def _gradients(
    fit: CoxFit,
    x: npt.ArrayLike,
    times: npt.ArrayLike,
    weights: npt.ArrayLike | None,
    strata: Sequence[Hashable] | npt.ArrayLike | None,
    ctype: int | None,
) -> _Gradients:
    at = _times(times)
    rows, risk, stratum = _new_people(fit, x, strata, None)
    share = np.ones(len(rows)) if weights is None else numbers(weights, "weights", len(rows))
    if (share < 0).any() or share.sum() <= 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="weights", allowed=">= 0")
    share = share / share.sum()
    parts = _Increments(fit, _ctype(fit, ctype))
    groups = len(fit.likelihood.sets.levels)
    surv, by_beta = np.zeros(len(at)), np.zeros((len(at), len(fit.coef)))
    by_baseline, own = np.zeros((groups, len(at))), np.zeros((groups, len(at)))
    for group in np.unique(stratum).tolist():
        chosen = np.flatnonzero(stratum == group)
        hazard, variance, mean = parts.until(group, at)
        curves = np.exp(-hazard[:, None] * risk[chosen]) * share[chosen]
        slope = -curves * risk[chosen]
        surv += curves.sum(axis=1)
        by_baseline[group] = slope.sum(axis=1)
        by_beta += (slope @ rows[chosen]) * hazard[:, None] - by_baseline[group][:, None] * mean
        own[group] = variance
    return _Gradients(at, surv, by_beta, by_baseline, own)


def _error(fit: CoxFit, slopes: _Gradients) -> Floats:
    from_beta = np.einsum("ti,ij,tj->t", slopes.by_beta, fit.covariance, slopes.by_beta)
    return np.asarray(np.sqrt(from_beta + (slopes.by_baseline**2 * slopes.own).sum(axis=0)))


def _standardized(fit: CoxFit, slopes: _Gradients, conf_level: float) -> Standardized:
    se = _error(fit, slopes)
    z = normal_quantile(conf_level)
    lower, upper = np.clip(slopes.surv - z * se, 0.0, 1.0), np.clip(slopes.surv + z * se, 0.0, 1.0)
    return Standardized(slopes.time, slopes.surv, se, lower, upper)


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
