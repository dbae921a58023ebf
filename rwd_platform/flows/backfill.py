"""Patients who came before there was a vault: entries, links and keys for them, and their files kept by patient.

Version 0.1 admitted uploads without any of these. The files as received are read once more, under the guard
of their source system, so that nothing newer comes in meanwhile. Doing it again finds nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlmodel import select

from ingestion.mapping import load_mapping
from rwd_platform.access.permissions import check_may
from rwd_platform.access.refusals import record_refusal
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.admit_upload import units_of
from rwd_platform.flows.judging import Judge
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.segment_upload import segment_upload
from rwd_platform.flows.uploads import admitted_uploads, is_admitted
from rwd_platform.flows.vault import Sighting, put_in_vault
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Organisation, Upload, VaultEntry
from rwd_platform.store.admission_guard import one_admission, steady_lake

_PATIENT = "Patient"


@dataclass
class Backfill:
    """What was done. `left` -- upload -> the code of what stood in the way; its source is to be done again."""

    uploads: int = 0  # admitted ones that were looked at
    entries: int = 0  # written to the vault
    files: int = 0  # kept by patient from now on
    left: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def backfill(platform: Platform, actor: Actor) -> Backfill:
    """Every hospital, source by source. An upload that cannot be read stops its own source alone."""
    try:
        check_may(actor, "key.rotate")
    except PlatformError as error:
        record_refusal(platform.records, actor, "key.rotate", "key", "backfill", error)
        raise
    done = Backfill()
    for hospital in platform.records.all(select(Organisation).where(Organisation.kind == "hospital")):
        sources = sorted({upload.source_system for upload in admitted_uploads(platform, hospital.id)})
        for source in sources:
            with one_admission(platform.layout, hospital.id, source):
                # Asked again: what the guard was waited for may have been an admission.
                uploads = [
                    one for one in admitted_uploads(platform, hospital.id) if one.source_system == source
                ]
                _fill_source(platform, actor, uploads, done)
    act = Act(actor, "vault.backfill_finished", Object("key", "backfill"), decision=done.as_dict())
    platform.records.record(act)
    return done


def _fill_source(platform: Platform, actor: Actor, uploads: Sequence[Upload], done: Backfill) -> None:
    done.uploads += len(uploads)
    missing = _missing(platform, uploads[0])
    newest: dict[str, tuple[Upload, Sighting]] = {}  # of several Patients of one person the last one counts
    for upload in uploads if missing else ():
        try:
            newest.update(
                {one.identity.patient_id: (upload, one) for one in _seen(platform, upload, missing)}
            )
        except PlatformError as error:
            done.left[upload.id] = error.code
            return
    if newest:
        _put(platform, actor, uploads, newest)
        done.entries += len(newest)
    for upload in uploads:
        try:
            done.files += segment_upload(platform, actor, upload.id)
        except PlatformError as error:
            done.left[upload.id] = error.code


def _missing(platform: Platform, of: Upload) -> set[str]:
    """The patients of a source who are in the lake and not in the vault. One whose key was destroyed stays out."""
    with steady_lake(platform.layout, lambda id: is_admitted(platform, id)) as lake:
        known = lake.known_resources(of.organisation_id, of.source_system)
    patients = {id for kind, id in known if kind == _PATIENT}
    with platform.records.reading() as session:
        entries = session.exec(
            select(VaultEntry.patient_id).where(
                VaultEntry.organisation_id == of.organisation_id, VaultEntry.source_system == of.source_system
            )
        ).all()
    keys = platform.patient_keys.find(of.organisation_id, patients - set(entries))
    return patients - set(entries) - {patient for patient, key in keys.items() if key is None}


def _seen(platform: Platform, upload: Upload, missing: set[str]) -> Iterator[Sighting]:
    """What the upload says of them, judged as at admission: a Patient that was not accepted says nothing."""
    judge = Judge(platform, upload)
    mapping = load_mapping(upload.mapping) if upload.mapping else None
    for file in files_of(platform, upload.id):
        if file.problem is not None or file.duplicate_of:
            continue
        for number, unit in enumerate(units_of(platform, file, mapping)):
            if unit.resource is None or unit.resource.get("resourceType") != _PATIENT:
                continue
            seen = judge.judge(unit, number, "").seen
            if seen is not None and seen.identity.patient_id in missing:
                yield seen


def _put(
    platform: Platform, actor: Actor, uploads: Sequence[Upload], newest: dict[str, tuple[Upload, Sighting]]
) -> None:
    """All of a source in one transaction: half of it would let an older Patient stand for a newer one."""
    source = uploads[0]
    act = Act(
        actor,
        "vault.backfilled",
        Object("organisation", source.organisation_id),
        decision={"source_system": source.source_system, "entries": len(newest)},
    )
    with platform.records.transaction(audit=act) as session:
        for upload in uploads:
            put_in_vault(platform, session, upload, [one for of, one in newest.values() if of is upload])
            session.flush()
