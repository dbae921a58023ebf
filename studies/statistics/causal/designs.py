"""The matrix of a regression: centred and scaled for the arithmetic, reported on the scale of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import (
    BAD_ARGUMENT,
    CONSTANT,
    DEPENDENT,
    LENGTHS_DIFFER,
    NOT_ESTIMABLE,
    CannotEstimate,
)
from studies.statistics import Floats, Ints
from studies.statistics.inputs import matrix

INTERCEPT = "(Intercept)"
HC = ("model", "HC0", "HC1", "HC2", "HC3")
_CONSTANT = 1e-12
_DEPENDENT = 1e-9  # of a column's length; R's lm calls a column aliased at 1e-7


@dataclass(frozen=True)
class Design:
    """`matrix` (n, q) is centred and scaled; `back` (q, q) brings its coefficients to the data's scale."""

    matrix: Floats
    back: Floats
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def terms(self) -> int:
        """q, the intercept counted."""
        return int(self.matrix.shape[1])


def covariate_names(names: Sequence[str] | None, columns: int) -> tuple[str, ...]:
    """The given names, or x1, x2, ...; raises `CannotEstimate` when their number differs from `columns`."""
    if names is None:
        return tuple(f"x{number + 1}" for number in range(columns))
    if len(names) != columns:
        raise CannotEstimate(LENGTHS_DIFFER, variable="names")
    return tuple(str(name) for name in names)


def design(
    x: npt.ArrayLike, rows: int, *, names: Sequence[str] | None = None, intercept: bool = True
) -> Design:
    """The design of covariates x (rows, p). Constant and dependent columns are refused by name.

    Centring changes nothing but the intercept; it keeps age and age squared from looking collinear.
    """
    table = matrix(x, rows)
    called = covariate_names(names, table.shape[1])
    spread = table.std(axis=0) if intercept else np.sqrt((table**2).mean(axis=0))
    for column, name in enumerate(called):
        if spread[column] <= _CONSTANT * max(1.0, float(np.abs(table[:, column]).max())):
            raise CannotEstimate(CONSTANT, variable=name)
    centre = table.mean(axis=0) if intercept else np.zeros(table.shape[1])
    scaled = (table - centre) / spread
    _refuse_dependent(scaled, called)
    if not intercept:
        return Design(scaled, np.diag(1.0 / spread), called)
    back = np.diag(np.concatenate([[1.0], 1.0 / spread]))
    back[0, 1:] = -centre / spread
    return Design(np.column_stack([np.ones(rows), scaled]), back, (INTERCEPT, *called))


def check_option(value: object, allowed: Sequence[object], argument: str) -> None:
    """Raise `CannotEstimate` naming the argument and what it may be."""
    if value not in allowed:
        raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=", ".join(map(str, allowed)))


def check_level(conf_level: float) -> None:
    """A confidence level lies strictly between 0 and 1."""
    if not 0.0 < conf_level < 1.0:
        raise CannotEstimate(BAD_ARGUMENT, argument="conf_level", allowed="0 < conf_level < 1")


def inverse(information: Floats, statistic: str = "information") -> Floats:
    """The inverse of a symmetric matrix, or `CannotEstimate` when it has none."""
    try:
        inverted = np.asarray(np.linalg.inv(information), dtype=np.float64)
    except np.linalg.LinAlgError as singular:
        raise CannotEstimate(NOT_ESTIMABLE, statistic=statistic) from singular
    if not np.isfinite(inverted).all():
        raise CannotEstimate(NOT_ESTIMABLE, statistic=statistic)
    return inverted


def cluster_sums(rows: Floats, codes: Ints) -> Floats:
    """Rows (n, q) summed within clusters: (clusters, q)."""
    groups = int(codes.max()) + 1
    columns = [np.bincount(codes, rows[:, column], groups) for column in range(rows.shape[1])]
    return np.column_stack(columns) if columns else np.zeros((groups, 0))


def sandwich(
    bread: Floats,
    scores: Floats,
    *,
    kind: str,
    leverage: Floats | None = None,
    cluster: Ints | None = None,
    cluster_adjust: bool = True,
) -> Floats:
    """bread @ meat @ bread, with bread (q, q) the inverse information and scores (n, q) one row a subject.

    HC0 takes the scores as they are, HC1 multiplies by n/(n - q), HC2 and HC3 divide each score by
    (1 - h)^(1/2) and (1 - h) (MacKinnon & White 1985; R sandwich::vcovHC). With `cluster` the scores are
    summed within clusters first; `cluster_adjust` multiplies by G/(G - 1), HC1 by (n - 1)/(n - q)
    (R sandwich::vcovCL, `cadjust`).
    """
    rows, terms = scores.shape
    if cluster is not None:
        sums = cluster_sums(scores, cluster)
        groups = len(sums)
        factor = groups / (groups - 1.0) if cluster_adjust else 1.0
        factor *= (rows - 1.0) / (rows - terms) if kind == "HC1" else 1.0
        return np.asarray(factor * (bread @ (sums.T @ sums) @ bread))
    if kind in ("HC2", "HC3"):
        if leverage is None or (leverage > 1.0 - 1e-10).any():
            # A row that alone decides a coefficient has no residual to learn from.
            raise CannotEstimate(NOT_ESTIMABLE, statistic=f"{kind} covariance")
        scores = scores / ((1.0 - leverage) ** (0.5 if kind == "HC2" else 1.0))[:, None]
    factor = rows / (rows - terms) if kind == "HC1" else 1.0
    return np.asarray(factor * (bread @ (scores.T @ scores) @ bread))


def check_covariance(kind: str, cluster: object, cluster_count: int | None) -> None:
    """`covariance` is one of HC; clusters go with HC0 and HC1 only, and there are at least two."""
    check_option(kind, HC, "covariance")
    if cluster is not None:
        check_option(kind, ("HC0", "HC1"), "covariance (with cluster)")
        if cluster_count is not None and cluster_count < 2:
            raise CannotEstimate(NOT_ESTIMABLE, statistic="cluster-robust covariance")


def _refuse_dependent(scaled: Floats, names: tuple[str, ...]) -> None:
    # In a QR factor the diagonal is what each column adds beyond the ones before it.
    added = np.zeros(len(names))
    diagonal = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    added[: len(diagonal)] = diagonal
    for column, name in enumerate(names):
        if added[column] < _DEPENDENT * np.sqrt(len(scaled)):
            raise CannotEstimate(DEPENDENT, variable=name)
