"""What a package is made from, gathered from the records, the lock and the log."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.chart_agreement import Traced, verified_in
from rwd_platform.flows.dossier_inputs import Chosen, Words, dossier_inputs
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import account_of
from rwd_platform.flows.release_gate import check_content
from rwd_platform.flows.study import dataset_in, frozen_protocol, lineage_of, results_of
from rwd_platform.flows.unseal_results import requests_of
from rwd_platform.records.lifecycles import UnsealingState, UploadState
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
from rwd_platform.signing.p256 import ALGORITHM
from rwd_platform.signing.suites import GM, INTL

if TYPE_CHECKING:
    import pandas as pd

    from studies.dataset import StudyDataset
    from studies.evidence.changes import Version
    from studies.evidence.inputs import (
        LogExtract,
        PackageInputs,
        QualityLine,
        SignedBy,
        Source,
        Unsealing,
    )
    from studies.evidence.sample.rounds import Verified

# Of a quality report: versions of the lake, counts by upload, and the run whose counts were judged again.
_OF_RECORDS = frozenset({"lake_versions", "uploads", "rejudged_from"})
_KEYED_HASH = {INTL: "HMAC-SHA256", GM: "HMAC-SM3"}
ROOT = Path(__file__).resolve().parents[2]


def package_inputs(
    platform: Platform, study: Study, run: AnalysisRun, chosen: Chosen, words: Words, version: int
) -> PackageInputs:
    """The facts of one version of a package."""
    from deidentify.classification import labels_of_package
    from rwd_platform.store.lock import open_lock
    from studies.evidence.bag import PackageSigner
    from studies.evidence.code import result_code
    from studies.evidence.inputs import PackageInputs, ReportSigner

    lock = platform.records.get(DataLockRecord, run.lock_id)
    protocol = frozen_protocol(platform, study)
    opened = open_lock(platform.layout.lock(lock.id))
    dataset = dataset_in(opened, protocol)
    lineage = lineage_of(platform, run)
    results = results_of(platform, run)
    uploads = uploads_behind(platform, lineage)
    sources = sources_of(platform, uploads)
    quality = platform.records.get(QualityRun, lock.quality_run_id)
    report = _of_sources(_without_record_ids(quality.report), {one.organisation_id for one in sources})
    verified = _verified(platform, words, Traced(protocol, results, lineage, sources), dataset)
    signer, sealer = platform.package_signer, platform.report_signer
    purpose, audience = chosen.wanted.purpose, chosen.wanted.audience
    return PackageInputs(
        protocol_text=study.protocol,
        protocol=protocol,
        results=results,
        freeze={
            "protocol_sha256": study.protocol_sha256,
            "frozen_before_first_lock": _was_frozen_first(platform, study),
        },
        lock=lock.manifest,
        attrition=dataset.attrition,
        quality=report,
        quality_lines=_quality_lines(platform, report),
        deidentified=_deidentified(platform, uploads, lock.manifest["content"]["facts"]),
        sources=sources,
        lineage=lineage,
        code=result_code(),
        requirements=(ROOT / "requirements/run.lock").read_text(encoding="utf-8"),
        log=_log_extract(platform, study, run, uploads, audience),
        signer=PackageSigner(signer.name, signer.public_key, signer.sign),
        purpose=purpose,
        version=version,
        dated=protocol.dated,
        audience=audience,  # type: ignore[arg-type]  # `choose` has checked it
        demo=platform.keys.is_demo,
        labels=partial(labels_of_package, lock_labels=lock.manifest["content"]["facts"].get("labels")),
        unsealing=_unsealing(platform, run),
        report_signer=ReportSigner(sealer.name, ALGORITHM, sealer.public_key, sealer.sign),
        dossier=dossier_inputs(protocol, opened, dataset, chosen, words, verified),
        previous=_previous(platform, study.id, purpose, audience, version),
    )


def _verified(platform: Platform, words: Words, traced: Traced, dataset: StudyDataset) -> Verified | None:
    return None if words.returned is None else verified_in(platform, words.returned, traced, dataset)


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


def uploads_behind(platform: Platform, lineage: pd.DataFrame) -> list[Upload]:
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


def sources_of(platform: Platform, uploads: Iterable[Upload]) -> tuple[Source, ...]:
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


def _of_sources(report: Mapping[str, Any], hospitals: Collection[str]) -> dict[str, Any]:
    """The run looked at the whole store: how another hospital's records are is no business of this study's readers."""
    here = {None, *hospitals}  # None: all rows together, which the gate goes by

    def kept(part: Mapping[str, Any], name: str) -> dict[str, Any]:
        if name not in part:  # a run of before the gate looked at hospitals
            return dict(part)
        return {**part, name: [one for one in part[name] if one["organisation_id"] in here]}

    return {
        **report,
        "gate": kept(report["gate"], "hospitals"),
        "scorecard": kept(report["scorecard"], "hospitals"),
        "checks": kept(report["checks"], "results"),
    }


def _quality_lines(platform: Platform, report: Mapping[str, Any]) -> tuple[QualityLine, ...]:
    """One line per hospital and Kahn category, from the scorecard and the checks."""
    from studies.evidence.inputs import QualityLine

    kahn = {rule["id"]: rule["kahn"] for rule in report["checks"]["rules"]}
    lines = []
    for card in report["scorecard"]["hospitals"]:
        if card["organisation_id"] is None:
            continue
        hospital = platform.records.get(Organisation, card["organisation_id"])
        results = [
            one for one in report["checks"]["results"] if one["organisation_id"] == card["organisation_id"]
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
