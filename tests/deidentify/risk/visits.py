"""Invented visits to an invented hospital, with hierarchies for four of their columns, and the search over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deidentify.risk import recode
from deidentify.risk.lattice import build_ladder, encode
from deidentify.risk.recode import Recoding, Sensitive
from tests.deidentify.risk.exhaustive import Table

HERE = Path(__file__).parent

# Invented visits to an invented hospital, 60 rows; and hierarchies for four of the columns.
VISITS: dict[str, list[str]] = pd.read_csv(HERE / "invented_visits.csv", dtype=str).to_dict("list")  # type: ignore[assignment]
QUASI = {name: VISITS[name] for name in ("age", "sex", "county", "ward")}
TABLES: dict[str, Table] = {
    "age": [[str(n), f"{n // 5 * 5}+", f"{n // 20 * 20}+", "*"] for n in range(18, 100)],
    "sex": [["M", "*"], ["F", "*"]],
    "county": [[code, code[:4], code[:2]] for code in ("469001", "469002", "460105", "460106", "460203")],
    "ward": [["eye", "head", "*"], ["ear", "head", "*"], ["heart", "chest", "*"]],
}


def recoded(
    columns: dict[str, list[str]],
    tables: dict[str, Table],
    sensitive: list[str] | None = None,
    *,
    ordered: bool = False,
    **wanted: Any,
) -> Recoding:
    ladders = {name: build_ladder(name, rows) for name, rows in tables.items()}
    codes = {name: encode(name, values, ladders[name]) for name, values in columns.items()}
    told = None
    if sensitive is not None:
        order = sorted(set(sensitive), key=float) if ordered else sorted(set(sensitive))
        told = Sensitive(np.array([order.index(value) for value in sensitive]), ordered)
    return recode.recode(codes, ladders, sensitive=told, **wanted)
