"""lifelines as a front: it finds coefficients, and is asked for nothing in which it was measured to be wrong.

Its point estimates agree with R's (Cox with Efron's ties, strata, weights and delayed entry: about 1e-6). Several of
its inferences do not, so every error, limit and test that is reported comes from this package, and what lifelines
found stands beside it as a second opinion, "lifelines Δ". `check_inference` is the list of refusals, each with its
measured reason; `fit_by_lifelines` refuses models that lifelines does not have.

Measured with lifelines 0.30.3 against R 4.2.2 (survival 3.5-3); see docs/reference/statistics/cox.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rwd_platform.core.text import Bilingual
from studies.reasons import BAD_ARGUMENT, NO_EVENTS, NOT_CONVERGED, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.inputs import follow_up, labels, matrix
from studies.statistics.options import checked
from studies.statistics.survival.aft import AftFit
from studies.statistics.survival.cox import CoxFit, column_names

_ROBUST = Reason(
    "lifelines_robust",
    "lifelines 的稳健标准误在有延迟进入、并列时间或聚类时不正确（延迟进入时偏差 -21% 至 +44%）。",
    "lifelines' robust errors are wrong with delayed entry (-21 to +44 %) and approximate with ties or clusters.",
)
_AALEN_JOHANSEN = Reason(
    "lifelines_aalen_johansen",
    "lifelines 的 Aalen-Johansen 估计对并列时间作随机扰动，结果随随机种子变化（误差可达 4%）。",
    "lifelines' Aalen-Johansen moves tied times at random: off by up to 4 %, another number for each seed.",
)
_RESIDUALS = Reason(
    "lifelines_residuals",
    "lifelines 的得分残差与 delta-beta 残差不正确：得分残差之和不为 0。",
    "lifelines' score and delta-beta residuals are wrong: the score residuals do not sum to 0.",
)
_WEIGHTED_CURVE = Reason(
    "lifelines_weighted_curve",
    "lifelines 的加权 Kaplan-Meier 区间把权重当作人数，标准误偏小可达 52%。",
    "lifelines takes the weights of a Kaplan-Meier curve for people: its errors are up to 52 % too small.",
)
_RESTRICTED_MEAN = Reason(
    "lifelines_restricted_mean",
    "lifelines 给出的是受限生存时间本身的方差，而不是估计量的方差（约为其 10 倍的标准误）。",
    "lifelines gives the variance of the restricted time, not that of its mean (about ten times its error).",
)
_PROPORTIONAL = Reason(
    "lifelines_proportional_hazards",
    "lifelines 的比例风险检验是旧的近似方法，卡方值偏差 13% 至 79%，且没有总体检验。",
    "lifelines' test of proportional hazards is an old approximation, 13 to 79 % off in chi-square, and has no "
    "global test.",
)
_BRESLOW = Reason(
    "lifelines_breslow",
    "lifelines 的 Cox 模型没有 Breslow 并列处理。",
    "lifelines' Cox model has no Breslow ties.",
)
_STRATIFIED_LOG_RANK = Reason(
    "lifelines_stratified_log_rank",
    "lifelines 没有分层 log-rank 检验。",
    "lifelines has no stratified log-rank test.",
)
_OFFSET = Reason(
    "lifelines_offset", "lifelines 的 Cox 模型不接受偏移量。", "lifelines' Cox model takes no offset."
)
TOO_LARGE = Reason(
    "lifelines_too_large",
    "行数超过交叉核对的上限，未用 lifelines 复算。",
    "More rows than the cross-check is meant for: not computed again by lifelines.",
)
# What is asked for: (the reason it is refused, the circumstances in which it is; none named means always).
_REFUSED: dict[str, tuple[Reason, tuple[str, ...]]] = {
    "robust_variance": (_ROBUST, ("entry", "tied", "clustered")),
    "aalen_johansen": (_AALEN_JOHANSEN, ("tied",)),
    "score_residuals": (_RESIDUALS, ()),
    "delta_beta_residuals": (_RESIDUALS, ()),
    "kaplan_meier_interval": (_WEIGHTED_CURVE, ("weighted",)),
    "restricted_mean_variance": (_RESTRICTED_MEAN, ()),
    "proportional_hazards_test": (_PROPORTIONAL, ()),
    "breslow_ties": (_BRESLOW, ()),
    "log_rank": (_STRATIFIED_LOG_RANK, ("stratified",)),
}
INFERENCES = tuple(_REFUSED)
MOST_ROWS = 200_000
_PRECISION = 1e-12  # its default of 1e-7 leaves errors of 4e-6 in the coefficients
_AFT = {
    "weibull": "WeibullAFTFitter",
    "lognormal": "LogNormalAFTFitter",
    "loglogistic": "LogLogisticAFTFitter",
}


@dataclass(frozen=True)
class LifelinesFit:
    """Coefficients (p,) as lifelines found them. It gives no errors: see `check_inference`."""

    names: tuple[str, ...]
    coef: Floats
    engine: str


@dataclass(frozen=True)
class LifelinesDifference:
    """`delta` is the largest relative difference of lifelines' point estimates from ours, against the larger of the
    estimate and its standard error; None, with `why`, where lifelines cannot fit the model."""

    delta: float | None
    engine: str
    why: Bilingual | None


@checked
def check_inference(
    inference: str,
    *,
    entry: bool = False,
    tied: bool = False,
    clustered: bool = False,
    weighted: bool = False,
    stratified: bool = False,
) -> None:
    """Raise `CannotEstimate` with the reason where lifelines must not be asked for `inference` (one of INFERENCES).

    The circumstances: delayed entry, several events at one time, clusters, case weights, strata.
    """
    if inference not in _REFUSED:
        raise CannotEstimate(BAD_ARGUMENT, argument="inference", allowed=", ".join(INFERENCES))
    reason, circumstances = _REFUSED[inference]
    there = {
        "entry": entry,
        "tied": tied,
        "clustered": clustered,
        "weighted": weighted,
        "stratified": stratified,
    }
    if not circumstances or any(there[one] for one in circumstances):
        raise CannotEstimate(reason)


@checked
def fit_by_lifelines(
    x: npt.ArrayLike,
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    strata: Sequence[Hashable] | npt.ArrayLike | None = None,
    ties: str = "efron",
    offset: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> LifelinesFit:
    """Cox coefficients by lifelines, arguments as `cox.fit_cox`.

    Raises `CannotEstimate` for bad columns, no events, Breslow ties, an offset, and where lifelines does not converge.
    """
    rows = follow_up(time, event, entry=entry, weights=weights)
    table = matrix(x, len(rows))
    columns = column_names(names, table.shape[1])
    if ties not in ("efron", "breslow"):
        raise CannotEstimate(BAD_ARGUMENT, argument="ties", allowed="efron")
    if ties == "breslow":
        check_inference("breslow_ties")
    if offset is not None:
        raise CannotEstimate(_OFFSET)
    if not rows.event.any():
        raise CannotEstimate(NO_EVENTS)
    import pandas as pd

    frame = pd.DataFrame(table, columns=[f"x{at}" for at in range(len(columns))])
    frame = frame.assign(time=rows.time, event=rows.event)
    named: dict[str, Any] = {}
    if rows.weights is not None:
        frame["weights"], named["weights_col"] = rows.weights, "weights"
    if rows.entry is not None:
        frame["entry"], named["entry_col"] = rows.entry, "entry"
    if strata is not None:
        frame["strata"], named["strata"] = labels(strata, "strata", len(rows)).codes, ["strata"]
    found = _cox(frame, named)
    return LifelinesFit(columns, found, engine())


@checked
def lifelines_difference(
    fit: CoxFit | AftFit, *, aft_rows: Any = None, max_rows: int = MOST_ROWS
) -> LifelinesDifference:
    """ "lifelines Δ" of a fit. For an AFT model `aft_rows` is (x, time, event) of its rows, as it does not keep them.

    A model that lifelines does not have, or more than `max_rows` rows, gives `delta` None and the reason.
    """
    try:
        if fit.n > max_rows:
            raise CannotEstimate(TOO_LARGE)
        found = _cox_again(fit) if isinstance(fit, CoxFit) else _aft_again(fit, aft_rows)
    except CannotEstimate as refused:
        return LifelinesDifference(None, engine(), refused.text)
    size = np.maximum(np.abs(fit.coef), fit.se[: len(fit.coef)])
    return LifelinesDifference(float((np.abs(found - fit.coef) / size).max()), engine(), None)


def engine() -> str:
    """The engine's name and version, as it stands in a row of the results."""
    import lifelines

    return f"lifelines {lifelines.__version__}"


