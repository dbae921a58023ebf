"""Assemble: results, their provenance and the log's proofs become one signed, deterministic package."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, func, select

from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import account_of
from rwd_platform.flows.release_gate import DOWNLOAD, check_content, pass_gate
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.flows.study import (
    dataset_of,
    frozen_protocol,
    lineage_of,
    newest_run,
    results_of,
)
from rwd_platform.flows.unseal_results import requests_of
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import PackageState, UnsealingState, UploadState
from rwd_platform.records.tables import (
    AnalysisRun,
    AuditEntry,
    DataLockRecord,
    DroppedElement,
    EvidencePackage,
    Organisation,
    QualityRun,
    Study,
    UnsealingRequest,
    Upload,
    UploadFile,
)
from rwd_platform.signing.suites import GM, INTL
from rwd_platform.store.recording import until_recorded

if TYPE_CHECKING:
    import pandas as pd

    from studies.evidence.changes import Version
    from studies.evidence.inputs import (
        LogExtract,
        PackageInputs,
        QualityLine,
        SignedBy,
        Source,
        Unsealing,
    )

PURPOSES = ("registration", "insurance", "post_market")
AUDIENCES = ("authority", "aggregate")
# Of a quality report: versions of the lake, counts by upload, and the run whose counts were judged again.
_OF_RECORDS = frozenset({"lake_versions", "uploads", "rejudged_from"})
_KEYED_HASH = {INTL: "HMAC-SHA256", GM: "HMAC-SM3"}
ROOT = Path(__file__).resolve().parents[2]

CHOICE_UNKNOWN = Problem(
    code="evidence.choice_unknown",
    zh="{what} 只能是：{allowed}。",
    en="{what} must be one of: {allowed}.",
    next_zh="请选择其中一项。",
    next_en="Choose one of them.",
)


def assemble_evidence(
    platform: Platform, actor: Actor, study_id: str, purpose: str, audience: str
) -> EvidencePackage:
    """Build a package of the newest run. The same inputs give the same bytes, save what is marked volatile.

    Raises `study.results_sealed` before its results are unsealed.
    """
    from studies.evidence.package import build

    study = get_visible(platform.records, actor, "package.assemble", Study, study_id)
    check_choices(purpose, audience)
    run = newest_run(platform, study)
    with refusals_recorded(platform.records, actor, "package.assemble", "lock", run.lock_id):
        check_lock_usable(platform, run.lock_id)
        check_unsealed(run)
    platform.records.record(
        Act(actor, "package.assembly_started", Object("run", run.id), purpose=f"{purpose}, {audience}")
    )
    version = _next_version(platform, study_id, purpose, audience, run)
    inputs = _inputs(platform, study, run, purpose, audience, version)
    with until_recorded(platform.layout):
        built = build(inputs, platform.layout.packages)
        package = EvidencePackage(
            id=built.package_id,
            organisation_id=study.organisation_id,
            project_id=study.project_id,
            study_id=study_id,
            run_id=run.id,
            purpose=purpose,
            version=version,
            audience=audience,
            file_name=built.path.name,
            sha256=built.sha256,
            bytes=built.path.stat().st_size,
            state=PackageState.ASSEMBLED,
            made_at=as_text(platform.clock()),
        )
        platform.records.write(
            package,
            audit=Act(
                actor,
                "package.assembled",
                Object("package", package.id, built.sha256),
                purpose=f"{purpose}, {audience}",
            ),
        )
    return package


def check_choices(purpose: str, audience: str) -> None:
    """Raises `evidence.choice_unknown` for a purpose or an audience that no package has."""
    for what, value, allowed in (("purpose", purpose, PURPOSES), ("audience", audience, AUDIENCES)):
        if value not in allowed:
            raise CHOICE_UNKNOWN.error(what=what, allowed=", ".join(allowed))


def package_path(platform: Platform, actor: Actor, package_id: str) -> Path:
    """Where the package lies, for a download or a copy. It passes the gate first, and the file is the one that
    is on record; that it left is in the log.
    """
    package = get_visible(platform.records, actor, DOWNLOAD, EvidencePackage, package_id)
    pass_gate(platform, actor, package)
    with refusals_recorded(platform.records, actor, DOWNLOAD, "evidence_package", package_id):
        check_content(platform, package)
    platform.records.record(Act(actor, "package.downloaded", Object("package", package_id, package.sha256)))
    return platform.layout.packages / package.file_name


def _next_version(platform: Platform, study_id: str, purpose: str, audience: str, run: AnalysisRun) -> int:
    """A package of another run is a new version; the same run assembled again is the same version."""
    with platform.records.reading() as session:
        same = (
            (col(EvidencePackage.study_id) == study_id)
            & (col(EvidencePackage.purpose) == purpose)
            & (col(EvidencePackage.audience) == audience)
        )
        existing = session.exec(
            select(EvidencePackage.version).where(same, EvidencePackage.run_id == run.id)
        ).first()
        newest = session.exec(select(func.max(EvidencePackage.version)).where(same)).one()
    return existing or (newest or 0) + 1


def _inputs(
    platform: Platform, study: Study, run: AnalysisRun, purpose: str, audience: str, version: int
) -> PackageInputs:
    from deidentify.classification import labels_of_package
    from studies.evidence.bag import PackageSigner
    from studies.evidence.code import result_code
    from studies.evidence.inputs import PackageInputs

    lock = platform.records.get(DataLockRecord, run.lock_id)
    protocol = frozen_protocol(platform, study)
    dataset = dataset_of(platform, study, lock)
    lineage = lineage_of(platform, run)
    uploads = _uploads_behind(platform, lineage)
    quality = platform.records.get(QualityRun, lock.quality_run_id)
    signer = platform.package_signer
    return PackageInputs(
        protocol_text=study.protocol,
        protocol=protocol,
        results=results_of(platform, run),
        freeze={
            "protocol_sha256": study.protocol_sha256,
            "frozen_before_first_lock": _was_frozen_first(platform, study),
        },
        lock=lock.manifest,
        attrition=dataset.attrition,
        quality=_without_record_ids(quality.report),
        quality_lines=_quality_lines(platform, quality),
        deidentified=_deidentified(platform, uploads, lock.manifest["content"]["facts"]),
        sources=_sources(platform, uploads),
        lineage=lineage,
        code=result_code(),
        requirements=(ROOT / "requirements/run.lock").read_text(encoding="utf-8"),
        log=_log_extract(platform, study, run, uploads, audience),
        signer=PackageSigner(signer.name, signer.public_key, signer.sign),
        purpose=purpose,
        version=version,
        dated=protocol.dated,
        audience=audience,  # type: ignore[arg-type]  # checked against AUDIENCES above
        demo=platform.keys.is_demo,
        labels=partial(labels_of_package, lock_labels=lock.manifest["content"]["facts"].get("labels")),
        unsealing=_unsealing(platform, run),
        previous=_previous(platform, study.id, purpose, audience, version),
    )


def _previous(platform: Platform, study_id: str, purpose: str, audience: str, version: int) -> Version | None:
    """The version before, as it was put on record; the package says what changed since."""
    from studies.evidence.changes import read_version

    before = platform.records.all(
        select(EvidencePackage).where(
            EvidencePackage.study_id == study_id,
            EvidencePackage.purpose == purpose,
            EvidencePackage.audience == audience,
            EvidencePackage.version == version - 1,
        )
    )
    if not before:
        return None
    package = max(before, key=lambda one: (one.made_at, one.id))
    check_content(platform, package)
    return read_version(platform.layout.packages / package.file_name)


def _unsealing(platform: Platform, run: AnalysisRun) -> Unsealing | None:
    """Who opened this run's results, by the log's own entries. None where nothing was sealed."""
    from studies.evidence.inputs import Unsealing

    asked = next((one for one in requests_of(platform, run.study_id) if _opened(one, run)), None)
    if asked is None:
        return None
    entries = platform.records.all(
        select(AuditEntry)
        .where(AuditEntry.object_id == run.id)
        .where(col(AuditEntry.action).in_(["results.unsealing_requested", "results.unsealed"]))
        .order_by(col(AuditEntry.sequence))
    )
    acts = [json.loads(entry.body) for entry in entries]
    people = [_signed(act) for act in acts if act["decision"]["request"] == asked.id]
    return Unsealing(asked.knowledge, asked.seen, asked.seen_before, people[0], people[-1])


def _opened(asked: UnsealingRequest, run: AnalysisRun) -> bool:
    return asked.run_id == run.id and asked.state == UnsealingState.UNSEALED


def _signed(act: Mapping[str, Any]) -> SignedBy:
    from studies.evidence.inputs import SignedBy

    return SignedBy(act["actor"]["role"], act["actor"]["id"], act["ts"])


def _was_frozen_first(platform: Platform, study: Study) -> bool:
    """What the log says: the freeze stands before the first time a lock of this study was begun."""
    entries = platform.records.all(
        select(AuditEntry)
        .where(AuditEntry.object_id == study.id)
        .where(col(AuditEntry.action).in_(["study.frozen", "study.lock_started"]))
        .order_by(col(AuditEntry.sequence))
    )
    return [entry.action for entry in entries][:2] == ["study.frozen", "study.lock_started"]


def _uploads_behind(platform: Platform, lineage: pd.DataFrame) -> list[Upload]:
    """The admitted uploads whose files stand behind the analysed rows, by hospital."""
    pairs = lineage[["organisation_id", "source_file_sha256"]].drop_duplicates()
    behind = {(str(one), str(other)) for one, other in pairs.itertuples(index=False)}
    with platform.records.reading() as session:
        found = session.exec(
            select(Upload, UploadFile)
            .join(UploadFile, col(UploadFile.upload_id) == col(Upload.id))
            .where(UploadFile.duplicate_of == "", Upload.state == UploadState.ADMITTED)
        ).all()
    uploads = {upload.id: upload for upload, file in found if (upload.organisation_id, file.sha256) in behind}
    return sorted(uploads.values(), key=lambda upload: (upload.organisation_id, upload.received_at))


def _sources(platform: Platform, uploads: Iterable[Upload]) -> tuple[Source, ...]:
    from studies.evidence.inputs import Source, SourceFile

    sources = []
    for upload in uploads:
        hospital = platform.records.get(Organisation, upload.organisation_id)
        files = platform.records.all(
            select(UploadFile).where(UploadFile.upload_id == upload.id).order_by(col(UploadFile.position))
        )
        sources.append(
            Source(
                organisation_id=hospital.id,
                name=Bilingual(hospital.name_zh, hospital.name_en),
                files=tuple(
                    SourceFile(
                        file.name, file.sha256, account_of(file), format=upload.mapping or upload.fhir_version
                    )
                    for file in files
                ),
                agreement=upload.agreement,
                platform_role=upload.platform_role,
                consent_version=upload.consent_version,
                ethics_id=upload.ethics_id,
            )
        )
    return tuple(sources)


def _deidentified(platform: Platform, uploads: Iterable[Upload], locked: Mapping[str, Any]) -> dict[str, Any]:
    """The policy that made the lake, how often each element was left behind, and what the lock did."""
    from deidentify.policy import load_policy
    from rwd_platform.flows.judging import LAKE_POLICY

    policy = load_policy(LAKE_POLICY)
    dropped: dict[str, int] = {}
    for upload in uploads:
        for row in platform.records.all(select(DroppedElement).where(DroppedElement.upload_id == upload.id)):
            dropped[row.path] = dropped.get(row.path, 0) + row.times
    return {
        "policy": {"name": policy.name, "version": policy.version, "sha256": policy.sha256},
        "dropped": dict(sorted(dropped.items())),
        "project": {
            # A lock of before there were two suites says nothing of its own.
            "pseudonyms": f"{_KEYED_HASH[locked.get('suite', INTL)]} under the project's own key",
            "dates": locked["dates"],
            "generalised": locked.get("generalised", {}),
            "age": "completed years at the index date",
        },
    }


def _without_record_ids(report: Mapping[str, Any]) -> dict[str, Any]:
    """The quality report as facts: what changes from run to run, and what names records, stays in the records."""
    return {name: value for name, value in report.items() if name not in _OF_RECORDS}


def _quality_lines(platform: Platform, quality: QualityRun) -> tuple[QualityLine, ...]:
    """One line per hospital and Kahn category, from the scorecard and the checks."""
    from studies.evidence.inputs import QualityLine

    kahn = {rule["id"]: rule["kahn"] for rule in quality.report["checks"]["rules"]}
    lines = []
    for card in quality.report["scorecard"]["hospitals"]:
        if card["organisation_id"] is None:
            continue
        hospital = platform.records.get(Organisation, card["organisation_id"])
        results = [
            one
            for one in quality.report["checks"]["results"]
            if one["organisation_id"] == card["organisation_id"]
        ]
        for score in card["scores"]:
            outcomes = [one["outcome"] for one in results if kahn[one["rule"]] == score["category"]]
            if score["category"] == "all":
                continue
            lines.append(
                QualityLine(
                    organisation=Bilingual(hospital.name_zh, hospital.name_en),
                    dimension=Bilingual(score["label"]["zh"], score["label"]["en"]),
                    rules=len(outcomes),
                    passed=outcomes.count("pass"),
                    failed=outcomes.count("fail"),
                    not_applicable=outcomes.count("not_applicable"),
                    errors=outcomes.count("error"),
                )
            )
    return tuple(lines)


def _log_extract(
    platform: Platform, study: Study, run: AnalysisRun, uploads: Iterable[Upload], audience: str
) -> LogExtract:
    """The log's entries about this study - and, for an authority, about its uploads - under a fresh checkpoint."""
    from rwd_platform.audit.checkpoints import make_checkpoint
    from rwd_platform.audit.extract import extract
    from studies.evidence.inputs import InclusionProof, LogExtract

    checkpoint = make_checkpoint(platform.records, platform.log_signer, "package")
    about = {study.id, run.id, run.lock_id}
    if audience == "authority":
        about |= {upload.id for upload in uploads}
    found = extract(platform.records, object_ids=about, checkpoint=checkpoint)
    return LogExtract(
        entries=found.entries_jsonl,
        proofs=tuple(
            InclusionProof(proof["sequence"], tuple(bytes.fromhex(step) for step in proof["path"]))
            for proof in found.proofs
        ),
        checkpoint=found.checkpoint,
        public_key=platform.log_signer.public_key,
    )
