"""Evidence packages: read, download, verify, and follow any number to its source lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import FileResponse

from rwd_platform.flows import trace
from rwd_platform.flows.package_changes import compared, versions_of
from rwd_platform.flows.release_gate import check_reader
from rwd_platform.flows.timestamps import standing_of_package, standing_of_protocol
from rwd_platform.records.tables import EvidencePackage, Study
from rwd_platform.server import package_files, queries
from rwd_platform.server.api.models import REFUSALS, PackageOut
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/packages", tags=["packages"], responses=REFUSALS)

ReadsPackages = Annotated[Visitor, Depends(Door("package.read"))]
VerifiesPackages = Annotated[Visitor, Depends(Door("package.verify"))]
DownloadsPackages = Annotated[Visitor, Depends(Door("package.download"))]
TracesNumbers = Annotated[Visitor, Depends(Door("trace.read"))]


@router.get("", response_model=list[PackageOut])
def get_packages(visitor: ReadsPackages, platform: PlatformDep) -> list[PackageOut]:
    return [PackageOut.of(package) for package in package_files.open_to(platform, visitor)]


@router.get("/{package_id}", response_model=PackageOut)
def get_package(visitor: ReadsPackages, platform: PlatformDep, package_id: str) -> PackageOut:
    return PackageOut.of(package_files.opened(platform, visitor, package_id))


@router.get("/{package_id}/file", response_class=FileResponse)
def get_package_file(visitor: DownloadsPackages, platform: PlatformDep, package_id: str) -> FileResponse:
    """The package. The download is in the log."""
    return package_files.download(platform, visitor, _package(visitor, platform, package_id))


@router.get("/{package_id}/versions", response_model=list[PackageOut])
def get_versions(visitor: ReadsPackages, platform: PlatformDep, package_id: str) -> list[PackageOut]:
    """This package and the others of its study, purpose and audience that the visitor may read, the newest first."""
    package = package_files.opened(platform, visitor, package_id)
    return [PackageOut.of(one) for one in versions_of(platform, visitor.actor, package)]


@router.get("/{package_id}/changes/{other_id}")
def get_changes(
    visitor: ReadsPackages, platform: PlatformDep, package_id: str, other_id: str
) -> dict[str, Any]:
    """What changed between two versions, the older first: results, analyses not done, files, statements."""
    return compared(platform, visitor.actor, package_id, other_id).as_dict()


@router.get("/{package_id}/timestamps")
def get_timestamps(visitor: ReadsPackages, platform: PlatformDep, package_id: str) -> dict[str, Any]:
    """Whether an authority stamped the frozen protocol and the package's manifest, and why not."""
    package = package_files.opened(platform, visitor, package_id)
    check_reader(platform, visitor.actor, package)
    study = platform.records.get(Study, package.study_id)
    return {
        "protocol": standing_of_protocol(platform, study).as_dict(),
        "package": standing_of_package(platform, package).as_dict(),
    }


@router.post("/{package_id}/verification")
def post_verification(visitor: VerifiesPackages, platform: PlatformDep, package_id: str) -> dict[str, Any]:
    """Verify the stored package now: files, signature, proofs, numbers."""
    return package_files.verify(platform, visitor, _package(visitor, platform, package_id)).as_dict()


@router.get("/{package_id}/numbers")
def get_numbers(visitor: ReadsPackages, platform: PlatformDep, package_id: str) -> list[dict[str, Any]]:
    """Every number printed in the report."""
    _package(visitor, platform, package_id)
    return trace.numbers_of(platform, visitor.actor, package_id)


@router.get("/{package_id}/numbers/{number_id}")
def get_trace(
    visitor: TracesNumbers, platform: PlatformDep, package_id: str, number_id: str
) -> dict[str, Any]:
    """One number's chain: result, variables, rows, source file, line and digest. The read is in the log."""
    _package(visitor, platform, package_id)
    return asdict(trace.trace_number(platform, visitor.actor, package_id, number_id))


def _package(visitor: Visitor, platform: PlatformDep, package_id: str) -> EvidencePackage:
    return queries.owned(platform.records, visitor, "package.read", EvidencePackage, package_id)
