"""Who a study's subjects are: a sealed map, left at the lock, read by the release ledger and by break-glass.

A lock names its subjects by tokens of its own project, so that two projects cannot be joined. The ledger
must be able to tell that two projects' releases differ by one patient: it reads this map, turns persons into
tokens under its own key for the product, and keeps those. Break-glass is asked about the subject of a study,
the only name of a patient that people outside the hospital ever see.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from sqlmodel import Session, col, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import DataLockRecord, PersonLink
from rwd_platform.signing.suites import NONCE_BYTES
from rwd_platform.store.layout import durable_folder, safe_name, sync_folder

_HEAD = b"rwd-ledger-map 1 "
LEDGER = "ledger"


def seal_person_map(platform: Platform, lock_id: str, persons: Mapping[str, str]) -> Path:
    """Keep subject_id -> person id of a lock, sealed. Sealing the same lock again replaces the map.

    The person id is the linkage token where there is one, else `<organisation>|<patient_id>` of the lake:
    the same person must have the same id in every project.
    """
    path = _path(platform, lock_id)
    durable_folder(path.parent)
    ciphers, nonce = platform.keys.ciphers, os.urandom(NONCE_BYTES)
    key = platform.keys.derive(LEDGER, "persons", lock_id)
    sealed = ciphers.seal(key, nonce, canonical_json(dict(persons)), lock_id.encode())
    part = path.with_suffix(".part")
    part.write_bytes(_HEAD + ciphers.name.encode() + b"\n" + nonce + sealed)
    part.chmod(0o600)
    part.replace(path)
    sync_folder(path.parent)
    return path


def person_map(platform: Platform, lock_id: str) -> dict[str, str] | None:
    """The map of a lock; None for a lock that was made without one.

    Raises cryptography.exceptions.InvalidTag when the file is not what was sealed.
    """
    path = _path(platform, lock_id)
    if not path.is_file():
        return None
    head, _, rest = path.read_bytes().partition(b"\n")
    keys = platform.keys.of_suite(head.removeprefix(_HEAD).decode("ascii"))
    key = keys.derive(LEDGER, "persons", lock_id)
    plain = keys.ciphers.open(key, rest[:NONCE_BYTES], rest[NONCE_BYTES:], lock_id.encode())
    found: dict[str, str] = json.loads(plain)
    return found


def lake_names(platform: Platform, session: Session, subject_id: str) -> list[tuple[str, str]]:
    """(organisation_id, lake pseudonym) of a study's subject, sorted; several where hospitals share a person."""
    for lock_id in session.exec(select(DataLockRecord.id).order_by(col(DataLockRecord.made_at).desc())):
        person = (person_map(platform, lock_id) or {}).get(subject_id)
        if person is None:
            continue
        organisation, separated, patient = person.partition("|")
        if separated:
            return [(organisation, patient)]
        links = select(PersonLink.organisation_id, PersonLink.patient_id)
        return sorted(session.exec(links.where(PersonLink.link_token == person)).all())
    return []


def _path(platform: Platform, lock_id: str) -> Path:
    return platform.layout.home / LEDGER / f"{safe_name(lock_id, 'lock id')}.persons"
