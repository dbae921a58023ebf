"""Confidence limits of a probability on a curve: the six types of R's survfit."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics import Floats
from studies.statistics.probability import normal_quantile

ConfType = Literal["log", "log-log", "plain", "logit", "arcsin", "none"]
ConfLower = Literal["usual", "peto", "modified"]


def check_conf(conf_type: str, conf_level: float) -> None:
    """Raise `CannotEstimate` for an unknown type or a level outside (0, 1)."""
    check_choice("conf_type", conf_type, get_args(ConfType))
    if not 0.0 < conf_level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")


def check_choice(argument: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise `CannotEstimate` where `value` is none of the allowed ones."""
    if not any(value is one or (type(value) is type(one) and value == one) for one in allowed):
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=", ".join(str(one) for one in allowed))


def limits(
    p: Floats,
    std_err: Floats,
    conf_type: ConfType,
    conf_level: float,
    stretch: Floats | float = 1.0,
) -> tuple[Floats, Floats]:
    """Lower and upper limits (k,) of probabilities p (k,) with standard errors (k,) of p itself.

    As survival:::survfit_confint of R does: `log` is p exp(+- z se/p) capped at 1; `log-log` works on
    log(-log p) (Kalbfleisch & Prentice 1980), `logit` on log(p/(1-p)), `arcsin` on asin(sqrt(p)), `plain`
    on p, cut to [0, 1]. NaN where the transformation has no value: p = 0 for all but `plain`, and p = 1
    for `log-log`, `logit` and `arcsin`; everywhere for `none`. `stretch` (k,) multiplies the half-width below.
    """
    if conf_type == "none":
        return np.full(len(p), np.nan), np.full(len(p), np.nan)
    z = normal_quantile(conf_level)
    if conf_type == "plain":
        return np.maximum(p - z * std_err * stretch, 0.0), np.minimum(p + z * std_err, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.where(p > 0, z * std_err / p, np.nan)
        if conf_type == "log":
            return p * np.exp(-relative * stretch), np.minimum(p * np.exp(relative), 1.0)
        inside = np.where((p > 0) & (p < 1), p, np.nan)
        if conf_type == "log-log":
            on_scale = np.log(-np.log(inside))
            half = relative / np.log(inside)  # negative: the lower limit has the larger -log
            return np.exp(-np.exp(on_scale - half * stretch)), np.exp(-np.exp(on_scale + half))
        if conf_type == "logit":
            on_scale, half = np.log(inside / (1 - inside)), relative / (1 - inside)
            return 1 - 1 / (1 + np.exp(on_scale - half * stretch)), 1 - 1 / (1 + np.exp(on_scale + half))
        on_scale = np.arcsin(np.sqrt(inside))
        half = 0.5 * relative * np.sqrt(inside / (1 - inside))
        low = np.sin(np.maximum(0.0, on_scale - half * stretch)) ** 2
        return low, np.sin(np.minimum(np.pi / 2, on_scale + half)) ** 2
