"""Verify an evidence package, and on demand recompute its results from a data lock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import EvidencePackage
from studies.evidence.verify import Rerun, Verification, verify_package

RELATIVE_TOLERANCE = 1e-9  # the same code on another machine: only the last bits may differ
_NUMBERS = ("value", "ci_low", "ci_high", "n", "events")

LOCK_OF_ANOTHER = Problem(
    code="verify.lock_of_another",
    zh="数据锁定 {lock} 不是该证据包所依据的锁定 {wanted}。",
    en="The data lock {lock} is not the one that the package rests on, {wanted}.",
    next_zh="请给出证据包中注明的数据锁定目录。",
    next_en="Give the folder of the lock that the package names.",
)


def verify_package_at(path: Path, trusted_key: bytes | None, rerun_lock: Path | None) -> Verification:
    """Every check of `rwd verify`. Needs no database, key or configuration."""
    rerun = _rerun_from(rerun_lock, _protocol_in(path)) if rerun_lock is not None else None
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


def _protocol_in(path: Path) -> str:
    from studies.evidence.templates import verify as standalone

    members = standalone.read_package(path, standalone.Findings())
    return members.get("data/01_protocol/protocol.yaml", b"").decode("utf-8")


def _rerun_from(lock: Path, protocol_text: str) -> Rerun:
    """A function that names each stored result that the lock does not give again."""

    def rerun(stored: dict[str, Any]) -> Iterable[str]:
        from rwd_platform.flows.study import dataset_in
        from rwd_platform.store.lock import open_lock
        from studies.protocol import load_protocol
        from studies.run import run_analyses

        opened = open_lock(lock)
        if opened.id != stored["lock_id"]:
            raise LOCK_OF_ANOTHER.error(lock=opened.id, wanted=stored["lock_id"])
        protocol = load_protocol(protocol_text)
        again = run_analyses(dataset_in(opened, protocol), protocol, opened.id).as_dict()
        return differing_rows(stored["rows"], again["rows"])

    return rerun


def differing_rows(stored: Iterable[Mapping[str, Any]], again: Iterable[Mapping[str, Any]]) -> list[str]:
    """Ids of results that are missing on one side, or differ by more than the tolerance."""
    first, second = ({row["id"]: row for row in rows} for rows in (stored, again))
    differing = set(first) ^ set(second)
    for id in set(first) & set(second):
        if not all(_same(first[id][name], second[id][name]) for name in _NUMBERS):
            differing.add(id)
    return sorted(differing)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    return bool(one == other)
