"""Tallies of random pairs, against counting pair by pair."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations, product

from studies.linkage.charts import BOTH
from studies.linkage.random_pairs import Chart, RandomPairs, disagreement, pairs_between, pairs_within


def charts(chance: random.Random, n: int) -> list[Chart]:
    dates = ["1950", "1951", "1950-02", "1950-03", "1950-02-03", "1950-02-04", "1951-07-08"]
    return [(chance.choice(dates), chance.choice(["female", "male", "other", ""])) for _ in range(n)]


def one_by_one(pairs: list[tuple[Chart, Chart]]) -> RandomPairs:
    told = [disagreement(one, two) for one, two in pairs]
    return RandomPairs(len(told), sum(bool(one) for one in told), told.count(BOTH))


def test_tallies_count_what_counting_every_pair_counts() -> None:
    for seed in range(15):
        chance = random.Random(seed)
        first, second = charts(chance, chance.randrange(12)), charts(chance, chance.randrange(12))
        counted = pairs_between(Counter(first), Counter(second))
        assert counted == one_by_one(list(product(first, second)))
        assert pairs_within(Counter(first)) == one_by_one(list(combinations(first, 2)))


def test_a_shorter_date_agrees_with_every_date_in_it() -> None:
    assert disagreement(("1950", "female"), ("1950-02-03", "")) == ""
    assert disagreement(("1950-01", "female"), ("1950-02-03", "male")) == BOTH
