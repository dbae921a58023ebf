"""What each action does with one value. A value it cannot make safe gives NOTHING.

Actions act on primitive values; only an age, which FHIR writes as a quantity, is taken as a structure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from deidentify.actions import SHIFT, Rule
from deidentify.dates import coarsen, shift
from deidentify.device_identifiers import device_identifier
from deidentify.generalise import OLDEST_AGE, Hierarchy, band_of_age, hierarchy_named
from deidentify.kept_texts import LONG_NUMBER, SYSTEM_ELEMENTS, KeptTexts
from deidentify.labels import ABSTRACTED, MASKED, PSEUDONYMISED, masked
from deidentify.pseudonym import Pseudonymiser
from deidentify.references import rewrite
from deidentify.shifting import Shifts, person_of
from rwd_platform.core.units import Resource

NOTHING: Any = object()
MASK: Any = object()
NUMBERS = frozenset({int, float, Decimal})
PRIMITIVES = NUMBERS | {str, bool}

_UCUM = "http://unitsofmeasure.org"
# UCUM's units of an age, in years: a year is 365.25 days, a month a twelfth of it.
_YEARS = {"a": Decimal(1), "mo": Decimal(1) / 12, "wk": Decimal(28) / 1461, "d": Decimal(4) / 1461}


class Pass:
    """One resource on its way: whose keys are used, and what was seen and left behind."""

    __slots__ = ("_days", "_resource", "_shifts", "dropped", "fault", "labels", "modifier", "pseudonyms")

    def __init__(self, pseudonyms: Pseudonymiser, shifts: Shifts | None, resource: Resource) -> None:
        self.pseudonyms = pseudonyms
        self._shifts = shifts
        self._resource = resource
        self._days: int | None = None
        self.dropped: set[str] = set()
        self.labels: set[str] = set()
        self.modifier = ""  # the path of something that changes the resource's meaning and is not understood
        self.fault: tuple[str, str] | None = None  # rule and path of the first text that may not stay

    def days(self) -> int | None:
        """How far the dates of this resource's patient move; None where it is about no one patient."""
        if self._days is None and self._shifts is not None:
            person = person_of(self._resource, self.pseudonyms)
            self._days = 0 if person is None else self._shifts.days(person)
        return self._days or None


Step = Callable[[Any, Pass], Any]


def compile_rule(rule: Rule, path: str, resource_type: str, texts: KeptTexts, as_of: str) -> Step:
    """The transform of one rule, for the value at `path`."""
    if rule.action == "keep":
        return _keep(path, texts)
    if rule.action == "pseudonym":
        return _pseudonym(resource_type)
    if rule.action == "reference":
        return _reference(rule.argument)
    if rule.action == "device-identifier":
        return _device_identifier(path)
    if rule.action == "date":
        return _shifted if rule.argument == SHIFT else _date(rule.argument, as_of)
    if rule.action == "age-band":
        return _age_band(int(rule.argument), path, int(as_of[:4]))
    name, _, level = rule.argument.partition(":")
    hierarchy = hierarchy_named(name)
    return _generalised(hierarchy, hierarchy.level(level))


def _keep(path: str, texts: KeptTexts) -> Step:
    is_system = path.rpartition(".")[2] in SYSTEM_ELEMENTS

    def keep(value: Any, run: Pass) -> Any:
        if type(value) is str and run.fault is None:
            fault = texts.fault_of_system(value) if is_system else texts.fault_of_code(value, False)
            run.fault = (fault, path) if fault else None
        elif run.fault is None and type(value) in NUMBERS and abs(value) >= LONG_NUMBER:
            fault = texts.fault_of_number(value)
            run.fault = (fault, path) if fault else None
        return value if type(value) in PRIMITIVES else NOTHING

    return keep


def _device_identifier(path: str) -> Step:
    def product(value: Any, run: Pass) -> Any:
        kept = device_identifier(value) if type(value) is str else None
        if kept != value:
            run.dropped.add(path)  # the single device's part, or all of it
        return NOTHING if kept is None else kept

    return product


