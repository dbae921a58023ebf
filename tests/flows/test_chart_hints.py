"""Which values of a returned sheet can hardly be: by the catalogue of LOINC codes and units, and a human age."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quality.lookups import load_ranges
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.chart_hints import hints_of
from studies.protocol import Covariate, Records

LOINC = "http://loinc.org"
HB = next(one for one in load_ranges() if (one.loinc, one.unit) == ("718-7", "g/L"))


def covariate(codes: tuple[str, ...] = ("718-7",), unit: str = "g/L", **changes: Any) -> Covariate:
    records = Records("measurement", changes.pop("system", LOINC), codes, ("final",))
    asked = {"kind": "measurement", "type": "number", "records": records} | changes
    return Covariate("x", Bilingual("血红蛋白", "Haemoglobin"), unit=unit, **asked)


def told(one: Covariate, *values: Any) -> list[int]:
    """Places of those values that are pointed out; the first stands at place 1."""
    answers = [SimpleNamespace(variable="x", value=value, place=n) for n, value in enumerate(values, start=1)]
    found = hints_of(
        SimpleNamespace(covariates=(one,)),  # type: ignore[arg-type]  # of a protocol it asks the covariates alone
        SimpleNamespace(answers=answers),  # type: ignore[arg-type]  # and of a sheet its answers
        130,
    )
    return [hint.place for hint in found]


def test_a_measurement_is_held_to_its_code_and_unit() -> None:
    assert told(covariate(), HB.low, HB.high, HB.low - 1, HB.high + 1, -5.0, None) == [3, 4, 5]
    assert told(covariate(unit="g/dL"), 20.0, 120.0) == [2], "the same number in another unit"


@pytest.mark.parametrize(
    "one",
    [
        covariate(unit="mmol/L"),
        covariate(codes=("718-7", "no-such-code")),
        covariate(system="https://rwd-platform.example/CodeSystem/demo-measure"),
        covariate(type="levels"),
        covariate(kind="subject", records=None, column="weight", unit="kg"),
    ],
)
def test_where_nobody_knows_limits_nothing_is_said(one: Covariate) -> None:
    assert told(one, -5.0, 1e9) == []


def test_an_age_is_a_human_one() -> None:
    age = covariate(kind="subject", records=None, column="age_years", unit="years")
    assert told(age, 0.0, 130.0, -1.0, 131.0, 999.0) == [3, 4, 5]
