"""Power, MAP and commensurate priors, conflict and operating characteristics: limits, identities, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.commensurate import commensurate_normal, commensurate_prior
from studies.statistics.bridging.conflict import (
    component_weights,
    conflict_binomial,
    conflict_normal,
    overlap,
)
from studies.statistics.bridging.effective_size import ess_elir, ess_moment
from studies.statistics.bridging.map_prior import (
    approximate,
    largest_distance,
    map_prior_binomial,
    map_prior_normal,
    robustify,
)
from studies.statistics.bridging.mixtures import (
    beta,
    combine,
    gamma,
    mixture,
    normal,
    predict_binomial,
    predict_poisson,
    summarise,
    update_binomial,
    update_normal,
    update_poisson,
)
from studies.statistics.bridging.operating_characteristics import (
    binary_characteristics,
    normal_characteristics,
    two_arm_characteristics,
)
from studies.statistics.bridging.power_prior import power_prior_beta, power_prior_gamma, power_prior_normal


def test_a0_of_0_ignores_and_of_1_pools():
    ignored, pooled = (power_prior_beta(20, 40, 30, 100, a0=a0).posterior for a0 in (0.0, 1.0))
    assert (ignored.a[0], ignored.b[0]) == (21, 21)
    assert (pooled.a[0], pooled.b[0]) == (51, 91)
    flat = power_prior_normal(0.3, 0.2, -0.1, 0.1, a0=1.0)
    assert flat.summary.mean == pytest.approx((0.3 * 25 - 0.1 * 100) / 125)
    assert flat.summary.sd == pytest.approx(125**-0.5)
    rate = power_prior_gamma(5, 100, 30, 900, a0=1.0, prior=(0.5, 0.001)).posterior
    assert (rate.a[0], rate.b[0]) == pytest.approx((35.5, 1000.001))


def test_empirical_bayes_has_its_closed_form_for_normal_data():
    """Gravestock & Held (2017): se0^2 / ((y - y0)^2 - se^2), at most 1."""
    assert power_prior_normal(0.3, 0.2, -0.1, 0.1, a0="empirical_bayes").a0 == pytest.approx(
        0.01 / 0.12, rel=1e-6
    )
    assert power_prior_normal(0.3, 0.2, 0.25, 0.1, a0="empirical_bayes").a0 == 1.0


def test_a_prior_concentrated_at_one_a0_is_that_fixed_a0():
    sharp = power_prior_beta(20, 40, 30, 100, a0="normalised", a0_prior=(50.0, 50.0))
    fixed = power_prior_beta(20, 40, 30, 100, a0=0.5)
    assert sharp.a0 == pytest.approx(0.5, abs=0.01)
    assert sharp.summary.mean == pytest.approx(fixed.summary.mean, abs=1e-3)
    with pytest.raises(CannotEstimate):
        power_prior_beta(20, 40, 30, 100, a0="normalised", a0_prior=(51.0, 1.0))


def test_agreeing_data_get_a_larger_a0_than_conflicting_ones():
    agree, conflict = (power_prior_beta(y, 40, 30, 100, a0="normalised").a0 for y in (12, 32))
    assert agree > 0.5 > conflict


def test_updating_twice_is_updating_once():
    prior = combine([(0.7, beta(12, 28)), (0.3, beta(1, 1))])
    twice, once = update_binomial(update_binomial(prior, 3, 10), 4, 15), update_binomial(prior, 7, 25)
    assert twice.weights == pytest.approx(once.weights) and twice.a == pytest.approx(once.a)
    wide = combine([(0.5, normal(0, 1)), (0.5, normal(1, 2))])
    two = update_normal(update_normal(wide, 0.3, 0.2), 0.5, 0.3)
    one = update_normal(
        wide, (0.3 / 0.04 + 0.5 / 0.09) / (1 / 0.04 + 1 / 0.09), (1 / 0.04 + 1 / 0.09) ** -0.5
    )
    assert (two.mean, two.sd) == pytest.approx((one.mean, one.sd))
    rates = update_poisson(update_poisson(gamma(2, 3), 3, 10.0), 1, 5.0)
    assert (rates.a[0], rates.b[0]) == (6, 18)


def test_predictions_add_up_to_1_and_quantiles_invert_the_distribution_function():
    prior = combine([(0.7, beta(12, 28)), (0.3, beta(0.5, 0.5))])
    assert predict_binomial(prior, 50).sum() == pytest.approx(1.0)
    assert predict_poisson(gamma(3, 2), np.arange(500), 4.0).sum() == pytest.approx(1.0)
    for one in (
        prior,
        mixture("normal", [0.2, 0.8], [-4, 3], [0.01, 2]),
        mixture("gamma", [1, 1], [0.5, 40], [1, 2]),
    ):
        p = np.array([1e-6, 0.025, 0.2, 0.5, 0.9, 0.999])
        assert one.cdf(one.quantiles(p)) == pytest.approx(p, rel=1e-8)
        assert one.above(one.quantile(0.9)) == pytest.approx(0.1)


def test_a_mixture_has_the_moments_of_its_draws():
    made = summarise(mixture("normal", [1, 3], [0, 1], [1, 0.5]))
    assert made.mean == pytest.approx(0.75)
    assert made.sd**2 == pytest.approx(0.25 * 1 + 0.75 * 0.25 + 0.25 * 0.75)


@pytest.mark.parametrize(
    ("prior", "sigma", "size"), [(beta(3, 7), None, 10), (gamma(3, 7), None, 7), (normal(0, 0.5), 2.0, 16)]
)
def test_the_effective_size_of_one_conjugate_prior_is_known(prior: Any, sigma: float | None, size: float):
    assert ess_elir(prior, sigma=sigma) == pytest.approx(size, rel=1e-8)
    assert ess_moment(prior, sigma=sigma) == pytest.approx(size, rel=1e-8)


def test_effective_size_is_predictively_consistent():
    """Neuenschwander et al. (2020): the expected size after n patients is the size before plus n."""
    prior = combine([(0.8, beta(12, 28)), (0.2, beta(2, 2))])
    chance = predict_binomial(prior, 20)
    after = [ess_elir(update_binomial(prior, y, 20)) for y in range(21)]
    assert float(chance @ after) == pytest.approx(ess_elir(prior) + 20, rel=1e-6)


def test_a_vague_component_takes_away_effective_size():
    assert ess_elir(robustify(beta(12, 28), weight=0.3, vague=beta(1, 1))) < 30
    with pytest.raises(CannotEstimate):
        ess_elir(beta(0.5, 0.5))
    with pytest.raises(CannotEstimate):
        ess_elir(normal(0, 1))


def test_a_small_tau_scale_pools_and_the_mixture_is_close():
    y, se = [0.1, 0.3, -0.2, 0.4], [0.2, 0.1, 0.3, 0.2]
    pooled = map_prior_normal(y, se, tau_scale=1e-4)
    w = np.array(se) ** -2.0
    assert pooled.prior.mean == pytest.approx(float(w @ y / w.sum()), rel=1e-4)
    assert pooled.prior.sd == pytest.approx(float(w.sum() ** -0.5), rel=1e-4)
    prior = map_prior_normal(y, se, tau_scale=0.5)
    errors = [largest_distance(prior, approximate(prior, components=k)) for k in (1, 2)]
    assert errors[1] < errors[0] and errors[1] < 0.02


def test_the_published_map_prior_of_the_spondylitis_example():
    """RBesT's introduction, eight placebo groups (Baeten 2013): mean 0.26, sd 0.09 by sampling."""
    from studies.statistics.bridging.map_prior import map_mean_sd

    prior = map_prior_binomial(
        [23, 12, 19, 9, 39, 6, 9, 10], [107, 44, 51, 39, 139, 20, 78, 35], tau_scale=1.0
    )
    assert map_mean_sd(prior) == pytest.approx((0.258, 0.087), abs=0.002)


