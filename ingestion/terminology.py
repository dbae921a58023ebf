"""The measures that the platform knows: what an Observation may be about, and in which unit.

The list is ingestion/valuesets/measures.csv, which an informatician reviews. An Observation of a code
that is not on it, or in another unit, is kept apart until somebody has looked: a number that nobody
can name, or in a unit nobody expects, is worse in a study than no number.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.core.units import Issue, Resource

_MEASURES = Path(__file__).parent / "valuesets" / "measures.csv"
_UCUM = "http://unitsofmeasure.org"

UNKNOWN_MEASURE = "terminology.unknown_measure"
UNEXPECTED_UNIT = "terminology.unexpected_unit"


@dataclass(frozen=True)
class Measure:
    """One thing that can be observed. `unit` is its UCUM code, empty where it has none.

    kind       -- `measure` or `outcome`
    value_type -- the value[x] it comes in: CodeableConcept, integer or Quantity
    """

    system: str
    code: str
    kind: str
    value_type: str
    unit: str
    name: Bilingual


@cache
def known_measures() -> Mapping[tuple[str, str], Measure]:
    """All known measures and outcomes by (system, code), in the order of the list."""
    with _MEASURES.open(encoding="utf-8", newline="") as stream:
        listed = [
            Measure(
                row["system"],
                row["code"],
                row["kind"],
                row["value_type"],
                row["unit"],
                Bilingual(row["zh"], row["en"]),
            )
            for row in csv.DictReader(stream, strict=True)
        ]
    return MappingProxyType({(measure.system, measure.code): measure for measure in listed})


def measure_of(resource: Resource) -> Measure | None:
    """What an Observation is about: the first of its codings that is known."""
    known = known_measures()
    return next((known[key] for key in _codings(resource) if key in known), None)


def check_terms(resource: Resource) -> tuple[Issue, ...]:
    """Why a resource should be kept apart: empty for a known measure in its unit, and for other types."""
    if resource.get("resourceType") != "Observation":
        return ()
    measure = measure_of(resource)
    if measure is None:
        return (_UNKNOWN,)
    quantity = resource.get("valueQuantity")
    if measure.unit and isinstance(quantity, Mapping) and not _has_unit(quantity, measure.unit):
        return (_unexpected_unit(measure),)
    return ()


def _codings(resource: Resource) -> Iterator[tuple[str, str]]:
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping):
            system, value = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(value, str):
                yield system, value


def _has_unit(quantity: Mapping[str, Any], unit: str) -> bool:
    return quantity.get("system") == _UCUM and quantity.get("code") == unit


_UNKNOWN = Issue(
    code="code-invalid",
    expression="Observation.code",
    zh="该观察的代码不在已知测量项目清单中。",
    en="The code of this observation is not on the list of known measures.",
    next_zh="请核对代码；如确为新项目，请由术语人员补入 ingestion/valuesets/measures.csv 后重新准入。",
    next_en="Check the code; have a new measure added to ingestion/valuesets/measures.csv, then admit again.",
    rule=UNKNOWN_MEASURE,
)


def _unexpected_unit(measure: Measure) -> Issue:
    return Issue(
        code="value",
        expression="Observation.value.ofType(Quantity).code",
        zh=f"“{measure.name.zh}”的单位应为 UCUM 代码 {measure.unit}。",
        en=f"{measure.name.en} is expected in the UCUM unit {measure.unit}.",
        next_zh="请按该单位重新导出，或由术语人员确认换算方式后再准入。",
        next_en="Export it in that unit, or have the conversion confirmed before it is admitted.",
        rule=UNEXPECTED_UNIT,
    )
