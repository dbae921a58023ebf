"""What an Observation may be about: a code that somebody can read, and of the platform's own measures the unit.

The platform's own systems are closed: their codes are those of ingestion/valuesets/measures.csv, which an
informatician reviews, each with its unit. Of the systems in ingestion/valuesets/code_systems.csv (LOINC, SNOMED
CT, ICD) nobody here holds all codes: any is read, and whether it is written as its system writes codes is
judged where resources are de-identified, before anything is stored. An Observation of any other code is kept apart
until somebody has looked: a number that nobody can name is worse in a study than no number. So are an
observation without a value that a table can hold, and a medicine without a code: in a study they would count as
"not measured" and "not treated", which nobody has said.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.core.units import Issue, Resource

_MEASURES = Path(__file__).parent / "valuesets" / "measures.csv"
_SYSTEMS = Path(__file__).parent / "valuesets" / "code_systems.csv"
_UCUM = "http://unitsofmeasure.org"

UNKNOWN_MEASURE = "terminology.unknown_measure"
UNEXPECTED_UNIT = "terminology.unexpected_unit"
NO_VALUE = "terminology.no_value"
NO_PRODUCT = "terminology.no_product"

_WITH_PRODUCT = frozenset({"MedicationDispense", "MedicationAdministration", "MedicationRequest"})
# Such a record takes an earlier one back, and has no value of its own; studies leave it out by its status.
_TAKEN_BACK = frozenset({"entered-in-error", "cancelled"})


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


@cache
def open_systems() -> frozenset[str]:
    """The code systems of which any code is read, for nobody here holds them whole."""
    with _SYSTEMS.open(encoding="utf-8", newline="") as stream:
        lines = (line for line in stream if not line.startswith("#"))
        return frozenset(row["system"] for row in csv.DictReader(lines, strict=True))


def measure_of(resource: Resource) -> Measure | None:
    """Which of the platform's own measures an Observation is about: the first of its codings that is one."""
    known = known_measures()
    return next((known[key] for key in _codings(resource.get("code")) if key in known), None)


def check_terms(resource: Resource) -> tuple[Issue, ...]:
    """Why a resource should be kept apart. Empty where nothing speaks against it, and for other types.

    An Observation: every code a known measure or of an open system, a value that is not only words (or the
    reason why there is none), a known measure in its unit. A medicine dispensed, given or ordered: which one.
    """
    resource_type = resource.get("resourceType")
    if resource_type in _WITH_PRODUCT:
        named = any(_codings(resource.get("medicationCodeableConcept")))
        return () if named else (_no_product(str(resource_type)),)
    return _check_observation(resource) if resource_type == "Observation" else ()


def _check_observation(resource: Resource) -> tuple[Issue, ...]:
    if not _has_only_read_codes(resource):
        return (_UNKNOWN,)
    measure = measure_of(resource)
    if not (
        _has_value(resource) or resource.get("dataAbsentReason") or resource.get("status") in _TAKEN_BACK
    ):
        return (_no_value(measure),)
    quantity = resource.get("valueQuantity")
    if measure and measure.unit and isinstance(quantity, Mapping) and not _has_unit(quantity, measure.unit):
        return (_unexpected_unit(measure),)
    return ()


def _has_only_read_codes(resource: Resource) -> bool:
    """Each coding becomes a row of its own in the lake, so one that is read does not vouch for another."""
    concept = resource.get("code")
    written = concept.get("coding") if isinstance(concept, Mapping) else None
    if not isinstance(written, list):
        return False
    read = [key for key in _codings(concept) if key in known_measures() or key[0] in open_systems()]
    return 0 < len(read) == len(written)  # one without system or code counts as unread


def _codings(concept: object) -> Iterator[tuple[str, str]]:
    """System and code of a CodeableConcept's codings, where a coding has both."""
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping):
            system, value = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(value, str) and system and value:
                yield system, value


def _has_value(resource: Resource) -> bool:
    """Whether there is a value that the lake's tables read: a number, a quantity with one, or a code."""
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, Mapping) and _is_number(quantity.get("value")):
        return True
    return _is_number(resource.get("valueInteger")) or any(_codings(resource.get("valueCodeableConcept")))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _has_unit(quantity: Mapping[str, Any], unit: str) -> bool:
    return quantity.get("system") == _UCUM and quantity.get("code") == unit


_UNKNOWN = Issue(
    code="code-invalid",
    expression="Observation.code",
    zh="该观察的代码（或其中之一）不在已知测量项目清单中，也不属于所列的标准代码系统。",
    en="The code of this observation, or one of its codes, is neither on the list of known measures "
    "nor from one of the listed code systems.",
    next_zh="请核对代码与代码系统的地址，或改用 LOINC 等标准代码；院内代码系统请由术语人员补入 "
    "ingestion/valuesets/code_systems.csv 后重新准入。",
    next_en="Check the code and its system's address, or send a standard code such as LOINC's; have a code system of "
    "the hospital's own added to ingestion/valuesets/code_systems.csv, then admit again.",
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


def _no_value(measure: Measure | None) -> Issue:
    """A code of an open system is not named: nobody here holds what it is called."""
    zh, en = (f"“{measure.name.zh}”", measure.name.en) if measure else ("该观察", "This observation")
    return Issue(
        code="required",
        expression="Observation.value",
        zh=f"{zh}没有可用的值：值缺失，或只有文字而无数值、代码。",
        en=f"{en} has no value that can be used: it is absent, or words without a number or a code.",
        next_zh="请以数值或代码填写 value[x]；确实没有值的，请填写 dataAbsentReason，然后重新上传。",
        next_en="Send value[x] as a number or a code, or say in dataAbsentReason why there is none.",
        rule=NO_VALUE,
    )


def _no_product(resource_type: str) -> Issue:
    return Issue(
        code="required",
        expression=f"{resource_type}.medication",
        zh="该用药记录没有药品代码，无法判断所用药品；若予接收，该患者会被误作未用药。",
        en="This record of a medicine has no product code, so nobody can tell which one it was; "
        "accepted as it is, the patient would count as untreated.",
        next_zh="请在 medicationCodeableConcept 中填写药品代码（coding 的 system 与 code）后重新上传。",
        next_en="Send the product as medicationCodeableConcept with a code (system and code of a coding).",
        rule=NO_PRODUCT,
    )
