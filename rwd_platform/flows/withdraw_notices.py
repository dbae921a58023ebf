"""Who is told: every lock that holds the patient is marked, and every package made of one gets a notice.

A package never changes, so its notice is a signed file beside it: home/notices/<package id>.json. What it says
names no patient, only the record by which it can be asked about.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from deidentify.pseudonym import Pseudonymiser
from rwd_platform.core.canonical import canonical_json, sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.first_names import read_list
from rwd_platform.flows.key_versions import FIRST, PROJECT, PSEUDONYM, RotationName, current_version
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw_charts import every_chart
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    LockNotice,
    PackageNotice,
    QualityQuestion,
    QualityQuestionRow,
)
from rwd_platform.store.erasing import replace_whole
from rwd_platform.store.layout import durable_folder, safe_name

NOTICES = "notices"
FORMAT_VERSION = 1

TEXTS: Mapping[str, Bilingual] = {
    "withdrawn": Bilingual(
        "本证据包完成之后，其数据锁定中有受试者撤回同意。此前的处理不因撤回而失效；该受试者的数据不再用于新的分析。",
        "After this package was made, a subject of its data lock withdrew consent. What was done before stays "
        "lawful; the subject's data are used in no new analysis.",
    ),
    "erased": Bilingual(
        "本证据包完成之后，其数据锁定中有受试者的数据经批准删除，锁定已重新签发。本包内容未变，仍可核验；"
        "但不能再用原锁定复算，其数字也不再能追溯到来源行。",
        "After this package was made, the data of a subject of its data lock were erased, and the lock was "
        "re-issued. The package is unchanged and still verifies; it can no longer be recomputed from its lock, and "
        "its numbers no longer lead to source lines.",
    ),
}


def names_of(platform: Platform, organisation_id: str, patient_id: str) -> tuple[str, ...]:
    """Every lake pseudonym that a patient ever had here, the present one first."""
    names = [patient_id]
    for version in range(current_version(platform.records, PSEUDONYM, organisation_id), FIRST, -1):
        renamed = read_list(platform, RotationName(organisation_id, version))
        names += [old for old, new in renamed.items() if new == names[-1]][:1]
    return tuple(dict.fromkeys(names))


def names_of_person(platform: Platform, organisation_id: str, patient_id: str) -> tuple[str, ...]:
    """Every lake pseudonym of all charts that the person has at this hospital, those of the one named first."""
    with platform.records.reading() as session:
        others = {patient for _, patient in every_chart(session, [(organisation_id, patient_id)])} - {
            patient_id
        }
    charts = [patient_id, *sorted(others)]
    return tuple(name for chart in charts for name in names_of(platform, organisation_id, chart))


def locks_with(
    platform: Platform, organisation_id: str, names: Collection[str], locks: Collection[DataLockRecord]
) -> dict[str, list[str]]:
    """Which of these locks hold the patient, and as which subjects: lock id -> subject ids."""
    places = {(organisation_id, name) for name in names}
    found: dict[str, list[str]] = {}
    for lock in locks:
        persons = person_map(platform, lock.id)
        if persons is None:
            subjects = _in_a_lock_without_map(platform, lock, names)
        else:
            subjects = sorted(one for one, person in persons.items() if places & set(person.places))
        if subjects:
            found[lock.id] = subjects
    return found


def _in_a_lock_without_map(platform: Platform, lock: DataLockRecord, names: Collection[str]) -> list[str]:
    """A lock of before there were maps: its subjects are tokens of the project's key, made again here."""
    import pyarrow.parquet as pq

    from deidentify.project import SUBJECT_KIND

    file = platform.layout.lock(lock.id) / "subject.parquet"
    if not file.is_file():
        return []
    version = lock.manifest["content"]["facts"].get("key_versions", {}).get(PROJECT, FIRST)
    key = platform.keys.derive(PROJECT, lock.project_id, version=version)
    tokens = Pseudonymiser(key, lock.project_id, version, platform.keys.suite)
    wanted = {tokens.token(SUBJECT_KIND, name) for name in names}
    subjects = pq.read_table(file, columns=["subject_id"]).column("subject_id").to_pylist()
    return sorted(wanted & set(subjects))


def note_cause(
    platform: Platform, session: Session, place: tuple[str, str], cause: str, kind: str
) -> dict[str, Any]:
    """Mark the locks that hold a patient, and for a withdrawal their packages; returns which and how many."""
    locks = list(session.exec(select(DataLockRecord).order_by(col(DataLockRecord.made_at))).all())
    holding = locks_with(platform, place[0], names_of_person(platform, *place), locks)
    noted_at = as_text(platform.clock())
    for lock in locks:
        if lock.id in holding:
            session.merge(
                LockNotice(
                    lock_id=lock.id,
                    cause=cause,
                    organisation_id=lock.organisation_id,
                    project_id=lock.project_id,
                    kind=kind,
                    noted_at=noted_at,
                )
            )
    packages = 0 if kind == "held" else len(note_packages(session, holding, cause, kind, noted_at))
    return {"locks": sorted(holding), "packages": packages}


