"""Cox regression: lifelines finds the coefficients, our own likelihood checks them and gives every error.

lifelines' point estimates agree with R to about 1e-7 (it stops when the likelihood no longer
changes); its robust standard errors treat ties only approximately. So the fit is lifelines',
finished by two Newton steps of our own, and information, score residuals, standard errors and limits
come from `efron.EfronLikelihood`. A fit that our likelihood does not confirm is refused, not reported.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from studies.reasons import CONSTANT, DEPENDENT, NO_EVENTS, NOT_CONVERGED, TOO_MANY_TERMS, CannotEstimate
from studies.statistics import ENGINE_VERSION, Bools, Floats
from studies.statistics.efron import EfronLikelihood
from studies.statistics.probability import normal_quantile, two_sided_p

LIFELINES_PRECISION = 1e-12  # its default of 1e-7 leaves errors of 4e-6 in the coefficients
# The length of a Newton step, in standard deviations of the covariate, that means "not there yet":
_CONFIRMED = 1e-4  # what may be left to do after lifelines
_FINISHED = 1e-9  # what may be left to do after our own steps
_DEPENDENT = 1e-9
ENGINES = "lifelines+rwd"


@dataclass(frozen=True)
class CoxFit:
    """A fitted model. Arrays follow the order of the covariates' columns.

    covariance is model-based, or the sandwich of weighted score residuals where `robust`.
    """

    coefficients: Floats
    covariance: Floats
    robust: bool
    log_likelihood: float
    log_likelihood_null: float
    subjects: int
    events: int

    @property
    def standard_errors(self) -> Floats:
        return np.sqrt(np.diag(self.covariance))

    def hazard_ratio(self, column: int, level: float) -> tuple[float, float, float]:
        """The hazard ratio and its Wald limits."""
        beta, error = float(self.coefficients[column]), float(self.standard_errors[column])
        z = normal_quantile(level)
        return float(np.exp(beta)), float(np.exp(beta - z * error)), float(np.exp(beta + z * error))

    def p_value(self, column: int) -> float:
        return two_sided_p(float(self.coefficients[column] / self.standard_errors[column]))


def fit_cox(
    x: Floats, days: Floats, event: Bools, names: tuple[str, ...], weights: Floats | None = None
) -> CoxFit:
    """Fit with Efron's ties. With `weights` the covariance is robust, because the weights were estimated.

    x is (n, p) with columns `names`. Raises `CannotEstimate` for no events, a constant or dependent
    column, as many columns as events, and a likelihood without a maximum.
    """
    if not event.any():
        raise CannotEstimate(NO_EVENTS)
    check_columns(x, names)
    if x.shape[1] >= int(event.sum()):
        raise CannotEstimate(TOO_MANY_TERMS)
    likelihood = EfronLikelihood(x, days, event, weights)
    beta = _coefficients_by_lifelines(x, days, event, weights)
    for largest in (_CONFIRMED, _FINISHED, _FINISHED):
        # Where the likelihood has no maximum lifelines' last step may be far out: exp() overflows there.
        with np.errstate(all="ignore"):
            state = likelihood.at(beta)
        covariance = _inverse(state.information)
        step = covariance @ state.score
        length = np.abs(step * x.std(axis=0)).max()
        if not np.isfinite(length) or length > largest:
            raise CannotEstimate(NOT_CONVERGED)
        beta = beta + step
    if weights is not None:
        influence = (likelihood.score_residuals(state) * weights[:, None]) @ covariance
        covariance = influence.T @ influence
    return CoxFit(
        coefficients=beta,
        covariance=covariance,
        robust=weights is not None,
        log_likelihood=state.log_likelihood,
        log_likelihood_null=likelihood.at(np.zeros_like(beta)).log_likelihood,
        subjects=len(days),
        events=int(event.sum()),
    )


def check_columns(x: Floats, names: tuple[str, ...]) -> None:
    """Raise, naming the column, where one is constant or follows from those before it."""
    spread = x.std(axis=0)
    for column, name in enumerate(names):
        if spread[column] <= 1e-12 * max(1.0, float(np.abs(x[:, column]).max(initial=0.0))):
            raise CannotEstimate(CONSTANT, variable=name)
    # In a QR factor the diagonal is what each column adds beyond the ones before it.
    scaled = (x - x.mean(axis=0)) / spread
    added = np.zeros(len(names))
    diagonal = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    added[: len(diagonal)] = diagonal
    for column, name in enumerate(names):
        if added[column] < _DEPENDENT * np.sqrt(len(x)):
            raise CannotEstimate(DEPENDENT, variable=name)


def engine_version() -> str:
    import lifelines

    return f"{lifelines.__version__}+{ENGINE_VERSION}"


def _coefficients_by_lifelines(x: Floats, days: Floats, event: Bools, weights: Floats | None) -> Floats:
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    columns = [f"x{number}" for number in range(x.shape[1])]
    table = pd.DataFrame(x, columns=columns).assign(days=days, event=event)
    if weights is not None:
        table["weights"] = weights
    options = {"precision": LIFELINES_PRECISION, "r_precision": LIFELINES_PRECISION, "max_steps": 100}
    with warnings.catch_warnings():
        # It warns of non-integer weights (its own variance would be wrong; we do not use it)
        # and of convergence (which we check ourselves).
        warnings.simplefilter("ignore")
        try:
            fitter = CoxPHFitter().fit(
                table,
                "days",
                "event",
                weights_col=None if weights is None else "weights",
                fit_options=options,
            )
        except (ConvergenceError, np.linalg.LinAlgError, ValueError, FloatingPointError) as failure:
            raise CannotEstimate(NOT_CONVERGED) from failure
    beta: Floats = fitter.params_.to_numpy(dtype=float)
    if not np.all(np.isfinite(beta)):
        raise CannotEstimate(NOT_CONVERGED)
    return beta


def _inverse(information: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.inv(information), dtype=np.float64)
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(NOT_CONVERGED) from singular
