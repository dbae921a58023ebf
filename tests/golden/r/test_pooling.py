"""`studies.statistics.missing.pooling` against `mice::pool` and D1 of mitml (`pooling.json`, by `pooling.R`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.statistics.missing.pooling import pool, pool_test

R: dict[str, Any] = json.loads((Path(__file__).parent / "pooling.json").read_text("utf-8"))
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative
CASES = sorted(set(R) - {"meta", "anchor"})
FIELDS = ("estimate", "se", "df", "statistic", "lower", "upper", "within", "total", "between", "riv", "fmi")


@pytest.mark.parametrize("name", CASES)
def test_pool_gives_the_numbers_of_mice(name: str) -> None:
    """Estimate, error, Barnard-Rubin df, p, limits, and the shares of missing information."""
    r = R[name]
    estimates = np.array(r["estimates"])
    covariances = np.array(r["covariances"])
    df_complete = r["dfcom"][0] if r.get("dfcom") else None
    for k in range(estimates.shape[1]):
        ours = pool(estimates[:, k], np.sqrt(covariances[:, k, k]), df_complete=df_complete)
        for field in FIELDS:
            assert getattr(ours, field) == pytest.approx(r[field][k], rel=ERROR, abs=1e-25), field
        assert ours.lambda_ == pytest.approx(r["lambda"][k], rel=ESTIMATE, abs=1e-25)
        assert ours.p == pytest.approx(r["p"][k], rel=P)


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in CASES for k in ("d1", "d1_small") if k in R[n]])
def test_pool_test_gives_the_d1_of_mitml(name: str, kind: str) -> None:
    """With the degrees of freedom of Li, Raghunathan and Rubin, and with Reiter's for small samples."""
    r = R[name][kind]
    df_complete = r["dfcom"][0] if r.get("dfcom") else None
    ours = pool_test(R[name]["estimates"], R[name]["covariances"], df_complete=df_complete)
    assert [ours.statistic, ours.df, ours.df_denominator, ours.riv] == pytest.approx(
        [r["f"][0], r["df1"][0], r["df2"][0], r["riv"][0]], rel=ERROR
    )


def test_pool_gives_the_published_result_of_nhanes() -> None:
    """Five completed data sets, chl on age and bmi."""
    r = R["anchor"]
    for k in range(3):
        ours = pool(np.array(r["per_imp_est"])[:, k], np.array(r["per_imp_se"])[:, k], df_complete=22)
        assert ours.estimate == pytest.approx(r["est"][k], rel=ESTIMATE)
        assert (ours.se, ours.df) == pytest.approx((r["se"][k], r["df"][k]), rel=ERROR)
        assert ours.p == pytest.approx(r["p"][k], rel=P)
