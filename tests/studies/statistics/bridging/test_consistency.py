"""Regional consistency: what is known of it, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.bridging.consistency import (
    consistency,
    heterogeneity,
    interaction,
    probability_method_1,
    probability_method_2,
    regional_size,
)


def test_a_region_like_the_whole_retains_all_of_it():
    made = consistency([-0.3, -0.3, -0.3], [0.1, 0.2, 0.3], regions=["CN", "EU", "US"], region="CN")
    assert made.retained == pytest.approx(1.0)
    assert made.method_1 and made.method_2
    assert made.difference.value == pytest.approx(0.0) and made.difference.p == pytest.approx(1.0)


def test_a_region_against_the_effect_fails_both_methods():
    made = consistency([0.1, -0.4], [0.2, 0.1], regions=["CN", "US"], region="CN")
    assert not made.method_1 and not made.method_2
    assert made.retained < 0


def test_fieller_s_limits_solve_their_equation():
    made = consistency([-0.2, -0.4], [0.1, 0.05], regions=["CN", "US"], region="CN")
    variance = 1 / (1 / 0.01 + 1 / 0.0025)
    for r in (made.lower, made.upper):
        assert r is not None
        gap = -0.2 - r * made.overall.value
        assert abs(gap) == pytest.approx(
            1.959963984540054 * math.sqrt(0.01 + r * r * variance - 2 * r * variance)
        )
    unclear = consistency([-0.2, 0.1], [0.3, 0.3], regions=["CN", "US"], region="CN")
    assert unclear.lower is None and unclear.upper is None


def test_probabilities_agree_with_simulation():
    rng = np.random.default_rng(1)
    drift, u = 1.959963984540054 + 1.2815515655446004, 0.2
    region = drift + rng.standard_normal(1_000_000) / math.sqrt(u)
    rest = drift + rng.standard_normal(1_000_000) / math.sqrt(1 - u)
    whole = u * region + (1 - u) * rest
    keeps = region >= 0.5 * whole
    assert probability_method_1(u) == pytest.approx(keeps.mean(), abs=2e-3)
    won = whole > 1.959963984540054
    assert probability_method_1(u, given_success=True) == pytest.approx(keeps[won].mean(), abs=2e-3)
    assert probability_method_2([u, 1 - u]) == pytest.approx(((region > 0) & (rest > 0)).mean(), abs=2e-3)
    weaker = probability_method_1(u, effect_ratio=0.5)
    assert weaker < probability_method_1(u)


def test_the_published_share_and_the_size_reach_the_assurance():
    """Quan et al. (2010): 22.4 % at 90 % power, pi 0.5, alpha 0.025."""
    made = regional_size(500)
    assert made.fraction == pytest.approx(0.2243, abs=5e-5)
    assert made.probability >= 0.8 > probability_method_1((made.n - 1) / 500)
    second = regional_size(500, method=2, regions=3)
    assert probability_method_2([second.fraction] + [(1 - second.fraction) / 2] * 2) == pytest.approx(0.8)


def test_two_estimates_have_the_z_test_as_their_q():
    made, gap = heterogeneity([0.1, 0.5], [0.1, 0.2]), interaction(0.1, 0.1, 0.5, 0.2)
    assert made.q == pytest.approx((gap.value / (gap.se or 1)) ** 2)
    assert made.p == pytest.approx(gap.p)
    assert heterogeneity([0.2, 0.2, 0.2], [0.1, 0.1, 0.1]).i_squared == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: heterogeneity([0.1], [0.1]),
        lambda: heterogeneity([0.1, 0.2], [0.1, 0.0]),
        lambda: heterogeneity([0.1, math.nan], [0.1, 0.1]),
        lambda: heterogeneity([0.1, 0.2], [0.1]),
        lambda: heterogeneity([], []),
        lambda: consistency([0.1], [0.1], regions=["CN"], region="CN"),
        lambda: consistency([0.1, 0.2], [0.1, 0.1], regions=["CN", "US"], region="JP"),
        lambda: consistency([0.1, 0.2, 0.1], [0.1, 0.1, 0.1], regions=["CN", "US", "US"], region="CN"),
        lambda: consistency([0.1, -0.1], [0.1, 0.1], regions=["CN", "US"], region="CN"),
        lambda: probability_method_1(0.0),
        lambda: probability_method_1(0.2, power=1.0),
        lambda: probability_method_1(0.2, effect_ratio=-10),
        lambda: probability_method_2([0.5, 0.6]),
        lambda: regional_size(100, method=3),
        lambda: regional_size(100, method=2, regions=8, power=0.5),
        lambda: interaction(0.1, 0.0, 0.1, 0.1),
    ],
)
def test_what_makes_no_sense_is_refused(call: Any):
    with pytest.raises(CannotEstimate):
        call()
