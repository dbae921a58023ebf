"""Residuals: sums that must be 0, the leave-one-out they approximate, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.residuals import residuals, schoenfeld
from tests.studies.statistics.survival.cohorts import people


@pytest.fixture(params=["efron", "breslow"])
def fit(request):
    p = people(2)
    return fit_cox(
        p.x,
        p.time,
        p.event,
        entry=p.entry,
        strata=p.strata,
        weights=p.weights,
        ties=request.param,
        tolerance=1e-14,
    )


def test_weighted_residuals_sum_to_nothing(fit):
    """Observed less expected events, the score and the Schoenfeld residuals are 0 in total at the maximum."""
    weights = people(2).weights
    assert (weights * residuals(fit)).sum() == pytest.approx(0.0, abs=1e-9)
    assert residuals(fit, "score", weighted=True).sum(axis=0) == pytest.approx([0, 0], abs=1e-8)
    assert residuals(fit, "dfbeta").sum(axis=0) == pytest.approx([0, 0], abs=1e-8)
    assert residuals(fit, "schoenfeld", weighted=True).sum(axis=0) == pytest.approx([0, 0], abs=1e-8)


def test_dfbeta_makes_the_robust_covariance(fit):
    influence = residuals(fit, "dfbeta")
    assert fit.robust and influence.T @ influence == pytest.approx(fit.covariance, rel=1e-9)
    assert residuals(fit, "dfbetas") * fit.naive_se == pytest.approx(influence, rel=1e-12)


def test_dfbeta_is_close_to_leaving_the_row_out():
    p = people(3, 200)
    fit = fit_cox(p.x, p.time, p.event)
    change = residuals(fit, "dfbeta")
    for row in (0, 17, 101):
        rest = np.delete(np.arange(200), row)
        without = fit_cox(p.x[rest], p.time[rest], p.event[rest]).coef
        assert change[row] == pytest.approx(fit.coef - without, abs=0.25 * np.abs(change).max())


def test_collapsed_deviance_of_one_event_each_is_that_of_the_person():
    """A person's rows add up; with several events the deviance uses the number of events."""
    p = people(4)
    fit = fit_cox(p.x, p.time, p.event, cluster=p.cluster)
    groups = np.unique(p.cluster, return_inverse=True)[1]
    martingale = np.bincount(groups, weights=residuals(fit))
    events = np.bincount(groups, weights=p.event)
    found = residuals(fit, "deviance", collapse=p.cluster)
    with np.errstate(all="ignore"):
        wanted = np.where(events > 0, events * np.log((events - martingale) / events), 0.0)
    assert found == pytest.approx(np.sign(martingale) * np.sqrt(-2 * (martingale + wanted)))
    assert (residuals(fit, collapse=np.arange(80)) == residuals(fit)).all()


def test_schoenfeld_stands_in_the_order_of_stratum_and_time():
    p = people(5)
    found = schoenfeld(fit_cox(p.x, p.time, p.event, strata=p.strata))
    assert (np.lexsort((found.row, found.time, found.stratum)) == np.arange(len(found.row))).all()
    assert (p.event[found.row] == 1).all() and (p.time[found.row] == found.time).all()


@pytest.mark.parametrize("options", [{"type": "pearson"}, {"type": "schoenfeld", "collapse": np.arange(80)}])
def test_what_does_not_exist_is_refused(fit, options):
    with pytest.raises(CannotEstimate, match="bad_argument"):
        residuals(fit, **options)


def test_a_collapse_of_another_length_is_refused(fit):
    with pytest.raises(CannotEstimate, match="lengths_differ"):
        residuals(fit, collapse=np.arange(79))
