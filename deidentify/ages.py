"""Ages, made coarser: an age told in any unit that tells ages, in years where its own name says that it is one.

Everyone of 90 and above is one (45 CFR 164.514(b)(2)(i)(C)), however a hospital writes it down: as FHIR's Age, as
a quantity in UCUM's years, in 岁, as a bare number of an Observation that is coded, or named, as an age.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from deidentify.concepts import (
    SNOMED,
    UCUM,
    codes_of_concept,
    folded,
    half_width,
    listed,
    names_of_concept,
    system_of,
)
from deidentify.generalise import OLDEST_AGE, band_of_age

_CODES = Path(__file__).with_name("age_codes.csv")
_WRITTEN = Path(__file__).with_name("ages.toml")
_A_YEAR = Decimal(1)
_LONGEST_NAME = 60
# After NFKC: 年龄（岁）, Age (years)
_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_PARTS = re.compile("[a-z']+|[\u3400-\u9fff]+")
NUMBERS = frozenset({int, float, Decimal})


class _Written(NamedTuple):
    """How ages are written: units in years by system and code and by word, and the words of names."""

    codes: Mapping[tuple[str, str], Decimal]
    words: Mapping[str, Decimal]
    ends: tuple[str, ...]
    not_of: tuple[str, ...]
    beside: frozenset[str]


def is_age(concept: object) -> bool:
    """Whether a CodeableConcept, the code of an Observation, says that an age is measured: by code or by name."""
    return _years_of_one(concept) is not None


def unit_words() -> frozenset[str]:
    """The words for units in which an age is told."""
    return frozenset(_written().words)


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
    unit = {"system": UCUM, "code": "a"}
    if low == 0:
        return {"value": width, "comparator": "<", **unit} if comparator is None else None
    open_ended = {"comparator": ">="} if comparator or low >= OLDEST_AGE else {}
    return {"value": low, **open_ended, **unit}


def pooled_age(
    quantity: Mapping[str, Any], width: int, *, in_range: bool = False, without_unit: Decimal | None = None
) -> dict[str, Any] | None:
    """What stays of a quantity that may be an age, where ages are pooled: itself, its band, or nothing.

    Only units of time in which an age is told count; a number without one counts as `without_unit` years where
    it is known to be an age. 90 and above are one. A unit finer than the year is touched from 90 years on.
    In a range FHIR allows no comparator: 90 is then a lower end.
    """
    number, factor = quantity.get("value"), _factor(quantity)
    if factor is None and _tells_no_unit(quantity):
        factor = without_unit
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
    return {"value": OLDEST_AGE, **open_ended, "system": UCUM, "code": "a"}


def pooled_values(observation: Mapping[str, Any], width: int) -> tuple[dict[str, Any], frozenset[str]]:
    """An Observation, or a component, known to be an age: its value[x] pooled, and the elements that had to go.

    A whole number becomes 90, which then says 90 and above as in a range; of a range the upper end goes from
    90 on. Elements that hold no number stay as they are for the policy to judge.
    """
    changed = dict(observation)
    gone: set[str] = set()
    years = _years_of_one(observation.get("code")) or _A_YEAR
    for name, value in observation.items():
        if type(value) in NUMBERS and name.startswith("value"):
            changed[name] = _pooled_number(value, width, years)
        elif name == "valueQuantity" and type(value) is dict:
            changed[name] = pooled_age(value, width, without_unit=years)
        elif name == "valueRange" and type(value) is dict:
            changed[name] = _pooled_range(value, width, years)
        if changed[name] is None:
            del changed[name]
            gone.add(name)
    return changed, frozenset(gone)


def _pooled_number(value: Any, width: int, years: Decimal) -> Any:
    pooled = pooled_age({"value": value}, width, in_range=True, without_unit=years)
    if pooled is None or (years != _A_YEAR and pooled["value"] != value):
        return None  # 90 beside a name that says months would be another age
    return pooled["value"]


def _pooled_range(value: Mapping[str, Any], width: int, years: Decimal) -> dict[str, Any] | None:
    ends = {
        name: pooled_age(end, width, in_range=True, without_unit=years)
        for name, end in value.items()
        if name in ("low", "high") and type(end) is dict
    }
    high = ends.get("high")
    if high is not None and high.get("value") == OLDEST_AGE:
        ends["high"] = None  # 90 and above has no upper end
    kept = {**value, **ends}
    return {name: end for name, end in kept.items() if end is not None} or None


def _factor(quantity: Mapping[str, Any]) -> Decimal | None:
    """Years in the unit: its code in UCUM or SNOMED CT, or the unit in words; None for no unit of an age."""
    code, unit = quantity.get("code"), quantity.get("unit")
    written, system = _written(), system_of(quantity.get("system"))
    if type(code) is str:
        # Of a system's code the width is folded, not the case: UCUM's A is the ampere.
        known = written.codes.get((system or UCUM, half_width(code)))
        if known is None and system is None:
            known = written.words.get(folded(code))
        if known is not None or system in (None, UCUM):
            return known
    return written.words.get(folded(unit)) if type(unit) is str else None


def _tells_no_unit(quantity: Mapping[str, Any]) -> bool:
    """`1` and an annotation are UCUM's ways to say that there is no unit; another system's code says nothing."""
    code = quantity.get("code")
    if type(code) is str and system_of(quantity.get("system")) in (None, UCUM):
        return code == "1" or code.startswith("{")
    return True


def _years_of_one(concept: object) -> Decimal | None:
    """Years in one of a number without a unit, where a concept says that it is an age; None where it does not."""
    in_names = [found for name in names_of_concept(concept) if (found := _years_of_name(name)) is not None]
    if in_names:
        return max(in_names)
    return _A_YEAR if any(one in _codes() for one in codes_of_concept(concept)) else None


@lru_cache(maxsize=4096)
def _years_of_name(name: str) -> Decimal | None:
    """`Age, years` and 患者入院时的实际年龄 count in years, 年龄（月） in months; None for no name of an age."""
    if len(name) > _LONGEST_NAME:
        return None
    plain, written = folded(name), _written()
    in_brackets = [one.strip() for one in _BRACKETS.findall(plain)]
    parts = _PARTS.findall(_BRACKETS.sub(" ", plain))
    unit = next((one for one in [*in_brackets, *parts[-1:]] if one in written.words), None)
    named = [one for one in parts if one == "age" or _is_chinese_age(one, written)]
    if not named or any(
        one not in named and one not in written.beside and one not in written.words for one in parts
    ):
        return None
    return written.words[unit] if unit else _A_YEAR


def _is_chinese_age(part: str, written: _Written) -> bool:
    return part.endswith(written.ends) and not any(word in part for word in written.not_of)


@cache
def _codes() -> frozenset[tuple[str, str]]:
    return frozenset((row["system"], row["code"]) for row in listed(_CODES))


@cache
def _written() -> _Written:
    table = tomllib.loads(_WRITTEN.read_text("utf-8"))
    codes: dict[tuple[str, str], Decimal] = {}
    words: dict[str, Decimal] = {}
    for unit in table["unit"].values():
        years = Decimal(unit["years"][0]) / unit["years"][1]
        codes.update({(UCUM, code): years for code in unit["ucum"].split()})
        codes.update({(SNOMED, code): years for code in unit["snomed"].split()})
        words.update({folded(word): years for word in unit["words"].split()})
    names = table["names"]
    return _Written(
        codes,
        words,
        tuple(names["ends"].split()),
        tuple(names["not_of"].split()),
        frozenset(names["beside"].split()),
    )
