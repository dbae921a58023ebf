"""Baseline characteristics of each subject, as the protocol defines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rwd_platform.core.columns import ROW_ORDER, SOURCE_ROW, SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition
from studies.protocol import Covariate
from studies.tables import SUBJECT_TABLE, lineage_of, lock_rows, table

_MISSING = Bilingual("缺少协变量：{title}", "Covariate missing: {title}")


@dataclass(frozen=True)
class Derived:
    """subject_id -> value: a float, a level's id, or 1 and 0 for a record that is there or not."""

    values: dict[str, float | str | int]
    lineage: pd.DataFrame


def derive_covariate(lock: Mapping[str, pd.DataFrame], covariate: Covariate, attrition: Attrition) -> Derived:
    """The covariate of everybody who is still in; those without it leave `attrition` (complete cases)."""
    if covariate.kind == "record":
        return _record(lock, covariate, attrition)
    rows = _subject_rows(lock, covariate) if covariate.kind == "subject" else _latest(lock, covariate)
    reason = Bilingual(
        _MISSING.zh.format(title=covariate.title.zh), _MISSING.en.format(title=covariate.title.en)
    )
    attrition.keep(rows[SUBJECT_ID], reason)
    values = dict(zip(rows[SUBJECT_ID], rows["derived"].tolist(), strict=True))
    return Derived(values, lineage_of(rows, covariate.name))


def _subject_rows(lock: Mapping[str, pd.DataFrame], covariate: Covariate) -> pd.DataFrame:
    rows = table(lock, SUBJECT_TABLE, (SUBJECT_ID, covariate.column, ROW_ORDER, SOURCE_ROW))
    rows = rows.sort_values([SUBJECT_ID, ROW_ORDER], kind="stable")
    rows = rows.assign(derived=_numbers(rows[covariate.column]))
    return rows[rows["derived"].notna()].drop_duplicates(SUBJECT_ID)


def _latest(lock: Mapping[str, pd.DataFrame], covariate: Covariate) -> pd.DataFrame:
    """The usable row on the latest day of the window; on one day that of the smallest file and line."""
    assert covariate.records is not None  # noqa: S101 - the reader guarantees it for this kind
    rows = lock_rows(lock, covariate.records, ("value", "unit_code", "value_code"))
    rows = rows[rows["day"].between(*covariate.days)]
    if covariate.levels:
        ids = {level.code: level.id for level in covariate.levels}
        rows = rows.assign(derived=rows["value_code"].map(ids))
    else:
        unit = rows["unit_code"].fillna("").astype(str)
        # A number in another unit is another number: it is not used, never converted by guess.
        rows = rows.assign(derived=_numbers(rows["value"]).where(unit == covariate.unit))
    rows = rows[rows["derived"].notna()]
    # lock_rows sorts by file and line within a day, and the sort here is stable.
    rows = rows.sort_values([SUBJECT_ID, "day"], ascending=[True, False], kind="stable")
    return rows.drop_duplicates(SUBJECT_ID)


def _record(lock: Mapping[str, pd.DataFrame], covariate: Covariate, attrition: Attrition) -> Derived:
    assert covariate.records is not None  # noqa: S101 - the reader guarantees it for this kind
    rows = lock_rows(lock, covariate.records)
    rows = rows[rows["day"].between(*covariate.days)].drop_duplicates(SUBJECT_ID)
    there = set(rows[SUBJECT_ID])
    return Derived({one: int(one in there) for one in attrition.ids}, lineage_of(rows, covariate.name))


def _numbers(column: pd.Series[float]) -> pd.Series[float]:
    """Finite floats; whatever else a table may hold is missing."""
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))
