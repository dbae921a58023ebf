"""Parametric survival curves for extrapolation: six families, by maximum likelihood.

Parameters are those of `flexsurv` (Jackson 2016, J Stat Softw 70:8):
exponential rate; weibull shape, scale; gompertz shape, rate (h = rate exp(shape t)); lognormal meanlog, sdlog;
loglogistic shape, scale; gengamma mu, sigma, q (Prentice 1974; Weibull at q = 1, log-normal at q = 0).
They are estimated on an unbounded scale: positive parameters by their logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import NO_EVENTS, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import FollowUp, follow_up
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.safety.checks import amounts, between, one_of

FAMILIES = ("exponential", "weibull", "gompertz", "lognormal", "loglogistic", "gengamma")
_NAMES = {
    "exponential": ("rate",),
    "weibull": ("shape", "scale"),
    "gompertz": ("shape", "rate"),
    "lognormal": ("meanlog", "sdlog"),
    "loglogistic": ("shape", "scale"),
    "gengamma": ("mu", "sigma", "q"),
}
_POSITIVE = {
    "exponential": (True,),
    "weibull": (True, True),
    "gompertz": (False, True),
    "lognormal": (False, True),
    "loglogistic": (True, True),
    "gengamma": (False, True, False),
}
FAMILY_NOT_CONVERGED = Reason(
    "family_not_converged",
    "“{family}”分布未收敛，或其似然函数没有有限的最大值。",
    "The {family} curve did not converge, or its likelihood has no finite maximum.",
)
_NEAR_LOGNORMAL = 1e-5  # below this |q| the gengamma is taken as its limit, the log-normal


@dataclass(frozen=True)
class ParametricCurve:
    """`parameters` on their natural scale; `covariance` (q, q) on the scale of estimation (logs of positives).

    aic = 2q - 2 loglik; bic = q ln n - 2 loglik, n the number of subjects.
    """

    family: str
    names: tuple[str, ...]
    parameters: tuple[float, ...]
    place: Floats
    covariance: Floats
    loglik: float
    aic: float
    bic: float
    n: int
    events: int
    method: str

    def survival(self, time: npt.ArrayLike) -> Floats:
        """S(t) for times (k,) >= 0."""
        return np.exp(log_survival(self.family, self.place, amounts(time, "time")))

    def hazard(self, time: npt.ArrayLike) -> Floats:
        """h(t) for times (k,) > 0."""
        return np.exp(log_hazard(self.family, self.place, amounts(time, "time", above_zero=True)))

    def quantile(self, probability: float) -> float:
        """The time by which the share `probability` has had the event; a Gompertz curve may never get there.

        Raises `CannotEstimate` for a probability outside (0, 1) and a plateau above it.
        """
        from scipy.optimize import brentq

        target = math.log1p(-between(probability, "probability", 0, 1))

        def gap(log_time: float) -> float:
            return float(log_survival(self.family, self.place, np.array([math.exp(log_time)]))[0]) - target

        low, high = -30.0, 30.0
        if gap(high) > 0 or gap(low) < 0:
            raise CannotEstimate(FAMILY_NOT_CONVERGED, family=self.family)
        return math.exp(float(brentq(gap, low, high, xtol=1e-14, rtol=1e-14)))

    def mean(self, horizon: float, *, conf_level: float = CI_LEVEL) -> Estimate:
        """The mean time without event up to `horizon`: the area under S, with a delta-method standard error."""
        horizon = between(horizon, "horizon")
        value = _area(self.family, self.place, horizon)
        steps = np.diag(np.sqrt(np.diag(self.covariance)) * 1e-3)
        slope = np.array(
            [
                (_area(self.family, self.place + e, horizon) - _area(self.family, self.place - e, horizon))
                / (2.0 * e.max())
                for e in steps
            ]
        )
        se = math.sqrt(float(slope @ self.covariance @ slope))
        half = normal_quantile(between(conf_level, "conf_level", 0, 1)) * se
        return Estimate(value, se, value - half, value + half, None, conf_level)


def fit_curve(
    time: npt.ArrayLike, event: npt.ArrayLike, *, family: str, entry: npt.ArrayLike | None = None
) -> ParametricCurve:
    """One family by maximum likelihood with the observed information. time (n,) > 0, event, entry (n,).

    Newton's method from a moment estimate, the time scaled by its mean. Raises `CannotEstimate` for no
    events, fewer events than parameters, times of 0, and a likelihood without a maximum.
    """
    one_of(family, "family", FAMILIES)
    rows = follow_up(time, event, entry=entry)
    amounts(rows.time, "time", above_zero=True)
    events, names = int(rows.event.sum()), _NAMES[family]
    if events == 0:
        raise CannotEstimate(NO_EVENTS)
    if events < len(names):
        raise CannotEstimate(TOO_MANY_TERMS)
    scale = float(rows.time.mean())
    scaled = FollowUp(rows.time / scale, rows.event, None if rows.entry is None else rows.entry / scale, None)
    place, covariance, loglik = _maximum(family, scaled, _start(family, scaled))
    place = _unscaled(family, place, scale)
    loglik -= events * math.log(scale)
    natural = tuple(
        math.exp(one) if positive else float(one)
        for one, positive in zip(place, _POSITIVE[family], strict=True)
    )
    if family == "gompertz":  # its shape is per unit of time, estimated per scaled unit
        transform = np.diag([1.0 / scale, 1.0])
        covariance = transform @ covariance @ transform
    return ParametricCurve(
        family=family,
        names=names,
        parameters=natural,
        place=place,
        covariance=covariance,
        loglik=loglik,
        aic=2.0 * len(names) - 2.0 * loglik,
        bic=len(names) * math.log(len(rows)) - 2.0 * loglik,
        n=len(rows),
        events=events,
        method=f"{family} by maximum likelihood" + ("" if entry is None else ", delayed entry"),
    )


def log_survival(family: str, place: Floats, time: Floats) -> Floats:
    """log S(t) of a family at `place`, the parameters on the scale of estimation; time (k,) >= 0."""
    from scipy.special import log_ndtr

    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if family == "exponential":
            return np.asarray(-np.exp(place[0]) * time)
        if family == "weibull":
            return np.asarray(-((time / np.exp(place[1])) ** np.exp(place[0])))
        if family == "gompertz":
            shape = place[0]
            grown = time if abs(shape) < 1e-12 else np.expm1(shape * time) / shape
            return np.asarray(-np.exp(place[1]) * grown)
        if family == "lognormal":
            return np.asarray(log_ndtr(-(np.log(time) - place[0]) / np.exp(place[1])))
        if family == "loglogistic":
            return np.asarray(-np.logaddexp(0.0, np.exp(place[0]) * (np.log(time) - place[1])))
        return _gengamma_log_survival(place, time)


def log_hazard(family: str, place: Floats, time: Floats) -> Floats:
    """log h(t), arguments as for `log_survival`, time > 0."""
    if family == "exponential":
        return np.full(len(time), float(place[0]))
    if family == "weibull":
        shape = np.exp(place[0])
        return np.asarray(place[0] - place[1] + (shape - 1.0) * (np.log(time) - place[1]))
    if family == "gompertz":
        return np.asarray(place[1] + place[0] * time)
    if family == "loglogistic":
        shape = np.exp(place[0])
        z = np.log(time) - place[1]
        return np.asarray(place[0] - place[1] + (shape - 1.0) * z - np.logaddexp(0.0, shape * z))
    if family == "lognormal" or abs(place[2]) < _NEAR_LOGNORMAL:
        sd = np.exp(place[1])
        z = (np.log(time) - place[0]) / sd
        density = -0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - place[1] - np.log(time)
        return np.asarray(density - log_survival("lognormal", place[:2], time))
    return np.asarray(_gengamma_log_density(place, time) - log_survival(family, place, time))


def _gengamma_log_density(place: Floats, time: Floats) -> Floats:
    """log |q| + k log k - log Gamma(k) + k (q w - exp(q w)) - ..., k = q^-2, w = (log t - mu)/sigma.

    For small q the terms in k are huge and cancel: Stirling's series takes them away before they are formed.
    """
    from scipy.special import gammaln

    q = float(place[2])
    w = (np.log(time) - place[0]) / np.exp(place[1])
    k = q**-2
    if k > 100.0:
        constant = -0.5 * math.log(2.0 * math.pi) - 1.0 / (12.0 * k) + 1.0 / (360.0 * k**3)
    else:
        constant = math.log(abs(q)) + k * math.log(k) - float(gammaln(k)) - k
    with np.errstate(over="ignore"):
        return np.asarray(constant - place[1] - np.log(time) + k * (q * w - np.expm1(q * w)))


def _gengamma_log_survival(place: Floats, time: Floats) -> Floats:
    from scipy.special import gammainc, gammaincc

    q = float(place[2])
    if abs(q) < _NEAR_LOGNORMAL:
        return log_survival("lognormal", place[:2], time)
    u = np.exp(q * (np.log(time) - place[0]) / np.exp(place[1])) * q**-2
    return np.asarray(np.log((gammaincc if q > 0 else gammainc)(q**-2, u)))


def _area(family: str, place: Floats, horizon: float) -> float:
    """The integral of S over (0, horizon): Gauss-Legendre on pieces that double towards the horizon."""
    node, weight = np.polynomial.legendre.leggauss(64)
    edges = np.concatenate([[0.0], horizon * 2.0 ** np.arange(-30.0, 1.0)])
    middle, half = (edges[1:] + edges[:-1]) / 2.0, (edges[1:] - edges[:-1]) / 2.0
    times = (middle[:, None] + half[:, None] * node).ravel()
    area = np.exp(log_survival(family, place, times)).reshape(len(middle), -1) @ weight
    return float(area @ half)


def _loglik(family: str, place: Floats, rows: FollowUp) -> float:
    with np.errstate(all="ignore"):
        value = float(log_hazard(family, place, rows.time[rows.event]).sum())
        value += float(log_survival(family, place, rows.time).sum())
        if rows.entry is not None:
            value -= float(log_survival(family, place, rows.entry).sum())
    return value if math.isfinite(value) else -math.inf


def _start(family: str, rows: FollowUp) -> Floats:
    at_risk = float((rows.time - (rows.entry if rows.entry is not None else 0.0)).sum())
    rate = math.log(int(rows.event.sum()) / at_risk)
    logs = np.log(rows.time[rows.event])
    spread = math.log(max(float(logs.std()), 0.2))
    return {
        "exponential": np.array([rate]),
        "weibull": np.array([0.0, -rate]),
        "gompertz": np.array([0.01, rate]),
        "lognormal": np.array([float(logs.mean()) + 0.3, spread]),
        "loglogistic": np.array([0.3, float(logs.mean()) + 0.3]),
        "gengamma": np.array([float(logs.mean()) + 0.3, spread, 0.5]),
    }[family]


def _maximum(family: str, rows: FollowUp, start: Floats) -> tuple[Floats, Floats, float]:
    """A simplex search brings the start near; Newton's method with central differences finishes it."""
    from scipy.optimize import minimize

    found = minimize(
        lambda at: -_loglik(family, at, rows),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-8, "maxiter": 4000, "maxfev": 4000},
    )
    place = np.asarray(found.x, dtype=np.float64)
    value = _loglik(family, place, rows)
    for _ in range(50):
        slope, curve = _derivatives(family, place, rows)
        eigen = np.linalg.eigvalsh(-curve) if np.isfinite(curve).all() else np.array([-1.0])
        if eigen[0] <= 1e-8 * eigen[-1]:
            break
        step = np.linalg.solve(-curve, slope)
        for _ in range(30):
            trial = _loglik(family, place + step, rows)
            if trial >= value - 1e-10 * abs(value):
                break
            step = step / 2.0
        place, value = place + step, trial
        if np.abs(place).max() > 25:
            break
        if np.abs(step).max() < 2e-8:
            return place, np.asarray(np.linalg.inv(-curve), dtype=np.float64), value
    raise CannotEstimate(FAMILY_NOT_CONVERGED, family=family)


