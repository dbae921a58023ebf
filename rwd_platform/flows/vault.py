"""The vault: who stands behind a lake pseudonym, sealed under the patient's own key.

An entry holds what de-identification takes away from a Patient: the id at the hospital, identifiers, names,
contacts, addresses and birth date. It is written in the transaction that puts an upload on record; a later
version of the Patient replaces it. Only break-glass opens it (flows/break_glass.py).

A linkage token goes beside it (person_link) for a Patient with one valid resident id: it tells which
pseudonyms are one person, and not who.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlmodel import Session, col, select

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.units import Resource
from rwd_platform.flows.key_versions import LINKAGE, current_version
from rwd_platform.flows.patient_keys import unwrap
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import PatientKey, PersonLink, Upload, VaultEntry
from rwd_platform.signing.suites import NONCE_BYTES, suite
from rwd_platform.store.segments import DataKey

FORMAT_VERSION = 1
_AT_ONCE = 500

ENTRY_DAMAGED = Problem(
    code="vault.entry_damaged",
    zh="患者 {patient} 的身份保管库记录不能打开：内容已被更改，或属于另一位患者。",
    en="The vault entry of patient {patient} cannot be opened: it was changed, or belongs to somebody else.",
    next_zh="请从备份恢复数据库，并由审计人员运行 `rwd audit verify` 查明原因。",
    next_en="Restore the database from a backup, and let an auditor find out why with `rwd audit verify`.",
    http=500,
    exit=Exit.NO,
)


@dataclass(frozen=True, repr=False)
class Identity:
    """Who a patient is at one hospital. Never printed: its text form names the pseudonym alone.

    identifiers -- (system, value); telecom -- (system, value); both as the hospital wrote them
    """

    organisation_id: str
    source_system: str
    patient_id: str
    resource_id: str
    identifiers: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    telecom: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]
    birth_date: str

    def __repr__(self) -> str:
        return f"Identity({self.patient_id!r})"


@dataclass(frozen=True, repr=False)
class Sighting:
    """What one Patient resource says of a person: for the vault, and for linkage."""

    identity: Identity
    link_token: str = ""  # "" without exactly one valid resident id


def sighting_of(platform: Platform, upload: Upload) -> Callable[[Resource, str], Sighting]:
    """What turns a Patient as received, and its pseudonym, into what is kept. The linkage key is derived once."""
    from deidentify.linkage import link_token

    version = current_version(platform.records, LINKAGE, "")
    key = platform.keys.derive("linkage", version=version)

    def see(patient: Resource, patient_id: str) -> Sighting:
        identity = Identity(
            organisation_id=upload.organisation_id,
            source_system=upload.source_system,
            patient_id=patient_id,
            **_taken_away(patient),
        )
        return Sighting(identity, link_token(patient, key, platform.keys.suite, version) or "")

    return see


def put_in_vault(platform: Platform, session: Session, upload: Upload, seen: Iterable[Sighting]) -> None:
    """Write entries, keys and links in the caller's transaction. Of several of one patient the last one counts."""
    newest = {one.identity.patient_id: one for one in seen}
    keys = platform.patient_keys.ensure(session, upload.organisation_id, newest)
    written_at = as_text(platform.clock())
    entries = {row.patient_id: row for row in _entries(session, upload, newest)}
    links = {row.patient_id: row for row in _links(session, upload.organisation_id, newest)}
    for patient_id, one in newest.items():
        entry = entries.get(patient_id) or _blank(upload, patient_id)
        entry.format_version, entry.written_at, entry.upload_id = FORMAT_VERSION, written_at, upload.id
        entry.sealed = _seal(keys[patient_id], one.identity)
        session.add(entry)
        link = links.get(patient_id)
        if link is not None and not one.link_token:
            session.delete(link)
        elif one.link_token:
            link = link or PersonLink(
                organisation_id=upload.organisation_id, patient_id=patient_id, link_token="", upload_id=""
            )
            link.link_token, link.upload_id = one.link_token, upload.id
            session.add(link)


def holder_of(session: Session, patient_id: str, organisation_id: str | None) -> str | None:
    """The hospital whose vault knows this pseudonym, of all or of one; None where none does. Opens nothing."""
    query = select(VaultEntry.organisation_id).where(VaultEntry.patient_id == patient_id)
    if organisation_id is not None:
        query = query.where(VaultEntry.organisation_id == organisation_id)
    return session.exec(query).first()


def open_entry(platform: Platform, session: Session, organisation_id: str, patient_id: str) -> Identity:
    """Who it is. For break-glass only, in the transaction that puts the look on record.

    Raises `records.not_found`, `vault.key_destroyed`, `vault.key_unreadable`, `vault.entry_damaged`.
    """
    key_row = session.get(PatientKey, (organisation_id, patient_id))
    entry = session.exec(
        select(VaultEntry)
        .where(VaultEntry.organisation_id == organisation_id, VaultEntry.patient_id == patient_id)
        .order_by(col(VaultEntry.written_at).desc())
    ).first()
    if entry is None or key_row is None:
        raise NOT_FOUND.error(kind="patient", id=patient_id)
    key = unwrap(platform.keys, key_row)
    nonce, sealed = entry.sealed[:NONCE_BYTES], entry.sealed[NONCE_BYTES:]
    try:
        plain = suite(key_row.suite).open(key, nonce, sealed, _bound(entry))
    except InvalidTag:
        raise ENTRY_DAMAGED.error(patient=patient_id) from None
    facts = json.loads(plain)
    for name in ("identifiers", "telecom"):
        facts[name] = tuple((system, value) for system, value in facts[name])
    for name in ("names", "addresses"):
        facts[name] = tuple(facts[name])
    return Identity(
        organisation_id=organisation_id,
        source_system=entry.source_system,
        patient_id=patient_id,
        **facts,
    )


