"""Parametric survival without covariates, for extrapolation: seven distributions, AIC and BIC, and their functions.

Parameters (`theta` is what is estimated, without bounds; `parameters` what is reported):

    exponential   rate                log rate
    weibull       shape, scale        S = exp(-(t/scale)^shape)
    gompertz      shape a, rate b     hazard b exp(a t); a < 0 leaves a share that never has the event
    lognormal     meanlog, sdlog
    loglogistic   shape, scale        S = 1 / (1 + (t/scale)^shape)
    gamma         shape, rate
    gengamma      mu, sigma, q        Prentice's; q = 1 Weibull, q = 0 log-normal, q = sigma gamma

Sources: Prentice (1974); Cox et al. (2007) for the generalised gamma; Kalbfleisch & Prentice (2002), 2.2; Latimer,
NICE DSU Technical Support Document 14 (2013) for the choice among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, NEGATIVE_TIME, NO_EVENTS, TOO_MANY_TERMS, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.inputs import FollowUp, follow_up, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, normal_quantile
from studies.statistics.survival.aft import AFT_NOT_CONVERGED, NO_TIME
from studies.statistics.survival.curve_limits import check_conf
from studies.statistics.survival.distributions import DISTRIBUTIONS as DISTRIBUTIONS
from studies.statistics.survival.distributions import Distribution

NO_MEAN = Reason(
    "no_finite_mean",
    "按拟合的 {distribution} 分布，平均生存时间不是有限值；请给出时间上限（限制平均生存时间）。",
    "The fitted {distribution} distribution has no finite mean: ask for a mean restricted to a horizon.",
)


@dataclass(frozen=True)
class SurvivalLimits:
    """At times (t,): surv with limits from log(-log S) by the delta method, and that scale's standard error."""

    time: Floats
    surv: Floats
    se: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class ParametricFit:
    """A distribution fitted to n rows. theta (r,) and covariance (r, r) are on the unbounded scale."""

    distribution: str
    parameters: dict[str, float]
    theta: Floats
    covariance: Floats
    loglik: float
    aic: float
    bic: float
    n: int
    events: int
    time_unit: float
    method: str

    @property
    def se(self) -> Floats:
        """(r,) standard errors of theta."""
        return np.sqrt(np.diag(self.covariance))

    def log_survival(self, times: npt.ArrayLike) -> Floats:
        """log S at times of any shape, 0 at 0."""
        return self._log_survival(self._times(times), self.theta)

    def survival(self, times: npt.ArrayLike) -> Floats:
        """S at times of any shape, vectorised."""
        return np.exp(self.log_survival(times))

    def cumulative_hazard(self, times: npt.ArrayLike) -> Floats:
        """-log S at times of any shape."""
        return -self.log_survival(times)

    def hazard(self, times: npt.ArrayLike) -> Floats:
        """f/S at times above 0, of any shape, per unit of time."""
        t = self._times(times)
        if (t <= 0).any():
            raise CannotEstimate(NO_TIME)
        scaled = t / self.time_unit
        log_f = DISTRIBUTIONS[self.distribution].log_density(scaled, self.theta)
        return np.asarray(np.exp(log_f - self._log_survival(t, self.theta)) / self.time_unit)

    @checked
    def survival_limits(self, times: npt.ArrayLike, conf_level: float = CI_LEVEL) -> SurvivalLimits:
        """S at times (t,) above 0 with limits. The slopes by theta are central differences."""
        check_conf("log", conf_level)
        t = np.atleast_1d(self._times(times))
        if (t <= 0).any():
            raise CannotEstimate(NO_TIME)

        def on_scale(theta: Floats) -> Floats:
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(-self._log_survival(t, theta)))

        steps = 1e-4 * self.se
        slopes = np.stack(
            [(on_scale(self.theta + s) - on_scale(self.theta - s)) / (2.0 * s.sum()) for s in np.diag(steps)]
        )
        se = np.sqrt(np.einsum("it,ij,jt->t", slopes, self.covariance, slopes))
        width = normal_quantile(conf_level) * se
        surv = self.survival(t)
        return SurvivalLimits(t, surv, se, surv ** np.exp(width), surv ** np.exp(-width))

    @checked
    def quantile(self, p: float = 0.5) -> float:
        """The time by which a share p has had the event, by bisection. Raises `CannotEstimate(NO_MEAN)` where that
        share is never reached, BAD_ARGUMENT for p outside (0, 1)."""
        if not 0 < p < 1:
            raise CannotEstimate(BAD_ARGUMENT, argument="p", allowed="(0, 1)")
        from scipy.optimize import brentq

        target, high = float(np.log1p(-p)), self.time_unit
        while float(self.log_survival(high)) > target:
            high *= 2.0
            if high > 1e12 * self.time_unit:
                raise CannotEstimate(NO_MEAN, distribution=self.distribution)
        root = brentq(
            lambda t: float(self.log_survival(t)) - target, 0.0, high, xtol=1e-12 * high, rtol=1e-13
        )
        return float(root)

    def mean(self, horizon: float | None = None) -> float:
        """The area under S up to `horizon`; without it the mean.

        Raises `CannotEstimate(NO_MEAN)` where that is infinite. By quadrature on the scale of log t, where heavy and
        light tails both fall off evenly.
        """
        from scipy.integrate import quad

        if horizon is None:
            if not DISTRIBUTIONS[self.distribution].finite_mean(self.theta):
                raise CannotEstimate(NO_MEAN, distribution=self.distribution)
        elif not np.isfinite(horizon) or horizon <= 0:
            raise CannotEstimate(BAD_ARGUMENT, argument="horizon", allowed="> 0")
        end = float(np.log(self.quantile(0.9))) if horizon is None else float(np.log(horizon))

        def area(log_t: float) -> float:
            return float(np.exp(self.log_survival(np.exp(log_t)) + log_t)) if log_t < 690.0 else 0.0

        exact = {"epsabs": 0.0, "epsrel": 1e-11, "limit": 500}
        parts = [
            quad(area, low, high, **exact)[0]
            for low, high in pairwise([end - 60.0, end - 6.0, end - 2.0, end])
        ]
        if horizon is None:
            parts += [quad(area, end, end + 4.0, **exact)[0], quad(area, end + 4.0, np.inf, epsabs=1e-300)[0]]
        return float(sum(parts))

    def _times(self, times: npt.ArrayLike) -> Floats:
        t = np.asarray(times, dtype=float)
        flat = numbers(t.ravel(), "times")
        if (flat < 0).any():
            raise CannotEstimate(NEGATIVE_TIME, variable="times")
        return t

    def _log_survival(self, t: Floats, theta: Floats) -> Floats:
        with np.errstate(all="ignore"):
            inside = DISTRIBUTIONS[self.distribution].log_survival(
                np.maximum(t, 1e-300) / self.time_unit, theta
            )
        return np.where(t > 0, inside, 0.0)


