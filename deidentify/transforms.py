"""What each action does with one value. A value it cannot make safe gives NOTHING.

Actions act on primitive values; only an age, which FHIR writes as a quantity, is taken as a structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deidentify.actions import SHIFT, Rule
from deidentify.ages import NUMBERS, banded_age
from deidentify.dates import coarsen, shift
from deidentify.device_identifiers import device_identifier
from deidentify.generalise import OLDEST_AGE, Hierarchy, band_of_age, hierarchy_named
from deidentify.kept_texts import CODING, LONG_NUMBER, SYSTEM_ELEMENTS, KeptTexts
from deidentify.labels import ABSTRACTED, MASKED, PSEUDONYMISED, masked
from deidentify.pseudonym import Pseudonymiser
from deidentify.references import rewrite
from deidentify.shifting import Shifts, person_of
from rwd_platform.core.units import Resource

NOTHING: Any = object()
MASK: Any = object()
PRIMITIVES = NUMBERS | {str, bool}


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
    name = path.rpartition(".")[2]
    is_system = name in SYSTEM_ELEMENTS

    def keep(value: Any, run: Pass) -> Any:
        if type(value) is str and name == "code":
            # A list where one code is due: nothing says which system each is of.
            return value if texts.fault_of_coded(value, None, CODING) == "" else NOTHING
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
            age = banded_age(value, width)
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