def test_studies_without_events_need_no_correction():
    assert map_prior_binomial([0, 1, 0], [10, 20, 15], tau_scale=0.5).mu_mean < -2


def test_a_robust_prior_gives_way_in_conflict():
    prior = robustify(beta(120, 280), weight=0.1, vague=beta(1, 1))
    weights = dict(enumerate(component_weights(prior, update_binomial(prior, 36, 40))))
    assert weights[1][1] > 0.95 > weights[1][0]


def test_commensurate_borrowing_lies_between_pooling_and_none():
    free, tied = (
        commensurate_normal(0.3, 0.2, -0.1, 0.1, sd_prior="uniform", scale=scale).summary
        for scale in (1e4, 1e-6)
    )
    assert (free.mean, free.sd) == pytest.approx((0.3, 0.2), abs=0.02)
    assert tied.mean == pytest.approx((0.3 * 25 - 0.1 * 100) / 125)
    spike = commensurate_normal(
        0.3, 0.2, -0.1, 0.1, sd_prior="spike_and_slab", scale=1.0, spike_probability=1.0
    )
    assert spike.summary.mean == pytest.approx(tied.mean)
    cauchy = commensurate_normal(0.3, 0.2, -0.1, 0.1, sd_prior="half_cauchy", scale=0.2)
    assert tied.mean < cauchy.summary.mean < 0.3 and cauchy.precision_gained > 0


def test_conflict_of_one_normal_is_the_two_sided_p():
    made = conflict_normal(normal(0, 1), 3.0, 1.0)
    expected = math.erfc(3 / math.sqrt(2) / math.sqrt(2))
    assert (made.box_p, made.tail_p) == pytest.approx((expected, expected))
    flat = conflict_binomial(beta(1, 1), 3, 10)
    assert flat.box_p == pytest.approx(1.0) and flat.tail_p == pytest.approx(8 / 11)