def _pseudonym(resource_type: str) -> Step:
    def pseudonym(value: Any, run: Pass) -> Any:
        if type(value) is not str or not value:
            return NOTHING
        run.labels.add(PSEUDONYMISED)
        return run.pseudonyms.token(resource_type, value)

    return pseudonym


def _reference(urn_type: str) -> Step:
    def reference(value: Any, run: Pass) -> Any:
        rewritten = rewrite(value, run.pseudonyms, urn_type) if type(value) is str else None
        if rewritten is None:
            return NOTHING
        run.labels.add(PSEUDONYMISED)
        return rewritten

    return reference


def _date(precision: str, as_of: str) -> Step:
    """With `as_of`, no date older than the oldest year that a policy which pools ages may tell."""
    oldest = f"{int(as_of[:4]) - OLDEST_AGE:04d}" if as_of else ""

    def date(value: Any, run: Pass) -> Any:
        coarse = coarsen(value, precision) if type(value) is str else None
        if coarse is None:
            return NOTHING
        run.labels.add(ABSTRACTED)
        return oldest if coarse[:4] < oldest else coarse

    return date


def _shifted(value: Any, run: Pass) -> Any:
    days = run.days()
    moved = shift(value, days) if days is not None and type(value) is str else None
    if moved is None:
        return NOTHING
    # HL7 has no code for a moved date: like a pseudonym, the key's holder can turn it back.
    run.labels.add(PSEUDONYMISED)
    return moved


def _generalised(hierarchy: Hierarchy, level: int) -> Step:
    def generalised(value: Any, run: Pass) -> Any:
        coarse = hierarchy.at(value, level) if type(value) is str else None
        if coarse is None:
            return NOTHING
        run.labels.add(ABSTRACTED)
        return coarse

    return generalised


def _age_band(width: int, path: str, year: int) -> Step:
    """A birth date becomes the first year of its band at `as_of`: nothing comes to lie before a birth.

    Everyone of 90 and more has the year `as_of` - 90. An age becomes its band's lower bound; the first
    band is `< N`, since FHIR wants ages above zero.
    """

    def banded(value: Any, run: Pass) -> Any:
        if type(value) is dict:
            age = _banded_age(value, width)
            if age is None:
                run.dropped.add(path)
                run.labels.add(MASKED)
                return masked()
            run.labels.add(ABSTRACTED)
            return age
        born = coarsen(value, "year") if type(value) is str else None
        if born is None or int(born) > year:
            return NOTHING
        run.labels.add(ABSTRACTED)
        low = band_of_age(year - int(born), width)
        oldest = OLDEST_AGE if low == OLDEST_AGE else min(low + width, OLDEST_AGE) - 1
        return f"{year - oldest:04d}"

    return banded


def _banded_age(quantity: Mapping[str, Any], width: int) -> dict[str, Any] | None:
    """The age in years at which the band begins; None for what is no age, or only an upper limit of one."""
    number, code = quantity.get("value"), quantity.get("code")
    factor = _YEARS.get(code) if type(code) is str and quantity.get("system", _UCUM) == _UCUM else None
    if type(number) not in (int, float, Decimal) or factor is None:
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


def pooled_age(quantity: Mapping[str, Any], width: int, in_range: bool = False) -> dict[str, Any] | None:
    """What stays of a quantity that may be an age, where ages are pooled: itself, its band, or nothing.

    Only UCUM's units of time in which an age is told count; 90 and above are one. A unit finer than the
    year is touched from 90 years on. In a range FHIR allows no comparator: 90 is then a lower end.
    """
    number, code = quantity.get("value"), quantity.get("code")
    factor = _YEARS.get(code) if type(code) is str and quantity.get("system", _UCUM) == _UCUM else None
    if factor is None or type(number) not in NUMBERS:
        return dict(quantity)
    years = Decimal(str(number)) * factor
    if not years.is_finite():
        return None
    if years < OLDEST_AGE:
        low = band_of_age(years, width) if code == "a" and width > 1 and years >= 0 else None
        return dict(quantity) if low is None else {**quantity, "value": low}
    if quantity.get("comparator") in ("<", "<="):
        return None
    open_ended = {} if in_range else {"comparator": ">="}
    return {"value": OLDEST_AGE, **open_ended, "system": _UCUM, "code": "a"}