def _cox_again(fit: CoxFit) -> Floats:
    like = fit.likelihood
    event = np.zeros(fit.n)
    event[like.sets.dead] = 1.0
    return fit_by_lifelines(
        like.xt.T + like.center,
        fit.time,
        event,
        entry=fit.entry,
        weights=like.weights,
        strata=None if like.sets.levels == (None,) else like.sets.stratum,
        ties=fit.ties,
        offset=like.offset,
    ).coef


def _cox(frame: Any, named: dict[str, Any]) -> Floats:
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    options = {"precision": _PRECISION, "r_precision": _PRECISION, "max_steps": 100}
    with warnings.catch_warnings():
        # It warns of weights that are no whole numbers (its errors are wrong then; we take none) and of convergence.
        warnings.simplefilter("ignore")
        try:
            fitted = CoxPHFitter().fit(frame, "time", "event", fit_options=options, **named)
        except (ConvergenceError, np.linalg.LinAlgError, ValueError, FloatingPointError) as failure:
            raise CannotEstimate(NOT_CONVERGED) from failure
    return _finite(fitted.params_.to_numpy(dtype=float))


def _aft_again(fit: AftFit, rows: Any) -> Floats:
    if fit.distribution not in _AFT or rows is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="distribution", allowed=", ".join(_AFT))
    import lifelines
    import pandas as pd
    from lifelines.exceptions import ConvergenceError

    x, time, event = rows
    table = matrix(x, fit.n)
    columns = [f"x{at}" for at in range(table.shape[1])]
    frame = pd.DataFrame(table, columns=columns).assign(
        time=np.asarray(time, float), event=np.asarray(event, float)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted = getattr(lifelines, _AFT[fit.distribution])().fit(frame, "time", "event")
        except (ConvergenceError, np.linalg.LinAlgError, ValueError, FloatingPointError) as failure:
            raise CannotEstimate(NOT_CONVERGED) from failure
    location = fitted.params_[
        {"weibull": "lambda_", "lognormal": "mu_", "loglogistic": "alpha_"}[fit.distribution]
    ]
    return _finite(location[["Intercept", *columns]].to_numpy(dtype=float))


def _finite(found: Floats) -> Floats:
    if not np.isfinite(found).all():
        raise CannotEstimate(NOT_CONVERGED)
    return found
