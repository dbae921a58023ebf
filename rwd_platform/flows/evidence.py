"""Assemble: results, their provenance and the log's proofs become one signed, deterministic package."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import col, func, select

from rwd_platform.access.permissions import get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.clock import as_text
from rwd_platform.flows.dossier_inputs import Chosen, Wanted, basis_of, choose, words_of
from rwd_platform.flows.evidence_inputs import package_inputs
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import DOWNLOAD, check_content, pass_gate
from rwd_platform.flows.sealed_results import check_unsealed
from rwd_platform.flows.study import frozen_protocol, newest_run
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import PackageState
from rwd_platform.records.tables import EvidencePackage, PackageDossier, Study
from rwd_platform.store.recording import until_recorded


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
    from studies.evidence.package import build

    study = get_visible(platform.records, actor, "package.assemble", Study, study_id)
    wanted = Wanted(purpose, audience, tier, certificate)
    run = newest_run(platform, study)
    with refusals_recorded(platform.records, actor, "package.assemble", "lock", run.lock_id):
        check_lock_usable(platform, run.lock_id)
        check_unsealed(run)
        chosen = choose(frozen_protocol(platform, study), wanted)
    platform.records.record(
        Act(actor, "package.assembly_started", Object("run", run.id), purpose=f"{purpose}, {audience}")
    )
    words = words_of(platform, study)
    basis = basis_of(run, chosen, words)
    version = _next_version(platform, study_id, wanted, basis)
    inputs = package_inputs(platform, study, run, chosen, words, version)
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
        _put_on_record(platform, actor, package, chosen, basis)
    return package


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
    act = Act(
        actor,
        "package.assembled",
        Object("package", package.id, package.sha256),
        purpose=f"{package.purpose}, {package.audience}",
    )
    with platform.records.transaction(audit=act) as session:
        session.merge(package)
        session.flush()  # the other row names it
        session.merge(dossier)


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
        same = (
            (col(EvidencePackage.study_id) == study_id)
            & (col(EvidencePackage.purpose) == wanted.purpose)
            & (col(EvidencePackage.audience) == wanted.audience)
        )
        existing = session.exec(
            select(EvidencePackage.version)
            .join(PackageDossier, col(PackageDossier.package_id) == col(EvidencePackage.id))
            .where(same, PackageDossier.basis == basis)
        ).first()
        newest = session.exec(select(func.max(EvidencePackage.version)).where(same)).one()
    return existing or (newest or 0) + 1
