"""A second person says whether a package holds nothing about a single patient; the transfer rules rely on it."""

from __future__ import annotations

import json

from sqlmodel import select

from deidentify.disclosure.rules.texts import identifies
from rwd_platform.access.permissions import get_visible
from rwd_platform.compliance.facts import small_cells
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.people_problems import REASON_IDENTIFIES
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import results_in
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, EvidencePackage

REVIEWED = "package.anonymity_reviewed"

REVIEWER_ASSEMBLED = Problem(
    code="review.same_person",
    zh="组装证据包 {package} 的人不能复核它。",
    en="Whoever assembled package {package} may not review it.",
    next_zh="请由另一人复核。",
    next_en="Let another person review it.",
    http=403,
    exit=Exit.REFUSED,
)


def review_anonymity(platform: Platform, actor: Actor, package_id: str, statement: str) -> bool:
    """Put a review on record: the reviewer's statement, and what the search for small cells found.

    True when the package is for readers without row-level access and no count of persons is small. The
    search is necessary and never enough (compliance.facts says what it does not see): the person decides.
    """
    package = get_visible(platform.records, actor, "package.read", EvidencePackage, package_id)
    for entry in platform.records.all(
        select(AuditEntry).where(AuditEntry.action == "package.assembled", AuditEntry.object_id == package_id)
    ):
        if entry.actor_id == actor.id:
            raise REVIEWER_ASSEMBLED.error(package=package_id)
    if identifies(statement):
        raise REASON_IDENTIFIES.error()
    found = small_cells(results_in(platform, package)["rows"])
    anonymous = package.audience == "aggregate" and not found
    platform.records.record(
        Act(
            actor,
            REVIEWED,
            Object("package", package_id, package.sha256),
            reason=statement,
            outcome="done" if anonymous else "refused",
            decision={"anonymous": anonymous, "small_cells": len(found), "audience": package.audience},
        )
    )
    return anonymous


def is_reviewed_as_anonymous(platform: Platform, package_id: str) -> bool:
    """Whether the newest review of the package says so, about the content that it has now."""
    package = platform.records.get(EvidencePackage, package_id)
    entries = platform.records.all(
        select(AuditEntry)
        .where(AuditEntry.action == REVIEWED, AuditEntry.object_id == package_id)
        .order_by(AuditEntry.sequence)  # type: ignore[arg-type]  # SQLModel types columns as values
    )
    if not entries or entries[-1].outcome != "done":
        return False
    return bool(json.loads(entries[-1].body)["object"]["version"] == package.sha256)
