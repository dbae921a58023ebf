"""Log densities and log survival of the distributions of `parametric`, by the unbounded parameters `theta`.

Sources: Prentice (1974); Cox et al. (2007) for the generalised gamma; Kalbfleisch & Prentice (2002), 2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studies.statistics import Floats

_LN_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Distribution:
    """log f and log S by (times, theta); where a search may start; theta as reported parameters, given the unit of
    time it was fitted in; whether the mean is finite."""

    names: tuple[str, ...]
    log_density: Callable[[Floats, Floats], Floats]
    log_survival: Callable[[Floats, Floats], Floats]
    starts: tuple[tuple[float, ...], ...]
    reported: Callable[[Floats, float], dict[str, float]]
    finite_mean: Callable[[Floats], bool] = lambda theta: True


def _log_expm1_over(a: Floats | float, t: Floats) -> Floats:
    """(exp(a t) - 1) / a, also at a = 0."""
    small = np.abs(a * t) < 1e-8
    with np.errstate(all="ignore"):
        return np.where(small, t * (1.0 + a * t / 2.0), np.expm1(a * t) / (a if a else 1.0))


def _gompertz_s(t: Floats, p: Floats) -> Floats:
    return np.asarray(-np.exp(p[1]) * _log_expm1_over(float(p[0]), t))


def _gamma_f(t: Floats, p: Floats) -> Floats:
    from scipy.special import gammaln

    k = np.exp(p[0])
    return np.asarray(k * p[1] + (k - 1.0) * np.log(t) - np.exp(p[1]) * t - gammaln(k))


def _gamma_s(t: Floats, p: Floats) -> Floats:
    return _log_upper_gamma(float(np.exp(p[0])), np.exp(p[1]) * t)


def _log_upper_gamma(k: float, x: Floats) -> Floats:
    """log Q(k, x); where Q underflows by its leading terms, as x is then far in the tail."""
    from scipy.special import gammaincc, gammaln

    q = np.asarray(gammaincc(k, x))
    with np.errstate(all="ignore"):
        far = (k - 1.0) * np.log(x) - x - gammaln(k) + np.log1p((k - 1.0) / x + (k - 1.0) * (k - 2.0) / x**2)
        return np.asarray(np.where(q > 1e-290, np.log(np.maximum(q, 1e-300)), far))


def _lognormal_f(t: Floats, p: Floats) -> Floats:
    z = (np.log(t) - p[0]) / np.exp(p[1])
    return np.asarray(-0.5 * z**2 - 0.5 * _LN_2PI - p[1] - np.log(t))


def _lognormal_s(t: Floats, p: Floats) -> Floats:
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(-(np.log(t) - p[0]) / np.exp(p[1])))


def _gengamma_f(t: Floats, p: Floats) -> Floats:
    from scipy.special import gammaln

    q = float(p[2])
    if abs(q) < 1e-5:
        return _lognormal_f(t, p)
    w, k = (np.log(t) - p[0]) / np.exp(p[1]), 1.0 / q**2
    return np.asarray(
        np.log(abs(q)) + k * np.log(k) - p[1] - np.log(t) - gammaln(k) + k * (q * w - np.exp(q * w))
    )


def _gengamma_s(t: Floats, p: Floats) -> Floats:
    from scipy.special import gammainc

    q = float(p[2])
    if abs(q) < 1e-5:
        return _lognormal_s(t, p)
    k = 1.0 / q**2
    x = k * np.exp(q * (np.log(t) - p[0]) / np.exp(p[1]))
    if q > 0:
        return _log_upper_gamma(k, x)
    return np.asarray(np.log(np.maximum(gammainc(k, x), 1e-300)))


def _weibull_f(t: Floats, p: Floats) -> Floats:
    shape = np.exp(p[0])
    z = np.log(t) - p[1]
    return np.asarray(p[0] - p[1] + (shape - 1.0) * z - np.exp(shape * z))


def _loglogistic_f(t: Floats, p: Floats) -> Floats:
    z = np.exp(p[0]) * (np.log(t) - p[1])
    return np.asarray(p[0] - np.log(t) + z - 2.0 * np.logaddexp(0.0, z))


def _gengamma_mean(p: Floats) -> bool:
    # For q < 0 the tail is that of t^(1 / (q sigma)): it has a mean where -q sigma < 1.
    return bool(p[2] > 0 or -p[2] * np.exp(p[1]) < 1.0)


DISTRIBUTIONS: dict[str, Distribution] = {
    "exponential": Distribution(
        ("rate",),
        lambda t, p: np.asarray(p[0] - np.exp(p[0]) * t),
        lambda t, p: np.asarray(-np.exp(p[0]) * t),
        ((0.0,),),
        lambda p, unit: {"rate": float(np.exp(p[0]) / unit)},
    ),
    "weibull": Distribution(
        ("shape", "scale"),
        _weibull_f,
        lambda t, p: np.asarray(-np.exp(np.exp(p[0]) * (np.log(t) - p[1]))),
        ((0.0, 0.5),),
        lambda p, unit: {"shape": float(np.exp(p[0])), "scale": float(np.exp(p[1]) * unit)},
    ),
    "gompertz": Distribution(
        ("shape", "rate"),
        lambda t, p: np.asarray(p[1] + p[0] * t + _gompertz_s(t, p)),
        _gompertz_s,
        ((0.1, -0.5), (-0.5, 0.0)),
        lambda p, unit: {"shape": float(p[0] / unit), "rate": float(np.exp(p[1]) / unit)},
        lambda p: bool(p[0] > 0),
    ),
    "lognormal": Distribution(
        ("meanlog", "sdlog"),
        _lognormal_f,
        _lognormal_s,
        ((0.0, 0.0),),
        lambda p, unit: {"meanlog": float(p[0] + np.log(unit)), "sdlog": float(np.exp(p[1]))},
    ),
    "loglogistic": Distribution(
        ("shape", "scale"),
        _loglogistic_f,
        lambda t, p: np.asarray(-np.logaddexp(0.0, np.exp(p[0]) * (np.log(t) - p[1]))),
        ((0.3, 0.0),),
        lambda p, unit: {"shape": float(np.exp(p[0])), "scale": float(np.exp(p[1]) * unit)},
        lambda p: bool(p[0] > 0),
    ),
    "gamma": Distribution(
        ("shape", "rate"),
        _gamma_f,
        _gamma_s,
        ((0.0, 0.0),),
        lambda p, unit: {"shape": float(np.exp(p[0])), "rate": float(np.exp(p[1]) / unit)},
    ),
    "gengamma": Distribution(
        ("mu", "sigma", "q"),
        _gengamma_f,
        _gengamma_s,
        ((0.0, 0.0, 0.5), (0.0, 0.0, -0.5), (0.3, 0.0, 1.5)),
        lambda p, unit: {"mu": float(p[0] + np.log(unit)), "sigma": float(np.exp(p[1])), "q": float(p[2])},
        _gengamma_mean,
    ),
}
