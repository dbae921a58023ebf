"""Weights of subclasses: how many stand for whom when people are compared within strata."""

from __future__ import annotations

import numpy as np

from studies.reasons import CannotEstimate
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.matching import NO_MATCHES


def strata_weights(subclass: Ints, treated: Bools, estimand: str) -> Floats:
    """Weights (n,) from subclass (n,), -1 for those in none: as MatchIt gives them.

    ATT: treated 1, comparators treated/comparators of their subclass; ATC the reverse; ATE everybody
    total/own arm of the subclass. Weights that were made are scaled to average 1 within their arm.
    Raises `CannotEstimate` when nobody is in a subclass with both arms.
    """
    inside = subclass >= 0
    if not (inside & treated).any() or not (inside & ~treated).any():
        raise CannotEstimate(NO_MATCHES)
    groups = int(subclass.max()) + 1
    one = np.bincount(subclass[inside & treated], minlength=groups).astype(float)
    zero = np.bincount(subclass[inside & ~treated], minlength=groups).astype(float)
    target = {"ATT": one, "ATC": zero, "ATE": one + zero}[estimand]
    weights = np.zeros(len(subclass))
    for arm, count in ((treated, one), (~treated, zero)):
        rows = inside & arm
        made = target[subclass[rows]] / count[subclass[rows]]
        weights[rows] = made * len(made) / made.sum()
    return weights