@checked
def fit_distribution(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    distribution: str,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> ParametricFit:
    """Maximum likelihood for n rows; time (n,) above 0, in any unit.

    distribution -- a key of DISTRIBUTIONS. weights count people (the likelihood's; for weights that were estimated the
    covariance is too small). BIC uses log n. Raises `CannotEstimate` for bad columns, a time of 0, no events, as many
    parameters as events, and no convergence (a generalised gamma in small data, for example).
    """
    if distribution not in DISTRIBUTIONS:
        raise CannotEstimate(BAD_ARGUMENT, argument="distribution", allowed=", ".join(DISTRIBUTIONS))
    rows = follow_up(time, event, entry=entry, weights=weights)
    if (rows.time <= 0).any():
        raise CannotEstimate(NO_TIME)
    if not rows.event.any():
        raise CannotEstimate(NO_EVENTS)
    one = DISTRIBUTIONS[distribution]
    if len(one.names) > int(rows.event.sum()):
        raise CannotEstimate(TOO_MANY_TERMS)
    # Time in units of its mean: the search, and its steps, then do not depend on days or years.
    unit = float(rows.time.mean())
    theta, information, value = _maximum(one, rows, unit)
    loglik = value - float(_weights(rows) @ rows.event) * float(np.log(unit))
    r = len(theta)
    return ParametricFit(
        distribution=distribution,
        parameters=one.reported(theta, unit),
        theta=theta,
        covariance=np.asarray(np.linalg.inv(information), dtype=np.float64),
        loglik=loglik,
        aic=2.0 * r - 2.0 * loglik,
        bic=float(r * np.log(len(rows)) - 2.0 * loglik),
        n=len(rows),
        events=int(rows.event.sum()),
        time_unit=unit,
        method=f"parametric survival, {distribution}, maximum likelihood",
    )


def _weights(rows: FollowUp) -> Floats:
    return np.ones(len(rows)) if rows.weights is None else rows.weights


def _maximum(one: Distribution, rows: FollowUp, unit: float) -> tuple[Floats, Floats, float]:
    """A simplex search from each start, then Newton's method; derivatives by differences of fourth order."""
    from scipy.optimize import minimize

    t, w = rows.time / unit, _weights(rows)
    dead, alive = rows.event, ~rows.event
    late = None if rows.entry is None else rows.entry > 0
    came = None if rows.entry is None or late is None else rows.entry[late] / unit

    def minus(theta: Floats) -> float:
        with np.errstate(all="ignore"):
            total = w[dead] @ one.log_density(t[dead], theta) + w[alive] @ one.log_survival(t[alive], theta)
            if came is not None and late is not None:
                total -= w[late] @ one.log_survival(came, theta)
        return -float(total) if np.isfinite(total) else 1e300

    options = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-7, "fatol": 1e-9}
    found = [minimize(minus, np.array(start), method="Nelder-Mead", options=options) for start in one.starts]
    theta = np.asarray(min(found, key=lambda result: result.fun).x)
    scale = float(w[dead].sum())
    for _ in range(30):
        gradient, information = _slope(minus, theta), _curvature(minus, theta)
        if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 1e-8 * scale:
            break
        step = np.linalg.solve(information, gradient)
        if np.abs(step).max() < 1e-7:
            return theta - step, information, -minus(theta - step)
        while minus(theta - step) > minus(theta) and np.abs(step).max() > 1e-7:
            step = step / 2.0
        theta = theta - step
    name = next(key for key, value in DISTRIBUTIONS.items() if value is one)
    raise CannotEstimate(AFT_NOT_CONVERGED, distribution=name)


def _slope(f: Callable[[Floats], float], theta: Floats, h: float = 2e-3) -> Floats:
    out = np.empty(len(theta))
    for at, e in enumerate(h * np.eye(len(theta))):
        out[at] = (f(theta - 2 * e) - 8 * f(theta - e) + 8 * f(theta + e) - f(theta + 2 * e)) / (12 * h)
    return out


def _curvature(f: Callable[[Floats], float], theta: Floats, h: float = 4e-3) -> Floats:
    out = np.empty((len(theta), len(theta)))
    for at, e in enumerate(h * np.eye(len(theta))):
        parts = [_slope(f, theta + times * e) for times in (-2, -1, 1, 2)]
        out[at] = (parts[0] - 8 * parts[1] + 8 * parts[2] - parts[3]) / (12 * h)
    return np.asarray((out + out.T) / 2.0)
