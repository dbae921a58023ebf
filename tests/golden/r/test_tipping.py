"""Maps and bounds of those lost against prop.test and binom.test (`tipping.json`, made by `tipping.R`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.counts.performance_criterion import (
    Criterion,
    against_criterion,
    loss_to_follow_up,
)
from studies.statistics.missing.tipping_counts import VERDICTS, tipping_counts

R: dict[str, Any] = json.loads((Path(__file__).parent / "tipping.json").read_text("utf-8"))
ESTIMATE, P = 1e-9, 1e-7  # relative; near a difference of 0 absolute


@pytest.mark.parametrize("case", R["maps"], ids=lambda one: str(one["lost"]))
def test_every_cell_of_a_map_is_newcombes_interval_of_wilsons_limits(case: dict[str, Any]) -> None:
    found = tipping_counts(case["events"], case["observed"], case["lost"], conf_level=case["level"])
    grid = np.meshgrid(found.first, found.second, indexing="ij")
    assert [one.ravel().tolist() for one in grid] == [case["first"], case["second"]]
    for name in ("difference", "lower", "upper"):
        assert getattr(found, name).ravel() == pytest.approx(case[name], rel=ESTIMATE, abs=ESTIMATE)
    seen = found.observed
    assert [seen.difference, seen.lower, seen.upper] == pytest.approx(
        case["seen"], rel=ESTIMATE, abs=ESTIMATE
    )
    verdicts = [
        "better" if high < 0 else "worse" if low > 0 else "not shown"
        for low, high in zip(case["lower"], case["upper"], strict=True)
    ]
    assert [VERDICTS[one] for one in found.verdict.ravel()] == verdicts
    assert found.changed == sum(one != seen.verdict for one in verdicts)


@pytest.mark.parametrize(
    "case", R["bounds"], ids=lambda one: f"{one['direction']} {one['criterion']} of {one['lost']}"
)
def test_every_bound_of_a_single_arm_is_that_of_the_exact_test(case: dict[str, Any]) -> None:
    """Met where the exact one-sided p is at most alpha; each verdict is told for its own number of failures."""
    goal = Criterion(case["criterion"], "a source", case["direction"])
    arguments = (case["counted"], case["observed"], case["lost"])
    found = loss_to_follow_up(*arguments, goal, alpha=case["alpha"])
    for failures, (bound, p) in enumerate(zip(case["bound"], case["p"], strict=True)):
        more = case["lost"] - failures if case["direction"] == "at least" else failures
        one = against_criterion(
            case["counted"] + more, case["observed"] + case["lost"], goal, alpha=case["alpha"]
        )
        assert one.bound == pytest.approx(bound, rel=ESTIMATE)
        assert one.p == pytest.approx(p, rel=P)
        assert (found.verdicts[failures] == "met") == (p <= case["alpha"])
