"""Population uniqueness against ARX's published figures and simulated populations; the journalist's risk."""

from __future__ import annotations

import random
from collections import Counter
from math import comb
from pathlib import Path

import pytest

from deidentify.risk.measures import measure
from deidentify.risk.population import (
    NO_MAXIMUM,
    NO_REPEATS,
    NO_SOLUTION,
    WHOLE_POPULATION,
    chances_of_one_and_two,
    journalist,
    population_uniqueness,
)
from deidentify.risk.table import open_table
from rwd_platform.core.errors import PlatformError
from tests.deidentify.risk.tables import NINE, adult, opened


@pytest.fixture(scope="module")
def adult_sizes() -> dict[int, int]:
    with open_table(adult()) as table:
        return dict(measure(table, NINE, "salary-class").class_sizes)


# ARX's TestRiskMetrics.testDecisionRule2: sampling fraction, model, estimate. ARX compares four digits, because
# its solver stops at 1e-6; ours goes on, and the model that needs no solver agrees to the last digits.
ARX = [
    (0.01, "pitman", 0.1446083531167384, 1e-9),
    (0.1, "pitman", 0.27684993883653597, 1e-9),
    (0.2, "zayatz", 0.3577099234829125, 1e-12),
    (1.0, "zayatz", 0.5142895033485844, 1e-12),
]


@pytest.mark.parametrize(("fraction", "model", "published", "within"), ARX)
def test_adults_population_uniqueness_is_arxs(
    adult_sizes: dict[int, int], fraction: float, model: str, published: float, within: float
) -> None:
    found = population_uniqueness(adult_sizes, fraction)
    assert found.model == model
    assert found.dankar == pytest.approx(published, abs=within)


def test_zayatzs_estimate_on_adult_is_the_one_that_arx_prints_where_pitman_fails(
    adult_sizes: dict[int, int],
) -> None:
    """The other figure of ARX's test for a fraction of 0.1."""
    assert population_uniqueness(adult_sizes, 0.1).zayatz == pytest.approx(0.3207402393466189, abs=1e-12)


def test_above_a_tenth_the_higher_of_two_estimates_is_taken(adult_sizes: dict[int, int]) -> None:
    """Dankar et al. take the lower; a risk is not to be understated."""
    found = population_uniqueness(adult_sizes, 0.2)
    assert found.snb is not None and found.zayatz is not None
    assert found.snb < found.zayatz == found.dankar


# -- simulated populations -------------------------------------------------------------------------


def sampled(population: list[int], fraction: float, seed: int) -> dict[int, int]:
    """Class sizes of a sample of a population that is given as each person's class."""
    drawn = random.Random(seed).sample(population, int(len(population) * fraction))
    return dict(Counter(Counter(drawn).values()))


def pitman_population(persons: int, theta: float, alpha: float, seed: int) -> list[int]:
    """Pitman's own process: a new class with chance (theta + classes * alpha) / (n + theta), else a known one."""
    draw = random.Random(seed)
    people: list[int] = []
    sizes: Counter[int] = Counter()
    classes = 0
    for n in range(persons):
        if draw.random() < (theta + classes * alpha) / (n + theta):
            people.append(classes)
            classes += 1
        else:
            while True:  # a known class, in proportion to its size less alpha
                one = draw.choice(people)
                if draw.random() >= alpha / sizes[one]:
                    people.append(one)
                    break
        sizes[people[-1]] += 1
    return people


def snb_population(classes: int, alpha: float, beta: float, seed: int) -> list[int]:
    """Each class has 1 + NB(alpha, beta) members: a Poisson count with a gamma mean, drawn by its definition."""
    import numpy as np

    sizes = 1 + np.random.default_rng(seed).negative_binomial(alpha, beta, classes)
    return [place for place, size in enumerate(sizes) for _ in range(size)]


def true_uniqueness(population: list[int]) -> float:
    sizes = Counter(Counter(population).values())
    return sizes[1] / len(population)


@pytest.mark.parametrize(("theta", "alpha"), [(50.0, 0.5), (5.0, 0.8)])
def test_pitmans_estimate_finds_the_uniqueness_of_pitmans_populations(theta: float, alpha: float) -> None:
    population = pitman_population(20_000, theta, alpha, seed=1)
    found = population_uniqueness(sampled(population, 0.1, seed=2), 0.1)
    assert found.pitman == pytest.approx(true_uniqueness(population), rel=0.2)
    assert found.model == "pitman"


@pytest.mark.parametrize("fraction", [0.15, 0.5, 0.9])
@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.2), (1.0, 0.5), (2.5, 0.6)])
def test_the_negative_binomials_equations_are_its_distribution_thinned(
    alpha: float, beta: float, fraction: float
) -> None:
    """Both chances, summed over every size that a class may have; another sign in an exponent, and this fails."""
    from scipy.stats import nbinom

    members = range(1, 400)
    of_size = [float(nbinom.pmf(size - 1, alpha, beta)) for size in members]
    expected = [
        sum(
            p * comb(n, shown) * fraction**shown * (1 - fraction) ** (n - shown)
            for n, p in zip(members, of_size, strict=True)
        )
        for shown in (1, 2)
    ]
    assert chances_of_one_and_two(alpha, beta, fraction) == pytest.approx(expected, rel=1e-10)