def _derivatives(family: str, place: Floats, rows: FollowUp) -> tuple[Floats, Floats]:
    """Gradient and Hessian by central differences of fourth order (error about 1e-9 of the values)."""
    q, h = len(place), 2e-3
    unit = np.eye(q) * h

    def at(shift: Floats) -> float:
        return _loglik(family, place + shift, rows)

    here = at(np.zeros(q))
    slope, curve = np.zeros(q), np.zeros((q, q))
    for i in range(q):
        far, near = (at(2 * unit[i]), at(-2 * unit[i])), (at(unit[i]), at(-unit[i]))
        slope[i] = (8.0 * (near[0] - near[1]) - (far[0] - far[1])) / (12.0 * h)
        curve[i, i] = (16.0 * (near[0] + near[1]) - (far[0] + far[1]) - 30.0 * here) / (12.0 * h * h)
        for j in range(i):
            mixed = [
                (at(s * (unit[i] + unit[j])) + at(-s * (unit[i] + unit[j])))
                - (at(s * (unit[i] - unit[j])) + at(-s * (unit[i] - unit[j])))
                for s in (1.0, 2.0)
            ]
            curve[i, j] = curve[j, i] = (16.0 * mixed[0] - mixed[1]) / (48.0 * h * h)
    return slope, curve


def _unscaled(family: str, place: Floats, scale: float) -> Floats:
    """From times divided by `scale` back to the times given."""
    moved = place.copy()
    shift = math.log(scale)
    if family in ("exponential", "gompertz"):
        moved[-1] -= shift
    elif family in ("weibull", "loglogistic"):
        moved[1] += shift
    else:
        moved[0] += shift
    if family == "gompertz":
        moved[0] /= scale
    return moved
