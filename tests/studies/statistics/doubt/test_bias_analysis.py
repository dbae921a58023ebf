"""Quantitative bias analysis: the book's examples, identities, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.doubt.bias_analysis import (
    TwoByTwo,
    confounder_grid,
    correct_exposure,
    correct_outcome,
    correct_selection,
)
from studies.statistics.doubt.parameters import (
    Beta,
    Fixed,
    LogNormal,
    Trapezoidal,
    draw,
    draw_pair,
    log_normal_from_limits,
    triangular,
    uniform,
)
from studies.statistics.doubt.probabilistic_bias import (
    probabilistic_confounder,
    probabilistic_misclassification,
    probabilistic_selection,
)

PERFECT = {
    "sensitivity_cases": 1.0, "specificity_cases": 1.0, "sensitivity_noncases": 1.0, "specificity_noncases": 1.0,
}  # fmt: skip
SMOKING = TwoByTwo(215, 1449, 668, 4296)
RESINS = TwoByTwo(45, 94, 257, 945)


def test_exposure_misclassification_in_the_book_s_example():
    """Lash et al. (2009), ch. 6, smoking and breast cancer (Fink & Lash 2003), Se 0.78 and Sp 0.99 in both."""
    made = correct_exposure(
        SMOKING,
        sensitivity_cases=0.78,
        specificity_cases=0.99,
        sensitivity_noncases=0.78,
        specificity_noncases=0.99,
    )
    assert made.odds_ratio_observed == pytest.approx(0.9542406, abs=1e-7)
    assert made.risk_ratio == pytest.approx(0.9614392, abs=1e-7)
    assert made.odds_ratio == pytest.approx(0.9490695, abs=1e-7)


def test_selection_in_the_book_s_example():
    """Lash et al. (2009), ch. 4, mobile phones and uveal melanoma (Stang 2006)."""
    made = correct_selection(
        TwoByTwo(136, 107, 297, 165), exposed_cases=0.94, unexposed_cases=0.85, exposed_noncases=0.64,
        unexposed_noncases=0.25,
    )  # fmt: skip
    assert made.odds_ratio_observed == pytest.approx(0.7061267, abs=1e-7)
    assert made.risk_ratio == pytest.approx(1.483780, abs=1e-6)
    assert made.odds_ratio == pytest.approx(1.634608, abs=1e-6)


def test_the_corrected_table_gives_the_observed_one_when_misclassified_again():
    made = correct_exposure(
        RESINS,
        sensitivity_cases=0.9,
        specificity_cases=0.85,
        sensitivity_noncases=0.8,
        specificity_noncases=0.95,
    ).corrected
    assert 0.9 * made.a + 0.15 * made.b == pytest.approx(RESINS.a)
    assert 0.8 * made.c + 0.05 * made.d == pytest.approx(RESINS.c)
    outcome = correct_outcome(
        RESINS,
        sensitivity_exposed=0.9,
        specificity_exposed=0.98,
        sensitivity_unexposed=0.8,
        specificity_unexposed=0.97,
    ).corrected
    assert 0.9 * outcome.a + 0.02 * outcome.c == pytest.approx(RESINS.a)
    assert 0.8 * outcome.b + 0.03 * outcome.d == pytest.approx(RESINS.b)


def test_perfect_classification_and_full_participation_change_nothing():
    assert correct_exposure(SMOKING, **PERFECT).corrected == SMOKING
    full = {"exposed_cases": 1.0, "unexposed_cases": 1.0, "exposed_noncases": 1.0, "unexposed_noncases": 1.0}
    assert correct_selection(SMOKING, **full).corrected == SMOKING


def test_a_single_confounder_is_removed_as_by_stratification():
    """Build a table from two strata with a common risk ratio: external adjustment gives it back."""
    p1, p0, effect, rr = 0.6, 0.2, 3.0, 1.5
    crude = rr * (p1 * (effect - 1) + 1) / (p0 * (effect - 1) + 1)
    grid = confounder_grid(
        crude, prevalence_exposed=[p1], prevalence_unexposed=[p0], confounder_effect=[effect]
    )
    assert grid.estimate[0] == pytest.approx(rr)


def test_the_grid_holds_every_combination_and_no_effect_changes_nothing():
    grid = confounder_grid(
        2.0,
        1.5,
        2.7,
        prevalence_exposed=[0.2, 0.5],
        prevalence_unexposed=[0.1, 0.2, 0.5],
        confounder_effect=[1, 4],
    )
    assert len(grid.estimate) == 12
    assert grid.estimate[grid.confounder_effect == 1.0] == pytest.approx(2.0)
    same = grid.prevalence_exposed == grid.prevalence_unexposed
    assert grid.estimate[same] == pytest.approx(2.0)
    assert grid.lower is not None and grid.upper is not None
    assert (grid.upper / grid.lower) == pytest.approx(1.8)


def test_no_unmeasured_confounder_is_stronger_than_its_bounding_factor():
    """Whatever the prevalences, the bias factor stays below the joint bound with an exposure ratio of p1/p0."""
    grid = confounder_grid(
        2.0,
        prevalence_exposed=[0.1, 0.4, 0.9],
        prevalence_unexposed=[0.05, 0.1],
        confounder_effect=[1.5, 3, 8],
    )
    u = grid.prevalence_exposed / grid.prevalence_unexposed
    bound = u * grid.confounder_effect / (u + grid.confounder_effect - 1)
    assert (grid.bias_factor <= bound + 1e-12).all()


def test_fixed_parameters_give_the_simple_answer_and_known_random_error():
    """With parameters known for certain, the middle is the corrected ratio and the width the observed one."""
    made = probabilistic_confounder(
        2.0,
        1.5,
        8 / 3,
        prevalence_exposed=0.5,
        prevalence_unexposed=0.2,
        confounder_effect=2.0,
        draws=200_000,
        seed=1,
    )
    assert made.systematic.lower == made.systematic.upper == pytest.approx(2.0 * 1.2 / 1.5)
    assert made.total.median == pytest.approx(1.6, rel=0.005)
    assert made.total.upper / made.total.lower == pytest.approx((8 / 3) / 1.5, rel=0.01)
    assert made.impossible == 0


def test_the_probabilistic_misclassification_of_the_book_s_data():
    """Resins and lung cancer (Greenland 1994): non-differential error pulled the odds ratio to 1."""
    made = probabilistic_misclassification(
        RESINS, of="exposure", sensitivity=[Trapezoidal(0.75, 0.85, 0.95, 1.0)] * 2,
        specificity=[Trapezoidal(0.75, 0.85, 0.95, 1.0)] * 2, correlation=0.8, seed=1, draws=20_000,
    )  # fmt: skip
    assert made.conventional.value == pytest.approx(1.7602864)
    assert made.systematic.median > made.conventional.value
    assert made.total.lower < made.systematic.lower < made.systematic.upper < made.total.upper
    assert 0 < made.impossible < 2000


@pytest.mark.parametrize("of", ["exposure", "outcome"])
@pytest.mark.parametrize("effect", ["or", "rr"])
def test_perfect_classification_leaves_random_error_alone(of: Any, effect: Any):
    made = probabilistic_misclassification(
        RESINS, of=of, sensitivity=[1.0], specificity=[1.0], effect=effect, draws=100_000, seed=2
    )
    assert made.systematic.median == pytest.approx(made.conventional.value)
    assert made.total.lower == pytest.approx(made.conventional.lower, rel=0.02)
    assert made.total.upper == pytest.approx(made.conventional.upper, rel=0.02)


def test_the_seed_decides_every_draw():
    def run(seed: int) -> Any:
        return probabilistic_selection(
            1.5, 1.1, 2.1, selection_factor=triangular(0.8, 1.1, 1.6), draws=5000, seed=seed
        )

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_impossible_draws_are_counted():
    """A specificity that may lie below 1 - exposed share gives negative corrected cells: they are set aside."""
    made = probabilistic_misclassification(
        TwoByTwo(1000, 9000, 2000, 18000), of="exposure", sensitivity=[0.9], specificity=[uniform(0.85, 0.99)],
        draws=20_000, seed=5,
    )  # fmt: skip
    # 10 of 100 exposed: possible from a specificity of 0.90 on, so 5 of the 14 hundredths are not.
    assert made.impossible / made.draws == pytest.approx(5 / 14, abs=0.02)


def test_distributions_have_their_moments():
    rng = np.random.default_rng(1)
    assert draw(uniform(0.2, 0.6), 200_000, rng).mean() == pytest.approx(0.4, abs=1e-3)
    assert draw(triangular(0.0, 0.3, 0.9), 200_000, rng).mean() == pytest.approx(0.4, abs=2e-3)
    trapezoid = draw(Trapezoidal(0.75, 0.85, 0.95, 1.0), 400_000, rng)
    assert (trapezoid.min() >= 0.75, trapezoid.max() <= 1.0) == (True, True)
    # The area between the modes is 2 x 0.1 / (0.25 + 0.1).
    assert np.mean((trapezoid > 0.85) & (trapezoid < 0.95)) == pytest.approx(0.2 / 0.35, abs=3e-3)
    assert draw(Beta(8, 2), 200_000, rng).mean() == pytest.approx(0.8, abs=1e-3)
    limits = np.quantile(draw(log_normal_from_limits(0.5, 2.0), 400_000, rng), [0.025, 0.975])
    assert limits == pytest.approx([0.5, 2.0], rel=0.01)
    assert draw(0.7, 3, rng).tolist() == [0.7] * 3 == draw(Fixed(0.7), 3, rng).tolist()


def test_pairs_have_the_correlation_asked_for():
    rng = np.random.default_rng(2)
    one, other = draw_pair(uniform(0, 1), uniform(0, 1), 0.8, 100_000, rng)
    # Rank correlation of a Gaussian copula: 6/pi asin(r/2).
    assert np.corrcoef(one, other)[0, 1] == pytest.approx(6 / math.pi * math.asin(0.4), abs=0.01)
    same, again = draw_pair(Beta(3, 2), Beta(3, 2), 1.0, 100, rng)
    assert same == pytest.approx(again)


@pytest.mark.parametrize(
    "call",
    [
        lambda: correct_exposure(SMOKING, **{**PERFECT, "sensitivity_cases": 0.5, "specificity_cases": 0.5}),
        lambda: correct_exposure(SMOKING, **{**PERFECT, "specificity_cases": 0.8}),
        lambda: correct_exposure(SMOKING, **{**PERFECT, "sensitivity_cases": 1.2}),
        lambda: correct_exposure(TwoByTwo(0, 5, 5, 5), **PERFECT),
        lambda: correct_exposure(TwoByTwo(-1, 5, 5, 5), **PERFECT),
        lambda: correct_exposure(TwoByTwo(math.nan, 5, 5, 5), **PERFECT),
        lambda: correct_exposure(TwoByTwo(1.5, 5, 5, 5), **PERFECT),
        lambda: correct_selection(
            SMOKING, exposed_cases=0.0, unexposed_cases=1, exposed_noncases=1, unexposed_noncases=1
        ),
        lambda: confounder_grid(2, prevalence_exposed=[1.2], prevalence_unexposed=[0.1], confounder_effect=[2]),
        lambda: confounder_grid(2, prevalence_exposed=[], prevalence_unexposed=[0.1], confounder_effect=[2]),
        lambda: confounder_grid(2, prevalence_exposed=[0.2], prevalence_unexposed=[0.1], confounder_effect=[0]),
        lambda: confounder_grid(2, 3, 4, prevalence_exposed=[0.2], prevalence_unexposed=[0.1], confounder_effect=[2]),
        lambda: probabilistic_selection(1.5, 1.6, 2.0, selection_factor=uniform(1, 2), seed=1),
        lambda: probabilistic_selection(1.5, 1.0, 2.0, selection_factor=uniform(-2, -1), seed=1),
        lambda: probabilistic_selection(1.5, 1.0, 2.0, selection_factor=uniform(1, 2), draws=10, seed=1),
        lambda: probabilistic_misclassification(RESINS, of="both", sensitivity=[1], specificity=[1], seed=1),  # type: ignore[arg-type]
        lambda: probabilistic_misclassification(RESINS, of="exposure", sensitivity=[], specificity=[1], seed=1),
        lambda: probabilistic_misclassification(RESINS, of="exposure", sensitivity=[0.1], specificity=[0.2], seed=1),
        lambda: uniform(0.5, 0.5),
        lambda: Trapezoidal(0.5, 0.4, 0.6, 0.7),
        lambda: log_normal_from_limits(2, 1),
        lambda: draw(LogNormal(0.0, 0.0), 5, np.random.default_rng(1)),
        lambda: draw_pair(0.5, 0.5, 1.5, 5, np.random.default_rng(1)),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call: Any):
    with pytest.raises(CannotEstimate):
        call()
