"""Cox regression: the definition, what must not change a result, and what is refused."""

from __future__ import annotations

import math
import time as clock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.reasons import CannotEstimate
from studies.statistics.survival.cox import fit_cox
from studies.statistics.survival.partial_likelihood import PartialLikelihood
from studies.statistics.survival.risk_sets import risk_sets
from tests.studies.statistics.survival.cohorts import People, people

SAME = 1e-9


def loglik_by_definition(p: People, beta, ties: str) -> float:
    """With loops, straight from the definition: strata, entry, weights, Efron's or Breslow's ties."""
    eta, total = p.x @ beta, 0.0
    event = p.event.astype(bool)
    for s in np.unique(p.strata):
        for t in np.unique(p.time[event & (p.strata == s)]):
            at_risk = (p.strata == s) & (p.entry < t) & (p.time >= t)
            dying = at_risk & event & (p.time == t)
            risk = p.weights * np.exp(eta)
            d = int(dying.sum())
            total += float((p.weights * eta)[dying].sum())
            for number in range(d):
                share = number / d if ties == "efron" else 0.0
                left = risk[at_risk].sum() - share * risk[dying].sum()
                total -= p.weights[dying].mean() * math.log(left)
    return total


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("seed", range(3))
def test_likelihood_score_and_information_follow_from_the_definition(ties, seed):
    """Score and information are the slope and the curvature, by finite differences of the definition."""
    p = people(seed, 40)
    sets = risk_sets(
        p.time, p.event.astype(bool), entry=p.entry, stratum=p.strata.astype(np.intp), levels=(0, 1, 2)
    )
    like = PartialLikelihood(p.x, sets, p.weights, ties)
    beta, h = np.array([0.4, -0.6]), 1e-4
    state = like.at(beta)
    assert state.loglik == pytest.approx(loglik_by_definition(p, beta, ties), rel=1e-12)
    for j, move in enumerate(h * np.eye(2)):
        up, down = (loglik_by_definition(p, beta + sign * move, ties) for sign in (1, -1))
        assert state.score[j] == pytest.approx((up - down) / (2 * h), abs=1e-5)
        curve = (like.at(beta - move).score - like.at(beta + move).score) / (2 * h)
        assert state.information[j] == pytest.approx(curve, rel=1e-6)


def everything(p: People, **options):
    return fit_cox(p.x, p.time, p.event, entry=p.entry, strata=p.strata, weights=p.weights, **options)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_order_of_rows_and_the_unit_of_time_do_not_matter(ties):
    p = people(3)
    shuffled = p[np.random.default_rng(9).permutation(80)]
    one, two = (
        everything(p, ties=ties, cluster=p.cluster),
        everything(shuffled, ties=ties, cluster=shuffled.cluster),
    )
    years = fit_cox(
        p.x,
        p.time / 365.25,
        p.event,
        entry=p.entry / 365.25,
        strata=p.strata,
        weights=p.weights,
        ties=ties,
        cluster=p.cluster,
    )
    for other in (two, years):
        assert other.coef == pytest.approx(one.coef, rel=SAME)
        assert other.covariance == pytest.approx(one.covariance, rel=SAME)
        mine, theirs = one.concordance(), other.concordance()
        assert (theirs.concordance, theirs.se) == pytest.approx((mine.concordance, mine.se), rel=SAME)


def test_a_weight_of_two_is_the_row_twice_with_breslow():
    """With Breslow's ties weights count people. With Efron's a copy is one more death at that time: not the same."""
    p = people(4)
    twice = p[np.repeat(np.arange(80), 1 + (np.arange(80) % 2))]
    weights = 1.0 + np.arange(80) % 2
    one = fit_cox(p.x, p.time, p.event, weights=weights, ties="breslow")
    two = fit_cox(twice.x, twice.time, twice.event, ties="breslow")
    assert one.coef == pytest.approx(two.coef, rel=SAME)
    assert one.naive_covariance == pytest.approx(two.naive_covariance, rel=SAME)
    assert one.robust is False


def test_splitting_a_row_of_follow_up_changes_nothing():
    """A person in (0, 5] and (5, 12] is the person in (0, 12]; robust errors too, when the cluster says so."""
    p = people(5)
    cut = np.floor(p.time / 2)
    split = cut > 0
    x = np.vstack([p.x, p.x[split]])
    time = np.concatenate([np.where(split, cut, p.time), p.time[split]])
    event = np.concatenate([np.where(split, 0, p.event), p.event[split]])
    entry = np.concatenate([np.zeros(80), cut[split]])
    person = np.concatenate([np.arange(80), np.flatnonzero(split)])
    one = fit_cox(p.x, p.time, p.event, cluster=np.arange(80))
    two = fit_cox(x, time, event, entry=entry, cluster=person)
    assert two.coef == pytest.approx(one.coef, rel=SAME)
    assert two.naive_covariance == pytest.approx(one.naive_covariance, rel=SAME)
    assert two.covariance == pytest.approx(one.covariance, rel=SAME)
    assert two.concordance().concordance == pytest.approx(one.concordance().concordance)