def test_overlap_of_equal_and_of_shifted_normals():
    assert overlap(beta(3, 4), beta(3, 4)) == pytest.approx(1.0, abs=1e-8)
    assert overlap(normal(0, 1), normal(1, 1)) == pytest.approx(math.erfc(0.5 / math.sqrt(2)))
    assert overlap(normal(0, 1), normal(40, 1)) == pytest.approx(0.0, abs=1e-9)


def test_operating_characteristics_agree_with_simulation():
    prior = robustify(beta(30, 70), weight=0.2, vague=beta(1, 1))
    made = binary_characteristics(
        lambda y: update_binomial(prior, y, 30), 30, true_values=[0.3, 0.5], null=0.3
    )
    rng = np.random.default_rng(1)
    for at, p in enumerate((0.3, 0.5)):
        y = rng.binomial(30, p, 200_000)
        wins = np.array([update_binomial(prior, k, 30).above(0.3) >= 0.975 for k in range(31)])
        means = np.array([update_binomial(prior, k, 30).mean for k in range(31)])
        assert made.success[at] == pytest.approx(wins[y].mean(), abs=4e-3)
        assert made.bias[at] == pytest.approx(means[y].mean() - p, abs=1e-3)
    assert made.max_type_1 == made.success[0]


def test_without_borrowing_the_type_1_error_is_that_of_the_normal_test():
    made = normal_characteristics(
        lambda y: update_normal(normal(0, 1e5), y, 0.2), 0.2, true_values=[0.0, -0.6], null=0.0
    )
    assert made.success[0] == pytest.approx(0.025, rel=1e-4)
    assert made.coverage == pytest.approx(0.95, abs=1e-6)
    assert made.mse == pytest.approx(0.04, rel=1e-5)
    borrowed = commensurate_prior(-0.3, 0.1, sd_prior="half_normal", scale=0.3)
    more = normal_characteristics(lambda y: update_normal(borrowed, y, 0.2), 0.2, true_values=[0.0], null=0.0)
    assert more.max_type_1 is not None and more.max_type_1 > 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda: power_prior_beta(5, 4, 1, 10, a0=0.5),
        lambda: power_prior_beta(1, 4, 1, 10, a0=1.5),
        lambda: power_prior_beta(1, 4, 1, 10, a0=math.nan),
        lambda: power_prior_beta(1, 4, 1, 10, a0="guess"),  # type: ignore[arg-type]
        lambda: power_prior_beta(1, 4, 1, 10, a0=0.5, prior=(0, 1)),
        lambda: power_prior_normal(0.1, 0.0, 0.1, 0.1, a0=0.5),
        lambda: power_prior_normal(0.1, 0.1, 0.1, 0.1, a0=0.0),
        lambda: power_prior_gamma(-1, 10, 1, 10, a0=0.5),
        lambda: power_prior_gamma(1, 0, 1, 10, a0=0.5),
        lambda: mixture("beta", [-1, 2], [1, 1], [1, 1]),
        lambda: mixture("beta", [0, 0], [1, 1], [1, 1]),
        lambda: mixture("cauchy", [1], [1], [1]),  # type: ignore[arg-type]
        lambda: mixture("normal", [1], [1], [0]),
        lambda: update_binomial(normal(0, 1), 1, 2),
        lambda: update_binomial(beta(1, 1), 3, 2),
        lambda: update_normal(normal(0, 1), math.inf, 1),
        lambda: combine([]),
        lambda: combine([(0.5, beta(1, 1)), (0.5, normal(0, 1))]),
        lambda: map_prior_normal([], [], tau_scale=1),
        lambda: map_prior_normal([0.1, 0.2], [0.1, 0.1], tau_scale=1),
        lambda: map_prior_normal([0.1, 0.2, 0.3], [0.1, 0.1, 0], tau_scale=1),
        lambda: map_prior_normal([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], tau_scale=0),
        lambda: map_prior_binomial([5], [4], tau_scale=1),
        lambda: map_prior_binomial([1, 2], [4], tau_scale=1),
        lambda: map_prior_binomial([0], [0], tau_scale=1),
        lambda: robustify(beta(1, 1), weight=1.2, vague=beta(1, 1)),
        lambda: commensurate_normal(0, 1, 0, 1, sd_prior="gamma", scale=1),  # type: ignore[arg-type]
        lambda: commensurate_normal(0, 1, 0, 1, sd_prior="uniform", scale=0),
        lambda: conflict_binomial(beta(1, 1), 0, 0),
        lambda: overlap(beta(1, 1), normal(0, 1)),
        lambda: beta(1, 1).quantile(0.0),
        lambda: binary_characteristics(lambda y: beta(1, 1), 0, true_values=[0.1], null=0.1),
        lambda: binary_characteristics(lambda y: beta(1, 1), 5, true_values=[1.1], null=0.1),
        lambda: normal_characteristics(lambda y: normal(0, 1), 0.0, true_values=[0], null=0),
        lambda: two_arm_characteristics(
            lambda y: beta(1, 1), 5, lambda y: beta(1, 1), 5, true_treatment=[0.1], true_control=[0.1, 0.2]
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any):
    with pytest.raises(CannotEstimate):
        call()
