"""Whose dates a resource holds, and how far they move.

A patient is told by the pseudonym of her id, so dates move alike wherever pointers come to one pseudonym,
in whichever file or type they stand. A resource that is about nobody, a group or a device has no offset.
"""

from __future__ import annotations

from functools import lru_cache

from deidentify.dates import shift_days
from deidentify.pseudonym import KEY_BYTES, KEY_UNFIT, Pseudonymiser
from deidentify.references import rewrite
from rwd_platform.core.units import Resource
from rwd_platform.signing import suites

PATIENT = "Patient"
# Elements that say whom a resource is about, over the types of R4 (Task: `for`; ResearchSubject: `individual`).
_ABOUT = ("subject", "patient", "beneficiary", "individual", "for")
_REMEMBERED = 1 << 16


class Shifts:
    """The offsets of one project's patients under its date key. The key never shows in a text."""

    def __init__(self, key: bytes, project: str, suite: str = suites.INTL) -> None:
        if len(key) < KEY_BYTES:
            raise KEY_UNFIT.error(needed=KEY_BYTES, found=len(key))
        self.project = project
        self._key = key
        self._suite = suite
        self.days = lru_cache(maxsize=_REMEMBERED)(self._days)

    def __repr__(self) -> str:
        return f"Shifts(project={self.project!r})"

    def _days(self, person: str) -> int:
        """-1 to -365."""
        return shift_days(self._key, self.project, person, suite=self._suite)


def person_of(resource: Resource, pseudonyms: Pseudonymiser) -> str | None:
    """The pseudonym of the patient that a resource is about; None where it is about no one patient."""
    if resource.get("resourceType") == PATIENT:
        own = resource.get("id")
        return pseudonyms.token(PATIENT, own) if isinstance(own, str) and own else None
    for name in _ABOUT:
        person = _pointed_at(resource.get(name), pseudonyms)
        if person:
            return person
    return None


def _pointed_at(link: object, pseudonyms: Pseudonymiser) -> str | None:
    if isinstance(link, list) and len(link) == 1:
        link = link[0]
    reference = link.get("reference") if isinstance(link, dict) else None
    rewritten = rewrite(reference, pseudonyms, PATIENT) if isinstance(reference, str) else None
    kind, _, token = (rewritten or "").partition("/")
    return token if kind == PATIENT else None
