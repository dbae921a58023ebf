"""The planned analysis `safety` against R: rows in, counts and exact limits out (`adverse_events.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from studies.results import ArdRow
from studies.run import run_analyses
from studies.statistics.counts.proportions import proportion
from tests.studies.adverse_lock import COLUMNS, dataset_of, planned

R: dict[str, Any] = json.loads((Path(__file__).parent / "adverse_events.json").read_text("utf-8"))
ESTIMATE, LIMIT = 1e-10, 1e-8  # relative; poisson.test and binom.test take quantiles of gamma and beta
UNTIL = {"all": 0, "until_90": 90}


@pytest.fixture(scope="module", params=sorted(UNTIL))
def both(request: pytest.FixtureRequest) -> tuple[dict[str, ArdRow], dict[str, Any]]:
    """The rows by id, and what R found. A code that nobody has within the window is not listed."""
    people = [
        {"subject": one["id"], "arm": "new" if one["exposed"] else "old", "days": str(one["days"])}
        for one in R["people"]
    ]
    events = pd.DataFrame(R["events"])
    lock = pd.DataFrame(
        {
            "subject_id": events["id"],
            "code_system": "urn:ae",
            "code": events["code"],
            "event_day": events["day"].astype("Int64"),
            "detected_day": pd.array([None] * len(events), dtype="Int64"),
            "actuality": "actual",
            "seriousness_code": events["serious"],
            "causality_code": events["causality"],
            "outcome_code": events["outcome"],
            "device_deficiency": False,
            "source_row": [f"line-{number}" for number in range(len(events))],
        }
    )[list(COLUMNS)]
    protocol = planned(until=UNTIL[request.param])
    results = run_analyses(dataset_of(people, lock, protocol), protocol, "lock-1")
    expected = R[request.param]
    nowhere = [
        line for line, arms in expected["lines"].items() if not any(o["subjects"] for o in arms.values())
    ]
    rows = {row.id: row for row in results.rows}
    assert not any(
        row.startswith(f"all.safety.{line}.") for row in rows for line in nowhere if "term" in line
    )
    lines = {line: arms for line, arms in expected["lines"].items() if line not in nowhere}
    return rows, {**expected, "lines": lines}


def test_every_line_of_both_arms_is_what_r_counts(both):
    rows, expected = both
    assert len(expected["lines"]) >= 9
    for line, arms in expected["lines"].items():
        for arm, one in arms.items():
            stem = f"all.safety.{line}.{arm}"
            assert rows[f"{stem}.affected"].value == one["subjects"], stem
            assert rows[f"{stem}.affected"].n == one["n"]
            assert rows[f"{stem}.adverse_events"].value == one["events"], stem
            assert rows[f"{stem}.person_years"].value == pytest.approx(one["years"], rel=ESTIMATE)


def test_shares_have_the_limits_of_binom_test_and_rates_those_of_poisson_test(both):
    rows, expected = both
    for line, arms in expected["lines"].items():
        for arm, one in arms.items():
            for statistic, name in (("affected_percent", "percent"), ("rate_per_100_person_years", "rate")):
                row = rows[f"all.safety.{line}.{arm}.{statistic}"]
                assert row.value == pytest.approx(one[name], rel=ESTIMATE)
                assert row.ci_low == pytest.approx(one[f"{name}_low"], rel=LIMIT)
                assert row.ci_high == pytest.approx(one[f"{name}_high"], rel=LIMIT)


def test_the_median_day_of_onset_and_the_upper_limit_of_nothing_are_those_of_r(both):
    rows, expected = both
    seen = set()
    for line, arms in expected["lines"].items():
        for arm, one in arms.items():
            name, given = ("median_onset", "median") if one["subjects"] else ("upper_limit", "upper")
            row = rows[f"all.safety.{line}.{arm}.{name}"]
            assert row.value == pytest.approx(one[given], rel=LIMIT)
            seen.add(name)
    assert "median_onset" in seen


def test_what_lies_outside_of_observation_is_counted_apart(both):
    rows, expected = both
    for arm, kinds in expected["apart"].items():
        for kind, count in kinds.items():
            assert rows[f"all.safety.{kind}.{arm}.reports"].value == count
        years = rows[f"all.safety.{arm}.person_years"].value
        assert years == pytest.approx(expected["years"][arm], rel=ESTIMATE)


@pytest.mark.parametrize("one", R["zeros"], ids=lambda one: str(one["n"]))
def test_nothing_among_n_has_the_exact_upper_limits_of_r(one):
    """`counts.proportions.proportion`; 3/n is the rule of three that the one-sided limit rounds to."""
    upper = 100 * proportion(0, one["n"], alternative="less").upper
    assert upper == pytest.approx(one["one_sided"], rel=LIMIT)
    assert 100 * proportion(0, one["n"]).upper == pytest.approx(one["two_sided"], rel=LIMIT)
    if one["n"] >= 60:
        assert upper == pytest.approx(300 / one["n"], rel=0.03)
