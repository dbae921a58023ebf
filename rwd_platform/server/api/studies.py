"""Studies: register, freeze, lock, analyse, package. Long steps answer with their job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from rwd_platform.flows import study as study_flow
from rwd_platform.flows.release_gate import readable_locks, readable_runs
from rwd_platform.records.tables import Study
from rwd_platform.server import queries, steps
from rwd_platform.server.api.models import (
    REFUSALS,
    JobOut,
    LockOut,
    PackageIn,
    ProtocolIn,
    ReasonIn,
    RunOut,
    StudyOut,
)
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/studies", tags=["studies"], responses=REFUSALS)

ReadsStudies = Annotated[Visitor, Depends(Door("study.read"))]
RegistersStudies = Annotated[Visitor, Depends(Door("study.register"))]
FreezesStudies = Annotated[Visitor, Depends(Door("study.freeze"))]
LocksData = Annotated[Visitor, Depends(Door("study.lock"))]
ReadsResults = Annotated[Visitor, Depends(Door("results.read"))]
RunsStudies = Annotated[Visitor, Depends(Door("study.run"))]
AssemblesPackages = Annotated[Visitor, Depends(Door("package.assemble"))]


@router.get("", response_model=list[StudyOut])
def get_studies(visitor: ReadsStudies, platform: PlatformDep) -> list[StudyOut]:
    return [StudyOut.of(study) for study in queries.studies(platform.records, visitor)]


@router.post("", response_model=StudyOut, status_code=201)
def post_study(visitor: RegistersStudies, platform: PlatformDep, protocol: ProtocolIn) -> StudyOut:
    """Register a protocol. Errors name the place in the YAML."""
    return StudyOut.of(study_flow.register_study(platform, visitor.actor, protocol.protocol))


@router.get("/{study_id}", response_model=StudyOut)
def get_study(visitor: ReadsStudies, platform: PlatformDep, study_id: str) -> StudyOut:
    return StudyOut.of(queries.owned(platform.records, visitor, "study.read", Study, study_id))


@router.post("/{study_id}/freeze", response_model=StudyOut)
def post_freeze(visitor: FreezesStudies, platform: PlatformDep, study_id: str, why: ReasonIn) -> StudyOut:
    """Freeze the protocol. Outcomes are not readable before."""
    queries.owned(platform.records, visitor, "study.read", Study, study_id)
    study_flow.freeze_protocol(platform, visitor.actor, study_id, why.reason)
    return get_study(visitor, platform, study_id)


@router.post("/{study_id}/locks", response_model=JobOut, status_code=202)
def post_lock(visitor: LocksData, platform: PlatformDep, study_id: str) -> JobOut:
    """Queue a data lock."""
    study = queries.owned(platform.records, visitor, "study.lock", Study, study_id)
    return JobOut.of(steps.start_lock(platform, visitor, study))


@router.get("/{study_id}/locks", response_model=list[LockOut])
def get_locks(visitor: ReadsStudies, platform: PlatformDep, study_id: str) -> list[LockOut]:
    """The study's locks, newest first; the manifest for its own organisation and where results were released."""
    queries.owned(platform.records, visitor, "study.read", Study, study_id)
    locks = queries.locks(platform.records, study_id)
    readable = readable_locks(platform, visitor.actor, locks)
    return [LockOut.of(lock, whole=lock.id in readable) for lock in locks]


@router.post("/{study_id}/runs", response_model=JobOut, status_code=202)
def post_run(visitor: RunsStudies, platform: PlatformDep, study_id: str) -> JobOut:
    """Queue the planned analyses on the newest lock."""
    study = queries.owned(platform.records, visitor, "study.run", Study, study_id)
    return JobOut.of(steps.start_run(platform, visitor, study))


@router.get("/{study_id}/runs", response_model=list[RunOut])
def get_runs(visitor: ReadsResults, platform: PlatformDep, study_id: str) -> list[RunOut]:
    """Runs with their results, newest first; to another organisation those that were released to it."""
    queries.owned(platform.records, visitor, "results.read", Study, study_id)
    runs = readable_runs(platform, visitor.actor, queries.runs(platform.records, study_id))
    return [RunOut.of(run) for run in runs]


@router.post("/{study_id}/packages", response_model=JobOut, status_code=202)
def post_package(
    visitor: AssemblesPackages, platform: PlatformDep, study_id: str, wanted: PackageIn
) -> JobOut:
    """Queue an evidence package for a named purpose and audience."""
    study = queries.owned(platform.records, visitor, "package.assemble", Study, study_id)
    return JobOut.of(steps.start_assemble(platform, visitor, study, wanted.wanted()))