@given(st.floats(-50, 50), st.floats(0.01, 100), st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_shifting_a_covariate_changes_nothing_and_scaling_it_scales_its_coefficient(shift, scale, seed):
    p = people(seed)
    one = fit_cox(p.x, p.time, p.event)
    two = fit_cox(p.x * [scale, 1.0] + [shift, -shift], p.time, p.event)
    assert two.coef * [scale, 1.0] == pytest.approx(one.coef, rel=1e-6, abs=1e-9)
    assert two.se * [scale, 1.0] == pytest.approx(one.se, rel=1e-6)


def test_switching_the_labels_switches_the_sign():
    p = people(6)
    one, two = fit_cox(p.x, p.time, p.event), fit_cox(p.x * [1, -1] + [0, 1], p.time, p.event)
    assert two.coef == pytest.approx(one.coef * [1, -1], rel=SAME)
    assert two.hazard_ratio(1).value == pytest.approx(1.0 / one.hazard_ratio(1).value, rel=SAME)


def test_an_offset_is_a_coefficient_that_is_known():
    p = people(7)
    full = fit_cox(p.x, p.time, p.event, tolerance=1e-14)
    rest = fit_cox(p.x[:, 1], p.time, p.event, offset=full.coef[0] * p.x[:, 0], tolerance=1e-14)
    assert rest.coef[0] == pytest.approx(full.coef[1], rel=1e-7)
    assert rest.loglik == pytest.approx(full.loglik, rel=1e-12)


def test_a_stratum_without_events_and_one_with_one_person_change_nothing():
    p = people(8)
    more = fit_cox(
        np.vstack([p.x, [[9.0, 1.0], [3.0, 0.0], [5.0, 1.0]]]),
        np.append(p.time, [3, 9, 4]),
        np.append(p.event, [0, 0, 1]),
        strata=np.append(np.zeros(80), [1, 1, 2]),
    )
    assert more.coef == pytest.approx(fit_cox(p.x, p.time, p.event).coef, rel=SAME)


def test_contrasts_and_the_three_tests_agree_where_they_must():
    p = people(9)
    fit = everything(p, names=["a", "b"])
    all_zero = fit.contrast(np.eye(2))
    assert fit.wald is not None and all_zero.test.chisq == pytest.approx(fit.wald.chisq, rel=SAME)
    single = fit.contrast([1.0, -1.0])
    v = fit.covariance
    assert single.se[0] ** 2 == pytest.approx(v[0, 0] + v[1, 1] - 2 * v[0, 1], rel=SAME)
    assert fit.hazard_ratio("b").value == pytest.approx(math.exp(fit.coef[1]))
    with pytest.raises(CannotEstimate, match="bad_argument"):
        fit.hazard_ratio("c")
    with pytest.raises(CannotEstimate, match="dependent"):
        fit.contrast([[1.0, 0.0], [2.0, 0.0]])
    with pytest.raises(CannotEstimate, match="lengths_differ"):
        fit.contrast([1.0, 0.0, 0.0])


def test_robust_follows_r():
    """A cluster or a weight that is no whole number; whole weights are counts of people."""
    p = people(10)
    assert not fit_cox(p.x, p.time, p.event).robust
    assert not fit_cox(p.x, p.time, p.event, weights=np.full(80, 2.0)).robust
    assert fit_cox(p.x, p.time, p.event, weights=p.weights).robust
    assert fit_cox(p.x, p.time, p.event, cluster=p.cluster).robust
    assert not fit_cox(p.x, p.time, p.event, weights=p.weights, robust=False).robust
    one_each = fit_cox(p.x, p.time, p.event, cluster=np.arange(80)).covariance
    assert one_each == pytest.approx(fit_cox(p.x, p.time, p.event, robust=True).covariance, rel=SAME)


def test_fewer_clusters_than_terms_leave_the_tests_out():
    p = people(11)
    fit = fit_cox(np.column_stack([p.x, p.x[:, 0] ** 2]), p.time, p.event, cluster=np.arange(80) % 2)
    assert fit.wald is None and fit.robust_score is None
    assert np.isfinite(fit.se).all()


@pytest.mark.parametrize(
    "change, code",
    [
        ({"time": []}, "lengths_differ|no_subjects"),
        ({"x": [], "time": [], "event": []}, "no_subjects"),
        ({"event": np.zeros(80)}, "no_events"),
        ({"event": np.full(80, 2)}, "bad_codes"),
        ({"time": np.full(80, np.nan)}, "not_a_number"),
        ({"time": -np.ones(80)}, "negative_time"),
        ({"time": ["a"] * 80}, "not_a_number"),
        ({"event": np.ones(79)}, "lengths_differ"),
        ({"x": np.full((80, 2), np.inf)}, "not_a_number"),
        ({"entry": np.full(80, 99.0)}, "entry_after_exit"),
        ({"entry": -np.ones(80)}, "negative_time"),
        ({"weights": np.zeros(80)}, "bad_weights"),
        ({"weights": -np.ones(80)}, "bad_weights"),
        ({"weights": np.full(80, np.inf)}, "not_a_number"),
        ({"strata": [None] * 80}, "bad_labels"),
        ({"cluster": np.arange(79)}, "lengths_differ"),
        ({"ties": "exact"}, "bad_argument"),
        ({"names": ["a"]}, "lengths_differ"),
        ({"names": ["a", "a"]}, "lengths_differ"),
        ({"init": [0.0]}, "lengths_differ"),
        ({"init": [1e6, 0.0]}, "not_converged|monotone"),
        ({"offset": np.full(80, np.nan)}, "not_a_number"),
        ({"robust": True, "entry": np.zeros(80)}, "cluster_needed"),
        ({"robust": False, "cluster": np.arange(80)}, "bad_argument"),
        ({"x": np.empty((80, 0))}, "bad_argument"),
    ],
)
def test_bad_input_is_refused_with_a_reason(change, code):
    p = people(12)
    given = {"x": p.x, "time": p.time, "event": p.event} | change
    with pytest.raises(CannotEstimate, match=code):
        fit_cox(given.pop("x"), given.pop("time"), given.pop("event"), **given)


def test_one_subject_is_refused():
    with pytest.raises(CannotEstimate, match="too_many_terms"):
        fit_cox([[1.0]], [3.0], [1])


def test_a_constant_a_dependent_and_an_unvarying_column_are_named():
    """Constant overall; a sum of two others; constant within strata (R reports NA)."""
    p = people(13)
    with pytest.raises(CannotEstimate, match=r"constant.*'dose'"):
        fit_cox(np.column_stack([p.x, np.full(80, 3.7)]), p.time, p.event, names=["a", "b", "dose"])
    with pytest.raises(CannotEstimate, match=r"dependent.*'sum'"):
        fit_cox(np.column_stack([p.x, p.x.sum(axis=1)]), p.time, p.event, names=["a", "b", "sum"])
    with pytest.raises(CannotEstimate, match=r"same_at_risk.*'site'"):
        fit_cox(np.column_stack([p.x, p.strata]), p.time, p.event, strata=p.strata, names=["a", "b", "site"])


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_a_coefficient_that_runs_to_infinity_is_named(ties):
    """Nobody with the implant has an event: R warns and reports 20; we refuse, naming the column."""
    p = people(14)
    implant = (np.arange(80) % 4 == 0).astype(float)
    event = np.where(implant == 1, 0.0, p.event)
    with pytest.raises(CannotEstimate, match=r"monotone_likelihood.*'implant'"):
        fit_cox(np.column_stack([p.x[:, 0], implant]), p.time, event, names=["a", "implant"], ties=ties)
    with pytest.raises(CannotEstimate, match=r"monotone_likelihood|not_converged"):
        fit_cox(-p.time, p.time, np.ones(80))


def test_ten_thousand_strata_and_a_million_rows_take_seconds():
    """Pairs matched on everything: each pair a stratum."""
    random = np.random.default_rng(1)
    n = 20_000
    x, days = random.normal(size=(n, 2)), random.integers(1, 400, n)
    began = clock.process_time()
    pairs = fit_cox(x, days, np.ones(n), strata=np.arange(n) // 2)
    assert clock.process_time() - began < 5 and pairs.n == n
    n = 1_000_000
    x, days = random.normal(size=(n, 1)), random.integers(1, 400, n)
    began = clock.process_time()
    fit = fit_cox(x, days, random.integers(0, 2, n), entry=np.zeros(n), cluster=np.arange(n) // 2)
    assert clock.process_time() - began < 20 and abs(fit.coef[0]) < 0.01
