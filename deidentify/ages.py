"""Ages, made coarser: an age told in any unit that tells ages, in years where its own name says that it is one.

Everyone of 90 and above is one (45 CFR 164.514(b)(2)(i)(C)), however a hospital writes it down: as FHIR's Age, as
a quantity in UCUM's years, in 岁, as a bare number of an Observation that is coded, or named, as an age.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from deidentify.generalise import OLDEST_AGE, band_of_age

_FILE = Path(__file__).with_name("age_codes.csv")
_UCUM = "http://unitsofmeasure.org"
_UCUM_SYSTEMS = frozenset({_UCUM, "urn:oid:2.16.840.1.113883.6.8"})
# Other names of the systems in age_codes.csv.
_ALIASES = {
    "urn:oid:2.16.840.1.113883.6.1": "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.96": "http://snomed.info/sct",
}
# UCUM's units of an age, in years: a year is 365.25 days, a month a twelfth of it.
_YEARS = {"a": Decimal(1), "mo": Decimal(1) / 12, "wk": Decimal(28) / 1461, "d": Decimal(4) / 1461}
_YEARS |= {f"a_{kind}": _YEARS["a"] for kind in "tjg"} | {f"mo_{kind}": _YEARS["mo"] for kind in "sjg"}
_WORDS = {
    word: _YEARS[code]
    for code, words in {
        "a": "a y yr yrs year years 岁 周岁 歲 周歲 虚岁 年",
        "mo": "mo month months 月 个月 月龄",
        "wk": "wk week weeks 周 周龄",
        "d": "d day days 天 日 日龄",
    }.items()
    for word in words.split()
}
# 年龄, 入院年龄, 年龄（岁）; Age, Patient age. Not 孕龄, 骨龄 or gestational age, which are no ages of a person.
_NAME = re.compile(
    r"\s*(?:[\u4e00-\u9fff]{0,6}年龄(?:\s*[(（][^)）]{0,6}[)）])?|(?:(?:patient|current|reported)\s+)?age(?:\s+at\s+\w+)?)\s*",
    re.IGNORECASE,
)
NUMBERS = frozenset({int, float, Decimal})


def is_age(concept: object) -> bool:
    """Whether a CodeableConcept, the code of an Observation, says that an age is measured: by code or by name."""
    if type(concept) is not dict:
        return False
    codings = concept.get("coding")
    several = [one for one in (codings if type(codings) is list else [codings]) if type(one) is dict]
    if any((_system(one.get("system")), one.get("code")) in _codes() for one in several if _is_plain(one)):
        return True
    names = [concept.get("text"), *(one.get("display") for one in several)]
    return any(type(name) is str and _is_name(name) for name in names)


def banded_age(quantity: Mapping[str, Any], width: int) -> dict[str, Any] | None:
    """The age in years at which the band begins; None for what is no age, or only an upper limit of one."""
    number, factor = quantity.get("value"), _factor(quantity)
    if type(number) not in NUMBERS or factor is None:
        return None
    years = Decimal(str(number)) * factor
    comparator = quantity.get("comparator")
    if comparator not in (None, ">", ">=") or not years.is_finite() or years < 0:
        return None
    low = band_of_age(years, width)
    unit = {"system": _UCUM, "code": "a"}
    if low == 0:
        return {"value": width, "comparator": "<", **unit} if comparator is None else None
    open_ended = {"comparator": ">="} if comparator or low >= OLDEST_AGE else {}
    return {"value": low, **open_ended, **unit}


def pooled_age(
    quantity: Mapping[str, Any], width: int, *, in_range: bool = False, known_age: bool = False
) -> dict[str, Any] | None:
    """What stays of a quantity that may be an age, where ages are pooled: itself, its band, or nothing.

    Only units of time in which an age is told count; with `known_age`, no unit means years. 90 and above are
    one. A unit finer than the year is touched from 90 years on. In a range FHIR allows no comparator: 90 is
    then a lower end.
    """
    number, factor = quantity.get("value"), _factor(quantity)
    if factor is None and known_age and _tells_no_unit(quantity):
        factor = _YEARS["a"]
    if factor is None:
        return dict(quantity)
    if type(number) not in NUMBERS:
        return None if type(number) is str else dict(quantity)
    years = Decimal(str(number)) * factor
    if not years.is_finite():
        return None
    if years < OLDEST_AGE:
        low = band_of_age(years, width) if factor == 1 and width > 1 and years >= 0 else None
        return dict(quantity) if low is None else {**quantity, "value": low}
    if quantity.get("comparator") in ("<", "<="):
        return None
    open_ended = {} if in_range else {"comparator": ">="}
    return {"value": OLDEST_AGE, **open_ended, "system": _UCUM, "code": "a"}


def pooled_values(observation: Mapping[str, Any], width: int) -> tuple[dict[str, Any], frozenset[str]]:
    """An Observation, or a component, known to be an age: its value[x] pooled, and the elements that had to go.

    A whole number becomes 90, which then says 90 and above as in a range; of a range the upper end goes from
    90 on. Elements that hold no number stay as they are for the policy to judge.
    """
    changed = dict(observation)
    gone: set[str] = set()
    for name, value in observation.items():
        if type(value) in NUMBERS and name.startswith("value"):
            pooled = pooled_age({"value": value}, width, in_range=True, known_age=True)
            changed[name] = None if pooled is None else pooled["value"]
        elif name == "valueQuantity" and type(value) is dict:
            changed[name] = pooled_age(value, width, known_age=True)
        elif name == "valueRange" and type(value) is dict:
            changed[name] = _pooled_range(value, width)
        if changed[name] is None:
            del changed[name]
            gone.add(name)
    return changed, frozenset(gone)


def _pooled_range(value: Mapping[str, Any], width: int) -> dict[str, Any] | None:
    ends = {
        name: pooled_age(end, width, in_range=True, known_age=True)
        for name, end in value.items()
        if name in ("low", "high") and type(end) is dict
    }
    high = ends.get("high")
    if high is not None and high.get("value") == OLDEST_AGE:
        ends["high"] = None  # 90 and above has no upper end
    kept = {**value, **ends}
    return {name: end for name, end in kept.items() if end is not None} or None


def _factor(quantity: Mapping[str, Any]) -> Decimal | None:
    """Years in the unit: UCUM's code, or where there is none the unit in words; None for no unit of an age."""
    code, system = quantity.get("code"), quantity.get("system")
    if type(code) is str and (system is None or system in _UCUM_SYSTEMS):
        return _YEARS.get(code) or (_WORDS.get(code.strip().lower()) if system is None else None)
    unit = quantity.get("unit")
    return _WORDS.get(unit.strip().lower()) if code is None and type(unit) is str else None


def _tells_no_unit(quantity: Mapping[str, Any]) -> bool:
    """`1` and an annotation are UCUM's ways to say that there is no unit; another system's code says nothing."""
    code, system = quantity.get("code"), quantity.get("system")
    if type(code) is str and (system is None or system in _UCUM_SYSTEMS):
        return code == "1" or code.startswith("{")
    return True


def _is_name(text: str) -> bool:
    # Looked for first, since every Observation passes here and hardly any is an age.
    return ("年龄" in text or "age" in text.lower()) and bool(_NAME.fullmatch(text))


def _is_plain(coding: Mapping[str, Any]) -> bool:
    return type(coding.get("code")) is str and type(coding.get("system")) in (str, type(None))


def _system(url: str | None) -> str | None:
    return _ALIASES.get(url, url) if url is not None else None


@cache
def _codes() -> frozenset[tuple[str, str]]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return frozenset((row["system"], row["code"]) for row in rows)
