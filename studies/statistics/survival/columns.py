"""A check of covariates that the regressions with an intercept, or a baseline in its place, share."""

from __future__ import annotations

import numpy as np

from studies.reasons import CONSTANT, DEPENDENT, CannotEstimate
from studies.statistics import Floats


def check_columns(x: Floats, names: tuple[str, ...]) -> None:
    """Raise `CannotEstimate`, naming the column, where one of x (n, p) is constant or follows from those before.

    In a QR factor of the standardised columns the diagonal is what each adds beyond the ones before it.
    """
    spread = x.std(axis=0)
    for column, name in enumerate(names):
        if spread[column] <= 1e-12 * max(1.0, float(np.abs(x[:, column]).max())):
            raise CannotEstimate(CONSTANT, variable=name)
    scaled = (x - x.mean(axis=0)) / spread
    added = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    for column, name in enumerate(names):
        if column >= len(added) or added[column] < 1e-9 * np.sqrt(len(x)):
            raise CannotEstimate(DEPENDENT, variable=name)
