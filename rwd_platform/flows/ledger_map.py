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
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from sqlmodel import Session, col, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import DataLockRecord
from rwd_platform.signing.suites import NONCE_BYTES
from rwd_platform.store.layout import durable_folder, open_part, safe_name, sync_folder

_HEAD = b"rwd-ledger-map 1 "
LEDGER = "ledger"

MAP_DAMAGED = Problem(
    code="ledger.map_damaged",
    zh="数据锁定 {lock} 的受试者对照表已损坏或被更改，不能打开。",
    en="The map of the subjects of lock {lock} is damaged or was changed and cannot be opened.",
    next_zh="请从备份恢复 home/ledger 下的该文件；在此之前不能据此发布结果或查看身份。",
    next_en="Restore that file under home/ledger from a backup; until then nothing can be released or looked up by it.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


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
    path = _path(platform, lock_id)
    durable_folder(path.parent)
    ciphers, nonce = platform.keys.ciphers, os.urandom(NONCE_BYTES)
    key = platform.keys.derive(LEDGER, "persons", lock_id)
    plain = canonical_json({subject: [one.ledger_id, one.places] for subject, one in persons.items()})
    part = path.with_suffix(".part")
    with open_part(part) as stream:
        stream.write(_HEAD + ciphers.name.encode() + b"\n")
        stream.write(nonce + ciphers.seal(key, nonce, plain, lock_id.encode()))
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    sync_folder(path.parent)
    return path


def person_map(platform: Platform, lock_id: str) -> dict[str, Person] | None:
    """The map of a lock; None for a lock that was made without one. Raises `ledger.map_damaged`."""
    path = _path(platform, lock_id)
    if not path.is_file():
        return None
    head, _, rest = path.read_bytes().partition(b"\n")
    try:
        keys = platform.keys.of_suite(head.removeprefix(_HEAD).decode("ascii"))
        key = keys.derive(LEDGER, "persons", lock_id)
        plain = keys.ciphers.open(key, rest[:NONCE_BYTES], rest[NONCE_BYTES:], lock_id.encode())
    except (InvalidTag, UnicodeDecodeError, PlatformError):
        raise MAP_DAMAGED.error(lock=lock_id) from None
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


def _path(platform: Platform, lock_id: str) -> Path:
    return platform.layout.home / LEDGER / f"{safe_name(lock_id, 'lock id')}.persons"