def forget_places(session: Session, organisation_id: str) -> list[str]:
    """Delete the places of rows that the hospital's questions showed; returns the ids of those questions.

    They do not say whose the rows are, so all go and are looked up again, without whoever is frozen by then.
    """
    asked = select(QualityQuestion).where(QualityQuestion.organisation_id == organisation_id)
    questions = [row for row in session.exec(asked).all() if row.rows_total is not None]
    for row in session.exec(
        select(QualityQuestionRow).where(QualityQuestionRow.organisation_id == organisation_id)
    ).all():
        session.delete(row)
    for question in questions:
        question.rows_total, question.rows_at = None, ""
        session.add(question)
    return [question.id for question in questions]


def note_packages(
    session: Session, locks: Collection[str], cause: str, kind: str, noted_at: str
) -> list[EvidencePackage]:
    """A notice on every package that was made of these locks."""
    packages = list(
        session.exec(
            select(EvidencePackage)
            .join(AnalysisRun, col(AnalysisRun.id) == col(EvidencePackage.run_id))
            .where(col(AnalysisRun.lock_id).in_(sorted(locks)))
        ).all()
    )
    for package in packages:
        session.merge(
            PackageNotice(
                package_id=package.id,
                cause=cause,
                organisation_id=package.organisation_id,
                project_id=package.project_id,
                kind=kind,
                noted_at=noted_at,
            )
        )
    return packages


# -- the notice files ----------------------------------------------------------------------------------


def notices_of(platform: Platform, package_id: str) -> list[dict[str, str]]:
    """What a reader of a package has to know, the oldest first: kind, noted_at, cause, zh, en."""
    rows = platform.records.all(
        select(PackageNotice)
        .where(PackageNotice.package_id == package_id)
        .order_by(col(PackageNotice.noted_at), col(PackageNotice.kind).desc(), col(PackageNotice.cause))
    )
    return [_as_told(row) for row in rows]


def _as_told(row: PackageNotice) -> dict[str, str]:
    text = TEXTS[row.kind]
    return {"kind": row.kind, "noted_at": row.noted_at, "cause": row.cause, "zh": text.zh, "en": text.en}


def notice_path(platform: Platform, package_id: str) -> Path:
    return platform.layout.home / NOTICES / f"{safe_name(package_id, 'package id')}.json"


def write_notices(platform: Platform) -> int:
    """Bring every notice file up to what is on record; returns how many were written. Safe to do again."""
    by_package: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in platform.records.all(
        select(PackageNotice).order_by(
            col(PackageNotice.noted_at), col(PackageNotice.kind).desc(), col(PackageNotice.cause)
        )
    ):
        by_package[row.package_id].append(_as_told(row))
    written = 0
    for package_id, notices in sorted(by_package.items()):
        package = platform.records.find(EvidencePackage, package_id)
        sha256 = "" if package is None else package.sha256
        path = notice_path(platform, package_id)
        content = canonical_json(signed_notice(platform, package_id, sha256, notices)) + b"\n"
        if path.is_file() and path.read_bytes() == content:
            continue
        durable_folder(path.parent)
        replace_whole(path, content)
        written += 1
    return written


def signed_notice(
    platform: Platform, package_id: str, package_sha256: str, notices: list[dict[str, str]]
) -> dict[str, Any]:
    """The notice of one package, signed with the key that signs packages."""
    facts = {
        "format_version": FORMAT_VERSION,
        "package": package_id,
        "package_sha256": package_sha256,
        "notices": notices,
    }
    return {**facts, "signed": signature_of(platform, facts)}


def signature_of(platform: Platform, facts: Mapping[str, Any]) -> dict[str, str]:
    """Ed25519 over the SHA-256 (hex) of the canonical JSON of `facts`."""
    key, digest = platform.package_signer, sha256_of(dict(facts))
    return {
        "sha256": digest,
        "key_name": key.name,
        "public_key": key.public_key.hex(),
        "signature": key.sign(digest.encode()).hex(),
    }


def signature_holds(document: bytes, public_key: bytes) -> bool:
    """Whether a signed document (a notice, a certificate, a line of the ledger) is whole and of that key."""
    from rwd_platform.signing.ed25519 import verify

    try:
        whole = json.loads(document)
        signed = whole.pop("signed")
        digest, signature = sha256_of(whole), bytes.fromhex(signed["signature"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return bool(signed.get("sha256") == digest and verify(public_key, digest.encode(), signature))
