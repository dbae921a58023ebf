"""Assemble: results, their provenance and the log's proofs become one signed, deterministic package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement
from sqlmodel import col, func, select

from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.flows.dossier_inputs import Chosen, Wanted, Words, basis_of, choose, words_of
from rwd_platform.flows.evidence_inputs import package_inputs
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import DOWNLOAD, check_content, is_as_recorded, pass_gate
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.flows.study import frozen_protocol, newest_run
from rwd_platform.flows.timestamps import stamp_package
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import PackageState
from rwd_platform.records.tables import AnalysisRun, EvidencePackage, PackageDossier, Study
from rwd_platform.store.layout import durable_folder, sync_folder
from rwd_platform.store.recording import one_at_a_time, until_recorded

if TYPE_CHECKING:
    from studies.evidence.package import BuiltPackage


def assemble_evidence(
    platform: Platform,
    actor: Actor,
    study_id: str,
    purpose: str,
    audience: str,
    *,
    tier: str = "",
    certificate: str = "",
) -> EvidencePackage:
    """Build a package of the newest run. The same inputs give the same bytes, save what is marked volatile.

    `tier`, `certificate`: as in Wanted. Raises `study.results_sealed` before its results are unsealed, and
    `evidence.incomplete` where the purpose's reader expects what is not there.
    """
    study = get_visible(platform.records, actor, "package.assemble", Study, study_id)
    wanted = Wanted(purpose, audience, tier, certificate)
    run = newest_run(platform, study)
    with refusals_recorded(platform.records, actor, "package.assemble", "lock", run.lock_id):
        check_lock_usable(platform, run.lock_id)
        check_unsealed(run)
        chosen = choose(frozen_protocol(platform, study), wanted, platform.clock())
    platform.records.record(
        Act(actor, "package.assembly_started", Object("run", run.id), purpose=f"{purpose}, {audience}")
    )
    words = words_of(platform, study, run)
    with (
        one_at_a_time(platform.layout, "package", study_id, purpose, audience),
        until_recorded(platform.layout),
    ):
        package = _made(platform, actor, study, run, chosen, words)
    stamp_package(platform, actor, package)
    return package


def _made(
    platform: Platform, actor: Actor, study: Study, run: AnalysisRun, chosen: Chosen, words: Words
) -> EvidencePackage:
    """The version that these inputs make. One that is on record is never written over: where its bytes are as on
    record it stays, though the log has gone on since, for releases name it by its hash; and where something that
    `basis_of` does not name has changed what it says (a hospital's name), that makes the next version.
    """
    basis = basis_of(run, chosen, words)
    version = _next_version(platform, study.id, chosen.wanted, basis)
    with platform.layout.scratch("package") as scratch:
        built = _build(platform, study, run, chosen, words, version, scratch)
        standing = _of_version(platform, study.id, chosen.wanted, version)
        if standing is not None and standing.id != built.package_id:
            version = _newest(platform, study.id, chosen.wanted) + 1
            built = _build(platform, study, run, chosen, words, version, scratch)
        elif standing is not None and is_as_recorded(platform, standing):
            platform.records.record(_assembled(actor, standing))
            return standing
        placed = _placed(built, platform.layout.packages)
    package = EvidencePackage(
        id=built.package_id,
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        study_id=study.id,
        run_id=run.id,
        purpose=chosen.wanted.purpose,
        version=version,
        audience=chosen.wanted.audience,
        file_name=placed.name,
        sha256=built.sha256,
        bytes=placed.stat().st_size,
        state=PackageState.ASSEMBLED,
        made_at=as_text(platform.clock()),
    )
    _put_on_record(platform, actor, package, chosen, basis)
    return package


def _build(
    platform: Platform,
    study: Study,
    run: AnalysisRun,
    chosen: Chosen,
    words: Words,
    version: int,
    folder: Path,
) -> BuiltPackage:
    from studies.evidence.package import build

    return build(package_inputs(platform, study, run, chosen, words, version), folder)


def _placed(built: BuiltPackage, packages: Path) -> Path:
    """Archive and folder where packages lie; what lies there under the name is on no record, or is damaged."""
    durable_folder(packages)
    archive, folder = packages / built.path.name, packages / built.folder.name
    shutil.rmtree(folder, ignore_errors=True)
    built.folder.rename(folder)
    built.path.replace(archive)
    sync_folder(packages)
    return archive


def _put_on_record(
    platform: Platform, actor: Actor, package: EvidencePackage, chosen: Chosen, basis: str
) -> None:
    dossier = PackageDossier(
        package_id=package.id,
        organisation_id=package.organisation_id,
        profile=chosen.profile.id,
        tier=chosen.tier,
        basis=basis,
        sealed_to=chosen.certificate_sha256,
    )
    with platform.records.transaction(audit=_assembled(actor, package)) as session:
        session.merge(package)
        session.flush()  # the other row names it
        session.merge(dossier)


def _assembled(actor: Actor, package: EvidencePackage) -> Act:
    named = Object("package", package.id, package.sha256)
    return Act(actor, "package.assembled", named, purpose=f"{package.purpose}, {package.audience}")


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


def _next_version(platform: Platform, study_id: str, wanted: Wanted, basis: str) -> int:
    """Another run, other words or another recipient make a new version; the same assembled again is the same one."""
    with platform.records.reading() as session:
        existing = session.exec(
            select(EvidencePackage.version)
            .join(PackageDossier, col(PackageDossier.package_id) == col(EvidencePackage.id))
            .where(_series(study_id, wanted), PackageDossier.basis == basis)
            .order_by(col(EvidencePackage.version).desc())
        ).first()
    return existing or _newest(platform, study_id, wanted) + 1


def _newest(platform: Platform, study_id: str, wanted: Wanted) -> int:
    with platform.records.reading() as session:
        newest = session.exec(
            select(func.max(EvidencePackage.version)).where(_series(study_id, wanted))
        ).one()
    return newest or 0


def _of_version(platform: Platform, study_id: str, wanted: Wanted, version: int) -> EvidencePackage | None:
    query = select(EvidencePackage).where(_series(study_id, wanted), EvidencePackage.version == version)
    found = platform.records.all(query.order_by(col(EvidencePackage.made_at).desc()))
    return found[0] if found else None


def _series(study_id: str, wanted: Wanted) -> ColumnElement[bool]:
    return (
        (col(EvidencePackage.study_id) == study_id)
        & (col(EvidencePackage.purpose) == wanted.purpose)
        & (col(EvidencePackage.audience) == wanted.audience)
    )
