"""Dates of one patient that tell each other's offset: shifted beside unshifted ones, and a shifted birthday.

A shifted date says when something happened but for 1 to 365 days. Whatever else in the same policy's output is
tied to the true calendar - a month or a year of the same patient is enough - rules offsets out: a shifted
encounter beside an observation's true month leaves one to twelve of 365 with ten encounters. So within one policy
the dates of a patient are all shifted, or none is. A birth date is known to too many people: it is never shifted,
and beside shifted dates only its year or an age band may stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from deidentify.actions import SHIFT, Rule
from deidentify.fhir_paths import element_at, elements_of, model_of
from deidentify.lint_texts import Finding, finding

if TYPE_CHECKING:
    from deidentify.policy import Policy

_DATES = frozenset({"date", "dateTime", "instant"})
_BIRTHS = frozenset({"birthDate", "bornDate", "bornPeriod"})
_SHIFTED = Rule("date", SHIFT)
_YEAR = Rule("date", "year")
_GONE = frozenset({"drop", "text", "mask", "age-band"})
# A reference to any type may point at a patient too; who wrote a note or signed is no patient of the resource.
_PATIENTS = frozenset({"Patient", "Resource"})
_OF_AUTHORS = frozenset({"Annotation", "Signature", "Meta", "Extension", "Narrative", "Identifier"})


def unsafe_dates(policy: Policy) -> Iterator[Finding]:
    """Shifted births, and dates that stay on the true calendar in a policy that shifts dates."""
    for resource_type in sorted(policy.rules):
        for path, rule in policy.rules[resource_type].items():
            element = element_at(resource_type, path)
            if element is None or element.type not in (*_DATES, "Period"):
                continue
            where = f"[{resource_type}] {path}"
            is_birth = bool(_BIRTHS.intersection(path.split(".")))
            if rule == _SHIFTED:
                if is_birth:
                    yield finding("shifted_birth", where)
            elif rule.action in _GONE or (is_birth and rule == _YEAR) or not policy.shifts_dates:
                continue
            elif is_of_a_patient(resource_type):
                yield finding("mixed_dates", where)


@cache
def is_of_a_patient(resource_type: str) -> bool:
    """Whether resources of this type are about a patient: it is one, or has somewhere a pointer to one."""
    return resource_type == "Patient" or _points_at_patients(model_of(resource_type), frozenset())


def _points_at_patients(model: object, above: frozenset[str]) -> bool:
    for element in elements_of(model).values():
        if element.type == "Reference" and _PATIENTS.intersection(element.targets):
            return True
        if element.model is None or element.type in (*_OF_AUTHORS, *above, "Reference", "Resource"):
            continue
        if _points_at_patients(element.model, above | {element.type}):
            return True
    return False
