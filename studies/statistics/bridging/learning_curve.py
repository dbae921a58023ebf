"""The learning curve: does the outcome change with the number of cases an operator has done?

The case number is the operator's own, counted in order of date, with cases before the study added where they are
known: an expert's first case in Lecheng is not his first. Log odds are linear in the case number or its logarithm,
a natural cubic spline of it, or fall in a straight line up to a threshold and stay there.

Sources: Ramsay et al. (2001), Health Technol Assess 5(12) (statistical assessment of learning curves); Cook, Ramsay &
Fayers (2004), Clin Trials 1:421; Hastie, Tibshirani & Friedman (2009), 5.2.1 (natural splines).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import Floats, Ints
from studies.statistics.bridging.arguments import choice, share, whole
from studies.statistics.bridging.random_intercept import fit_random_intercept
from studies.statistics.bridging.regression import fit_regression
from studies.statistics.inputs import labels, matrix, numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL, chi_square_p, normal_quantile

Form = Literal["linear", "log", "spline", "threshold"]
_CHI_SQUARE_95 = 3.841458820694124


@dataclass(frozen=True)
class LearningCurve:
    """The fitted curve and the test of no learning at all.

    at (m,) case numbers; probability, lower, upper (m,): for a case with average covariates, by an operator with
    random intercept 0 where operators are random. chisq, df, p -- likelihood-ratio test against the same model without
    the case number; for "threshold" the cut was searched, so df counts it and p is a rough guide.
    threshold, threshold_lower, threshold_upper -- the cut and the cuts whose log likelihood is within 1.92 of it.
    """

    form: str
    names: tuple[str, ...]
    coef: Floats
    se: Floats
    covariance: Floats
    loglik: float
    chisq: float
    df: int
    p: float
    at: Floats
    probability: Floats
    lower: Floats
    upper: Floats
    sigma: float | None
    threshold: int | None
    threshold_lower: int | None
    threshold_upper: int | None
    n: int
    events: int
    method: str


def case_numbers(
    operator: Sequence[Hashable] | npt.ArrayLike,
    order: npt.ArrayLike,
    *,
    earlier_cases: dict[Hashable, int] | None = None,
) -> Ints:
    """Each case's place in its operator's series, from 1, plus cases done before: (n,).

    order -- (n,) dates as numbers; cases of one operator with the same date keep the order of the rows.
    earlier_cases -- by operator; one that is missing counts from 0.
    """
    who = labels(operator, "operator")
    when = numbers(order, "order", len(who.codes))
    ranked = np.lexsort((np.arange(len(when)), when, who.codes))
    codes = who.codes[ranked]
    starts = np.searchsorted(codes, codes, side="left")
    place = np.empty(len(when), dtype=np.intp)
    place[ranked] = np.arange(len(when)) - starts + 1
    if earlier_cases:
        before = np.array([whole(earlier_cases.get(one, 0), "earlier_cases") for one in who.levels])
        place = place + before[who.codes]
    return place


def natural_spline(values: npt.ArrayLike, knots: npt.ArrayLike) -> Floats:
    """A basis (n, K - 1) of natural cubic splines with K knots, the outer ones included; no intercept.

    Straight beyond the outer knots. Spans the same space as R's splines::ns(values, knots =, Boundary.knots =).
    """
    x, at = numbers(values, "values"), np.unique(numbers(knots, "knots"))
    if len(at) < 3:
        raise CannotEstimate(BAD_ARGUMENT, argument="knots", allowed=">= 3")
    # Scaled to the outer knots, so that cubes stay near 1.
    width = float(at[-1] - at[0])
    x, at = (x - at[0]) / width, (at - at[0]) / width

    def bent(k: int) -> Floats:
        top = np.maximum(x - at[k], 0.0) ** 3 - np.maximum(x - at[-1], 0.0) ** 3
        return np.asarray(top / (at[-1] - at[k]), dtype=np.float64)

    last = bent(len(at) - 2)
    return np.column_stack([x, *(bent(k) - last for k in range(len(at) - 2))])


@checked
def learning_curve(
    outcome: npt.ArrayLike,
    case_number: npt.ArrayLike,
    *,
    form: Form,
    covariates: npt.ArrayLike | None = None,
    names: Sequence[str] = (),
    operator: Sequence[Hashable] | npt.ArrayLike | None = None,
    knots: npt.ArrayLike | None = None,
    at: npt.ArrayLike | None = None,
    nodes: int = 15,
    conf_level: float = CI_LEVEL,
) -> LearningCurve:
    """Fit the learning curve of a binary outcome.

    outcome (n,) 0/1; case_number (n,) from 1; covariates (n, p) with `names` (p,): the patients' risk, without which
    the curve may show that harder patients came later. operator (n,) -- a random intercept for each
    (`fit_random_intercept`, `nodes`); without it the operators are taken as alike.
    knots -- for "spline", the outer ones included; by default at the 5th, 35th, 65th and 95th percentile (Harrell).
    at -- (m,) case numbers of the curve; by default 1 to the largest.

    Raises `CannotEstimate` as the regressions, for case numbers below 1, fewer than 4 distinct ones for "threshold".
    """
    choice(form, "form", get_args(Form))
    y = yes_no(outcome, "outcome").astype(float)
    case = numbers(case_number, "case_number", len(y))
    if (case < 1).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="case_number", allowed=">= 1")
    z = np.empty((len(y), 0)) if covariates is None else matrix(covariates, len(y), "covariates")
    if z.shape[1] != len(names):
        raise CannotEstimate(BAD_ARGUMENT, argument="names", allowed=f"p = {z.shape[1]}")
    where = np.arange(1.0, case.max() + 1) if at is None else numbers(at, "at")
    model = _Model(y, z, tuple(names), operator, whole(nodes, "nodes", 1, 51))
    cut, interval = (None, (None, None)) if form != "threshold" else _best_cut(model, case)
    knot = _knots(case, knots) if form == "spline" else None
    basis, terms = _basis(case, form, knot, cut)
    coef, covariance, loglik, sigma = model.fit(basis, terms)
    _, _, without, _ = model.fit(np.empty((len(y), 0)), ())
    df = basis.shape[1] + (1 if form == "threshold" else 0)
    chisq = max(0.0, 2.0 * (loglik - without))
    rows = _basis(where, form, knot, cut)[0]
    design = np.column_stack([np.ones(len(where)), np.tile(z.mean(axis=0), (len(where), 1)), rows])
    eta = design @ coef
    half = normal_quantile(share(conf_level, "conf_level")) * np.sqrt(
        np.maximum(np.einsum("ij,jk,ik->i", design, covariance, design), 0.0)
    )
    return LearningCurve(
        form=form,
        names=("intercept", *names, *terms),
        coef=coef,
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        loglik=loglik,
        chisq=chisq,
        df=df,
        p=chi_square_p(chisq, df),
        at=where,
        probability=_expit(eta),
        lower=_expit(eta - half),
        upper=_expit(eta + half),
        sigma=sigma,
        threshold=cut,
        threshold_lower=interval[0],
        threshold_upper=interval[1],
        n=len(y),
        events=int(y.sum()),
        method=f"logistic learning curve, {form} in the case number"
        + ("" if operator is None else ", random intercept for the operator"),
    )


class _Model:
    """The outcome with everything but the case number: fits it with any basis of it."""

    def __init__(self, y: Floats, z: Floats, names: tuple[str, ...], operator: object, nodes: int) -> None:
        self.y, self.z, self.names, self.operator, self.nodes = y, z, names, operator, nodes

    def fit(self, basis: Floats, terms: tuple[str, ...]) -> tuple[Floats, Floats, float, float | None]:
        x, names = np.hstack([self.z, basis]), (*self.names, *terms)
        if x.shape[1] + 1 >= len(self.y):
            raise CannotEstimate(TOO_MANY_TERMS)
        if self.operator is None:
            fit = fit_regression(x, self.y, family="binomial", names=names)
            assert fit.loglik is not None  # noqa: S101  # only gaussian fits have none
            return fit.coef, fit.covariance, fit.loglik, None
        mixed = fit_random_intercept(x, self.y, self.operator, names=names, nodes=self.nodes)  # type: ignore[arg-type]  # checked inside
        return mixed.coef, mixed.covariance, mixed.loglik, mixed.sigma


def _basis(case: Floats, form: str, knots: Floats | None, cut: int | None) -> tuple[Floats, tuple[str, ...]]:
    if form == "linear":
        return case[:, None], ("case",)
    if form == "log":
        return np.log(case)[:, None], ("log case",)
    if form == "threshold":
        return np.minimum(case, float(cut or 1))[:, None], ("case up to threshold",)
    assert knots is not None  # noqa: S101  # _knots made them for this form
    basis = natural_spline(case, knots)
    return basis, tuple(f"spline {one + 1}" for one in range(basis.shape[1]))


def _knots(case: Floats, knots: npt.ArrayLike | None) -> Floats:
    chosen = (
        np.unique(np.quantile(case, [0.05, 0.35, 0.65, 0.95])) if knots is None else numbers(knots, "knots")
    )
    if len(np.unique(chosen)) < 3:
        raise CannotEstimate(BAD_ARGUMENT, argument="knots", allowed=">= 3")
    return np.asarray(chosen, dtype=np.float64)


def _best_cut(model: _Model, case: Floats) -> tuple[int, tuple[int, int]]:
    """The threshold with the largest likelihood among all whole case numbers inside the data."""
    distinct = np.unique(case)
    if len(distinct) < 4:
        raise CannotEstimate(BAD_ARGUMENT, argument="case_number", allowed=">= 4")
    cuts = [int(one) for one in np.arange(math.ceil(distinct[1]), math.floor(distinct[-2]) + 1)]
    values = []
    for cut in cuts:
        basis, terms = _basis(case, "threshold", None, cut)
        values.append(model.fit(basis, terms)[2])
    best = int(np.argmax(values))
    close = [
        cut for cut, value in zip(cuts, values, strict=True) if value >= values[best] - _CHI_SQUARE_95 / 2
    ]
    return cuts[best], (min(close), max(close))


def _expit(eta: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(eta, -500.0, 500.0)))