def renamed_entry(platform: Platform, entry: VaultEntry, key_row: PatientKey, patient_id: str) -> VaultEntry:
    """The same identity under another pseudonym: sealed anew, bound to that name. A destroyed one stays closed."""
    copy = VaultEntry(**{**entry.model_dump(), "patient_id": patient_id})
    if key_row.destroyed_at:
        return copy
    key = unwrap(platform.keys, key_row)
    ciphers = suite(key_row.suite)
    try:
        plain = ciphers.open(key, entry.sealed[:NONCE_BYTES], entry.sealed[NONCE_BYTES:], _bound(entry))
    except InvalidTag:
        raise ENTRY_DAMAGED.error(patient=entry.patient_id) from None
    nonce = os.urandom(NONCE_BYTES)
    copy.sealed = nonce + ciphers.seal(key, nonce, plain, _bound(copy))
    return copy


_PLACE = ("organisation_id", "source_system", "patient_id")


def _seal(key: DataKey, identity: Identity) -> bytes:
    """A nonce, then the sealed canonical JSON of what was taken away; bound to whose entry it is."""
    facts = {name: value for name, value in asdict(identity).items() if name not in _PLACE}
    nonce = os.urandom(NONCE_BYTES)
    return nonce + suite(key.suite).seal(key.key, nonce, canonical_json(facts), _bound(identity))


def _bound(place: Identity | VaultEntry) -> bytes:
    return canonical_json(["vault", FORMAT_VERSION, *(getattr(place, name) for name in _PLACE)])


def _blank(upload: Upload, patient_id: str) -> VaultEntry:
    return VaultEntry(
        organisation_id=upload.organisation_id,
        source_system=upload.source_system,
        patient_id=patient_id,
        format_version=FORMAT_VERSION,
        sealed=b"",
        written_at="",
        upload_id=upload.id,
    )


def _entries(session: Session, upload: Upload, patients: Iterable[str]) -> Iterator[VaultEntry]:
    for some in _batches(patients):
        yield from session.exec(
            select(VaultEntry).where(
                VaultEntry.organisation_id == upload.organisation_id,
                VaultEntry.source_system == upload.source_system,
                col(VaultEntry.patient_id).in_(some),
            )
        ).all()


def _links(session: Session, organisation_id: str, patients: Iterable[str]) -> Iterator[PersonLink]:
    for some in _batches(patients):
        yield from session.exec(
            select(PersonLink).where(
                PersonLink.organisation_id == organisation_id, col(PersonLink.patient_id).in_(some)
            )
        ).all()


def _batches(patients: Iterable[str]) -> Iterator[Sequence[str]]:
    wanted = sorted(patients)
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


# -- what de-identification takes away from a Patient --------------------------------------------------


def _taken_away(patient: Resource) -> dict[str, Any]:
    return {
        "resource_id": _text(patient.get("id")),
        "identifiers": tuple(_pairs(patient.get("identifier"))),
        "names": tuple(name for one in _objects(patient.get("name")) if (name := _name(one))),
        "telecom": tuple(_pairs(patient.get("telecom"))),
        "addresses": tuple(place for one in _objects(patient.get("address")) if (place := _address(one))),
        "birth_date": _text(patient.get("birthDate")),
    }


def _pairs(elements: Any) -> Iterator[tuple[str, str]]:
    """(system, value) of identifiers or contact points; one without a value says nothing."""
    for one in _objects(elements):
        if _text(one.get("value")):
            yield _text(one.get("system")), _text(one.get("value"))


def _name(name: Mapping[str, Any]) -> str:
    """The name as one text. Han parts stand without a blank between them, others with one."""
    parts = [_text(name.get("family")), *map(_text, _listed(name.get("given")))]
    return _text(name.get("text")) or _joined([part for part in parts if part])


def _address(address: Mapping[str, Any]) -> str:
    """The address as one text, from the largest place to the smallest as it is written in China."""
    lines = map(_text, _listed(address.get("line")))
    parts = [_text(address.get(name)) for name in ("country", "state", "city", "district")]
    whole = _text(address.get("text")) or _joined([part for part in (*parts, *lines) if part])
    postcode = _text(address.get("postalCode"))
    return whole if not postcode or postcode in whole else f"{whole} {postcode}".strip()


def _joined(parts: Sequence[str]) -> str:
    return (" " if any(part.isascii() for part in parts) else "").join(parts)


def _objects(elements: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in _listed(elements) if isinstance(one, dict))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
