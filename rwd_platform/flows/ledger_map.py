"""Who a study's subjects are: a sealed map, left at the lock, read by the release ledger and by break-glass.

A lock names its subjects by tokens of its own project, so that two projects cannot be joined. The ledger
must be able to tell that two projects' releases differ by one patient: it reads this map, turns persons into
tokens under its own key for the product, and keeps those. Break-glass is asked about the subject of a study,
the only name of a patient that people outside the hospital ever see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, col, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import seal, unseal
from rwd_platform.records.tables import DataLockRecord

PERSONS = "persons"


class Person(NamedTuple):
    """Who a subject is.

    ledger_id -- the same for one person in every project: the linkage token where it is this person's alone,
                 else `<organisation>|<patient_id>`
    places    -- (organisation, lake pseudonym) of each chart whose rows the lock brought together
    """

    ledger_id: str
    places: tuple[tuple[str, str], ...]


def seal_person_map(platform: Platform, lock_id: str, persons: Mapping[str, Person]) -> Path:
    """Keep who each subject of a lock is, sealed. Sealing the same lock again replaces the map."""
    plain = canonical_json({subject: [one.ledger_id, one.places] for subject, one in persons.items()})
    return seal(platform, lock_id, PERSONS, plain)


def person_map(platform: Platform, lock_id: str) -> dict[str, Person] | None:
    """The map of a lock; None for a lock that was made without one. Raises `ledger.map_damaged`."""
    plain = unseal(platform, lock_id, PERSONS)
    if plain is None:
        return None
    found: dict[str, tuple[str, list[list[str]]]] = json.loads(plain)
    return {
        subject: Person(ledger_id, tuple((organisation, patient) for organisation, patient in places))
        for subject, (ledger_id, places) in found.items()
    }


def lake_names(platform: Platform, session: Session, subject_id: str) -> tuple[tuple[str, str], ...]:
    """(organisation_id, lake pseudonym) of a study's subject as its lock knew them; none for an unknown one.

    A damaged map stops the search only where the subject is in none of the others.
    """
    damaged: PlatformError | None = None
    for lock_id in session.exec(select(DataLockRecord.id).order_by(col(DataLockRecord.made_at).desc())):
        try:
            person = (person_map(platform, lock_id) or {}).get(subject_id)
        except PlatformError as error:
            damaged = error
            continue
        if person is not None:
            return person.places
    if damaged is not None:
        raise damaged
    return ()
