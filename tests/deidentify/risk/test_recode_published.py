"""Optimal recoding against figures that others published or measured: ARX and pyCANON."""

from __future__ import annotations

import csv
import gzip
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deidentify.risk import lattice, recode
from deidentify.risk.lattice import encode, read_ladder
from deidentify.risk.loss import entropy_of_level
from deidentify.risk.recode import Sensitive
from tests.deidentify.risk.exhaustive import distance, labels_at, spread
from tests.deidentify.risk.visits import QUASI, TABLES, VISITS, recoded

HERE = Path(__file__).parent
SUITES = Path(os.environ.get("RWD_SUITES", HERE.parents[2].parent / "shared" / "data"))
ADULT = SUITES / "deidentification" / "adult"


def arx_optima() -> list[Any]:
    lines = [line for line in (HERE / "arx_optima.csv").read_text("utf-8").splitlines() if line[0] != "#"]
    return [
        pytest.param(row, id=f"{row['test']} {place}", marks=[pytest.mark.long] if row["minutes"] else [])
        for place, row in enumerate(csv.DictReader(lines, delimiter=";"))
    ]


@pytest.fixture(scope="module")
def adult() -> tuple[dict[str, list[str]], dict[str, lattice.Ladder], dict[str, lattice.Codes]]:
    path = ADULT / "adult.csv.gz"
    if not path.exists():
        pytest.skip("the adult data (RWD_SUITES/deidentification/adult) are not on this machine")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream, delimiter=";")
    columns = {name: list(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)}
    ladders = {
        name: read_ladder(name, (ADULT / f"adult_hierarchy_{name}.csv").read_bytes()) for name in header
    }
    return columns, ladders, {name: encode(name, columns[name], ladders[name]) for name in header}


@pytest.mark.parametrize("row", arx_optima())
def test_arx_published_optima_come_out_to_the_last_digit(adult: Any, row: dict[str, str]):
    """ARX compares its scores as texts, and so does this: 255559.85455731067, not nearly that.

    t with suppression has no monotone shortcut: thousands of nodes are counted, which takes seconds.
    """
    columns, ladders, codes = adult
    told = Sensitive(np.unique(columns["occupation"], return_inverse=True)[1], bool(row["ordered"]))
    found = recode.recode(
        {name: one for name, one in codes.items() if name != row["without"]},
        ladders,
        k=int(row["k"]),
        suppression=float(row["suppression"]),
        metric=row["metric"],
        sensitive=told if row["without"] else None,
        entropy_l=float(row["entropy_l"]) if row["entropy_l"] else None,
        t=float(row["t"]) if row["t"] else None,
    )
    assert (repr(found.score), " ".join(map(str, found.node.values()))) == (row["score"], row["node"])


def test_discernibility_of_adult_has_the_optimum_that_arx_finds(adult: Any):
    """k = 5, 4 %: ARX run on the same data gave this node and this score (12,960 nodes)."""
    _, ladders, codes = adult
    found = recode.recode(codes, ladders, k=5, suppression=0.04, metric="dm")
    assert (found.score, list(found.node.values())) == (7220555, [0, 0, 1, 2, 3, 2, 2, 1, 1])
    assert found.counted < found.nodes / 3


def test_the_order_of_summation_moves_the_entropy_by_a_few_units_in_the_last_place(adult: Any):
    """Summed as ARX sums, the score ends as ARX's does; the correctly rounded sum ends a few ulp lower.

    ARX cuts each column after ten decimals and adds the columns up; math.fsum rounds once.
    """
    _, ladders, codes = adult
    node = (1, 0, 1, 1, 3, 2, 2, 0, 1)
    terms: list[float] = []
    for (name, one), level in zip(codes.items(), node, strict=True):
        _, axis = lattice.cut(one, ladders[name])
        shared = np.bincount(axis.maps[level], weights=axis.counts)
        for own, label in zip(axis.counts, axis.maps[level], strict=True):
            terms.append(-float(own) * math.log2(own / shared[label]))
        exact = math.fsum(terms[-len(axis.counts) :])
        assert -entropy_of_level(axis, level) == pytest.approx(exact, rel=1e-14)
    rounded, published = math.fsum(terms), 255559.85455731067
    assert 0 < abs(published - rounded) <= 16 * math.ulp(published)


# What pyCANON 1.3.6 says of the released records (pip install pycanon==1.3.6 into an environment of its own: it pins
# numpy 2.0.2 and pandas 2.3.3; then k_anonymity(d, quasi), l_diversity(d, quasi, [column]), entropy_l_diversity,
# t_closeness, with d read by read_csv(dtype=str) and days as int). Its t is the released table's, so nothing may be
# suppressed where t is compared; its entropy l is rounded down.
PYCANON = [
    ({"k": 3, "suppression": 0.1}, "diagnosis", {"k": 4, "l": 2, "entropy_l": 1}),
    ({"k": 3, "suppression": 0.2, "distinct_l": 3}, "diagnosis", {"k": 5, "l": 3, "entropy_l": 2}),
    ({"k": 2, "t": 0.3}, "diagnosis", {"k": 9, "l": 4, "entropy_l": 3, "t": 0.20952380952380956}),
    ({"k": 2, "t": 0.15}, "days", {"k": 9, "t": 0.1311355311355311}),
]


@pytest.mark.parametrize(("wanted", "sensitive", "said"), PYCANON)
def test_pycanon_finds_the_demands_met_in_the_released_records(
    wanted: dict[str, Any], sensitive: str, said: dict[str, float]
):
    """The least demand that the search cannot meet at this node is just above what pyCANON measures there."""
    ordered, told = sensitive == "days", VISITS[sensitive]
    found = recoded(QUASI, TABLES, told, ordered=ordered, metric="dm", **wanted)
    released = labels_at(QUASI, TABLES, tuple(found.node.values()))
    kept = [(row, one) for row, one, gone in zip(released, told, found.left_out, strict=True) if not gone]
    classes: dict[tuple[str, ...], Counter[str]] = {}
    for row, one in kept:
        classes.setdefault(row, Counter())[one] += 1
    whole = Counter(one for _, one in kept)
    measured = {
        "k": min(found.class_sizes),
        "l": min(map(len, classes.values())),
        "entropy_l": int(min(spread(one) for one in classes.values()) + 1e-9),
        "t": max(distance(one, whole, ordered=ordered) for one in classes.values()),
    }
    assert {name: pytest.approx(value) for name, value in said.items()} == {
        name: measured[name] for name in said
    }
