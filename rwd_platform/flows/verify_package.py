"""Verify an evidence package, and on demand recompute its results from a data lock."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import EvidencePackage
from studies.evidence.verify import Rerun, Verification, verify_package


def verify_package_at(path: Path, trusted_key: bytes | None, rerun_lock: Path | None) -> Verification:
    """Every check of `rwd verify`. Needs no database, key or configuration."""
    rerun = _rerun_from(rerun_lock, path) if rerun_lock is not None else None
    return verify_package(path, trusted_key, rerun)


def verify_stored(platform: Platform, actor: Actor, package_id: str) -> Verification:
    """The stored package against this deployment's own key; that it was verified is in the log."""
    from rwd_platform.access.permissions import get_visible

    package = get_visible(platform.records, actor, "package.verify", EvidencePackage, package_id)
    verification = verify_package(
        platform.layout.packages / package.file_name, platform.package_signer.public_key
    )
    outcome = "done" if verification.holds else "failed"
    platform.records.record(
        Act(actor, "package.verified", Object("package", package_id, package.sha256), outcome=outcome)
    )
    return verification


def _rerun_from(lock: Path, package: Path) -> Rerun:
    """A function that names what in the package the lock does not give again: rows, series, reasons, its account."""

    def rerun(_: dict[str, Any]) -> Iterable[str]:
        from rwd_platform.flows.recompute_package import differing, recompute
        from studies.evidence.templates import verify as standalone

        members = standalone.read_package(package, standalone.Findings())
        return differing(members, recompute(members, lock))

    return rerun
