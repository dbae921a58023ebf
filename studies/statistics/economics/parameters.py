"""The parameters of `parameters.toml`: discounting, thresholds and perspectives, each with its source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from studies.reasons import BAD_ARGUMENT, CannotEstimate
from studies.statistics.options import checked
from studies.statistics.safety.checks import between


@dataclass(frozen=True)
class Parameters:
    """thresholds: yuan per QALY at the guideline's multiples of GDP per capita of `gdp_year`."""

    edition: str
    discount_rate: float
    discount_range: tuple[float, float]
    thresholds: tuple[float, float]
    gdp_year: int
    gdp_per_capita: float
    sources: dict[str, str]


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("parameters.toml").read_text(encoding="utf-8"))


@checked
def guideline_parameters(*, gdp_year: int | None = None, gdp_per_capita: float | None = None) -> Parameters:
    """The Chinese guideline's parameters, with the thresholds of a year.

    gdp_year None takes the newest year in the file; a year that is not there needs gdp_per_capita (yuan), for
    which the caller states the source. Raises `CannotEstimate` for an unknown year without a number.
    """
    facts = _file()
    known = {one["year"]: one for one in facts["gdp_per_capita"]}
    year = max(known) if gdp_year is None else gdp_year
    if gdp_per_capita is None and year not in known:
        allowed = ", ".join(str(one) for one in sorted(known))
        raise CannotEstimate(BAD_ARGUMENT, argument="gdp_year", allowed=allowed)
    amount = between(known[year]["yuan"] if gdp_per_capita is None else gdp_per_capita, "gdp_per_capita")
    low, high = facts["threshold"]["gdp_multiples"]
    first, last = facts["discounting"]["sensitivity"]
    return Parameters(
        edition=f"{facts['edition']} ({facts['date']})",
        discount_rate=facts["discounting"]["rate"],
        discount_range=(first, last),
        thresholds=(low * amount, high * amount),
        gdp_year=year,
        gdp_per_capita=amount,
        sources={
            "discounting": facts["discounting"]["source"],
            "threshold": facts["threshold"]["source"],
            "gdp_per_capita": known[year]["source"] if gdp_per_capita is None else "stated by the caller",
        },
    )
