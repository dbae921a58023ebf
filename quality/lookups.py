"""Tables that rules look up and that no hospital sends: uploads, persons, deaths, limits by LOINC and unit."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from quality.deaths import NEEDED, deaths
from quality.rules import DEATH, LOINC_UNIT, PERSON, REFERENCE_TABLES, UPLOAD
from rwd_platform.core import columns as core

RANGES = Path(__file__).parent / "ranges" / "loinc_units.csv"
LINK_TOKEN = "link_token"  # noqa: S105 - the name of a column
_DTYPES = {"integer": "int64", "decimal": "float64"}


@dataclass(frozen=True)
class Range:
    """What a measurement in one unit can be in a living patient, and in most healthy adults (`usual`)."""

    loinc: str
    name_zh: str
    name_en: str
    unit: str
    low: float
    high: float
    usual_low: float | None
    usual_high: float | None
    source: str


@dataclass(frozen=True)
class Surroundings:
    """What the platform knows and the tables do not.

    `uploads`: organisation_id, upload_id, received_date (YYYY-MM-DD). `links`: organisation_id, patient_id,
    link_token - equal tokens are one person. What is not given makes its rules "not applicable".
    """

    uploads: pd.DataFrame | None = None
    links: pd.DataFrame | None = None

    @property
    def received(self) -> dict[str, str]:
        """upload_id -> the day that it came."""
        if self.uploads is None:
            return {}
        return dict(zip(self.uploads["upload_id"], self.uploads["received_date"], strict=True))

    def tables(self, outcomes: Any = None) -> dict[str, Any]:
        """As Ibis tables, by name; whichever engine meets them takes them in. `outcomes`: `outcome_event`, if any."""
        frames = {UPLOAD: self.uploads, PERSON: _persons(self.links), LOINC_UNIT: _limits()}
        made = {name: _memtable(name, frame) for name, frame in frames.items()}
        return {**made, DEATH: _memtable(DEATH, None) if outcomes is None else _deaths(outcomes)}


def _memtable(name: str, frame: pd.DataFrame | None) -> Any:
    import ibis

    dtypes = {column: _DTYPES.get(kind, "object") for column, kind in REFERENCE_TABLES[name].items()}
    whole = pd.DataFrame(columns=list(dtypes)) if frame is None else frame[list(dtypes)]
    schema = {column: "string" if dtype == "object" else dtype for column, dtype in dtypes.items()}
    return ibis.memtable(whole.astype(dtypes), schema=ibis.schema(schema))


def _deaths(outcomes: Any) -> Any:
    """Of a malformed table nothing is made: a rule that asks for its deaths then says that they are not there."""
    return deaths(outcomes) if set(outcomes.columns) >= NEEDED else outcomes


def _persons(links: pd.DataFrame | None) -> pd.DataFrame | None:
    """For each linked patient at how many hospitals the person is, and under how many names at this one."""
    if links is None:
        return None
    known = links.drop_duplicates([core.ORGANISATION_ID, core.PATIENT_ID, LINK_TOKEN])
    by_person = known.groupby(LINK_TOKEN)[core.ORGANISATION_ID]
    here = known.groupby([LINK_TOKEN, core.ORGANISATION_ID])[core.PATIENT_ID]
    return known.assign(hospitals=by_person.transform("nunique"), patients_here=here.transform("nunique"))


@functools.cache
def load_ranges(path: Path = RANGES) -> tuple[Range, ...]:
    """Every line of the list of credible limits."""

    def number(text: str) -> float | None:
        return float(text) if text else None

    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Range(
                loinc=row["loinc"],
                name_zh=row["name_zh"],
                name_en=row["name_en"],
                unit=row["unit"],
                low=float(row["low"]),
                high=float(row["high"]),
                usual_low=number(row["usual_low"]),
                usual_high=number(row["usual_high"]),
                source=row["source"],
            )
            for row in csv.DictReader(lines)
        )


def _limits() -> pd.DataFrame:
    rows = [(one.loinc, one.unit, one.low, one.high) for one in load_ranges()]
    return pd.DataFrame(rows, columns=list(REFERENCE_TABLES[LOINC_UNIT]))