def test_the_negative_binomial_finds_the_uniqueness_of_its_own_population() -> None:
    """With many members a class the estimated number of classes is good too, and so is the whole estimate."""
    population = snb_population(20_000, 0.3, 0.2, seed=3)
    found = population_uniqueness(sampled(population, 0.3, seed=4), 0.3)
    assert found.snb == pytest.approx(true_uniqueness(population), rel=0.15)


def test_zayatzs_estimate_is_bayes_rule_with_the_hypergeometric_distribution() -> None:
    """Three records, classes of 1 and 2, from six: computed with binomial coefficients in full."""

    def one_of(size: int) -> float:
        return size * comb(6 - size, 2) / comb(6, 3)

    chance = 0.5 * one_of(1) / (0.5 * one_of(1) + 0.5 * one_of(2))
    found = population_uniqueness({1: 1, 2: 1}, 0.5)
    assert found.zayatz == pytest.approx(1 * chance * 2 / 6, abs=1e-15)


# -- no answer -------------------------------------------------------------------------------------


def test_a_model_without_an_answer_says_so_and_gives_no_number() -> None:
    """All records unique: Pitman's likelihood grows for ever. ARX answers 1.0 for its example table of seven."""
    found = population_uniqueness({1: 7}, 0.1)
    assert (found.pitman, found.reasons["pitman"]) == (None, NO_REPEATS)
    assert (found.snb, found.reasons["snb"]) == (None, NO_SOLUTION)
    assert (found.dankar, found.model) == (1.0, "zayatz")


def test_without_sample_uniques_nobody_is_unique() -> None:
    found = population_uniqueness({2: 5, 9: 1}, 0.2)
    assert found.as_dict() == {"dankar": 0.0, "pitman": 0.0, "zayatz": 0.0}


def test_the_whole_population_needs_no_estimate(adult_sizes: dict[int, int]) -> None:
    found = population_uniqueness(adult_sizes, 1.0)
    assert found.reasons["snb"] == WHOLE_POPULATION
    assert found.dankar == pytest.approx(adult_sizes[1] / 30162, abs=1e-15)


HARD: list[dict[int, int]] = [
    {1: 1},
    {1: 1, 2: 1},
    {1: 1, 5_000_000: 1},
    {1: 10**6, 2: 1},
    {1: 1, 2: 10**6},
    dict.fromkeys(range(1, 400), 1),
    {1: 3, 3: 2},
]


@pytest.mark.parametrize("fraction", [1e-6, 0.05, 0.1, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("sizes", HARD, ids=lambda sizes: f"{len(sizes)} sizes, {sizes[1]} uniques")
def test_every_figure_is_a_share_or_has_a_reason(sizes: dict[int, int], fraction: float) -> None:
    """No shape of table makes a model answer outside 0 to 1, or silently not at all."""
    found = population_uniqueness(sizes, fraction)
    for model in ("pitman", "zayatz", "snb"):
        share = getattr(found, model)
        assert (share is None) == (model in found.reasons), model
        assert share is None or 0 <= share <= 1, model
    assert found.dankar == getattr(found, found.model)


def test_a_likelihood_that_rises_to_the_border_has_no_maximum() -> None:
    assert population_uniqueness({1: 1, 2: 1}, 0.05).reasons["pitman"] == NO_MAXIMUM


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.0001, float("nan"), float("inf")])
def test_a_sampling_fraction_is_above_0_and_at_most_1(fraction: float) -> None:
    with pytest.raises(PlatformError) as refused:
        population_uniqueness({1: 1}, fraction)
    assert refused.value.code == "risk.sampling_fraction"


# -- the journalist --------------------------------------------------------------------------------

SAMPLE = "a,b,s\n1,,x\n1,,y\n2,z,x\n3,z,x\n"
POPULATION = "extra,b,a\nq,,1\nq,,1\nq,,1\nq,z,2\nq,z,2\nq,z,2\nq,z,2\nq,z,2\nq,w,9\n"


def test_the_journalists_risk_is_that_of_the_smallest_population_class(tmp_path: Path) -> None:
    """Class (1, absent) has 3 people in the population, (2, z) has 5; (9, w) is nobody's in the table.

    Columns are found by their names, in any order. Class (3, z) is not in the population file: at least the
    one person of the table exists, so its own size counts, and that is said.
    """
    with (
        opened(tmp_path, SAMPLE, "sample.csv") as table,
        opened(tmp_path, POPULATION, "people.csv") as people,
    ):
        measure(table, ["a", "b"], "s")
        found = journalist(table, people, ["a", "b"])
    assert (found.smallest, found.classes_absent, found.maximum) == (1, 1, 1.0)


def test_in_a_population_that_holds_the_sample_no_class_is_absent(tmp_path: Path) -> None:
    sample = SAMPLE.replace("3,z,x\n", "")
    with (
        opened(tmp_path, sample, "sample.csv") as table,
        opened(tmp_path, POPULATION, "people.csv") as people,
    ):
        measure(table, ["a", "b"], "s")
        found = journalist(table, people, ["a", "b"])
    assert (found.smallest, found.classes_absent) == (3, 0)


def test_a_population_without_the_quasi_identifiers_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, SAMPLE, "sample.csv") as table, opened(tmp_path, "a\n1\n", "people.csv") as people:
        measure(table, ["a", "b"], "s")
        with pytest.raises(PlatformError) as refused:
            journalist(table, people, ["a", "b"])
    assert refused.value.code == "risk.column_unknown"
