"""The outcome given treatment and covariates: what g-computation and AIPW predict from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_CODES, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.causal.designs import Design, check_option, design, inverse
from studies.statistics.causal.logistic import expit, irls
from studies.statistics.inputs import matrix

Family = Literal["linear", "logistic"]


@dataclass(frozen=True)
class OutcomeModel:
    """A fitted model of y on treatment, covariates and products of the two.

    `predicted` (n, 2): the expected outcome of everybody when treated and when not. `gradient` (n, 2, q):
    their derivatives with respect to the coefficients; `influence` (n, q): each row's influence on the
    coefficients. `coef` (q,) is on the data's scale, in the order of `names`.
    """

    names: tuple[str, ...]
    coef: Floats
    predicted: Floats
    influence: Floats
    family: str
    _with: Floats
    _without: Floats

    def mean_gradient(self, share: Floats) -> Floats:
        """(2, q): the derivatives of the two means over everybody, weighted by `share` (n,)."""
        return np.vstack([self._slope(0) * share @ self._with, self._slope(1) * share @ self._without])

    def _slope(self, arm: int) -> Floats:
        mu = self.predicted[:, arm]
        return mu * (1.0 - mu) if self.family == "logistic" else np.ones(len(mu))


def fit_outcome(
    y: Floats,
    treated: Bools,
    x: npt.ArrayLike,
    modifiers: npt.ArrayLike | None,
    family: str,
    weights: Floats,
) -> OutcomeModel:
    """y on treatment, x (n, p), and treatment times modifiers (n, k); rows of weight 0 are only predicted.

    Raises `CannotEstimate`: dependent columns, an unknown family, an outcome that is not 0/1 for
    "logistic", separation.
    """
    check_option(family, ("linear", "logistic"), "family")
    rows = len(y)
    fitted = weights > 0
    if family == "logistic" and not np.isin(y[fitted], (0.0, 1.0)).all():
        raise CannotEstimate(BAD_CODES, variable="y")
    table = matrix(x, rows)
    by = np.zeros((rows, 0)) if modifiers is None else matrix(modifiers, rows, "modifiers")
    names = ("treated", *(f"x{i + 1}" for i in range(table.shape[1])))
    names += tuple(f"treated:modifier{i + 1}" for i in range(by.shape[1]))
    observed = np.column_stack([treated, table, by * treated[:, None]])
    plan = design(observed[fitted], int(fitted.sum()), names=names)
    used, w = plan.matrix, weights[fitted]
    if family == "logistic":
        at = irls(used, y[fitted], w, np.zeros(len(w)), names=plan.names)
        beta, bread, residual = at.beta, at.bread, y[fitted] - expit(used @ at.beta)
    else:
        bread = inverse((used * w[:, None]).T @ used)
        beta = bread @ (used.T @ (w * y[fitted]))
        residual = y[fitted] - used @ beta
    influence = np.zeros((rows, plan.terms))
    influence[fitted] = (used * (w * residual)[:, None]) @ bread
    settings = [_setting(plan, arm, table, by) for arm in (1.0, 0.0)]
    eta = np.column_stack([one @ beta for one in settings])
    predicted = expit(eta) if family == "logistic" else eta
    return OutcomeModel(plan.names, plan.back @ beta, predicted, influence, family, settings[0], settings[1])


def _setting(plan: Design, arm: float, table: Floats, by: Floats) -> Floats:
    """The design of everybody with treatment set to `arm`, in the scaled coordinates of `plan`."""
    raw = np.column_stack([np.ones(len(table)), np.full(len(table), arm), table, by * arm])
    return np.asarray(raw @ plan.back)
