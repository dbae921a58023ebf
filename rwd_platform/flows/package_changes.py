"""The versions of a package that somebody may see, and what one of two says that the other did not.

Both have to be readable by whoever asks: a difference tells what stands in either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from rwd_platform.access.permissions import get_visible, visible_rows
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_gate import check_content, may_read
from rwd_platform.log.entry import Actor
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import EvidencePackage

READ = "package.read"


@dataclass(frozen=True)
class Compared:
    """Two versions, the older first.

    changes    -- changes.json of the two (studies.evidence.changes)
    statements -- added, removed, changed: id, asks, before, after
    reasons    -- of the analyses that either did not do, why; the newer's word where both have one
    """

    before: EvidencePackage
    after: EvidencePackage
    changes: Mapping[str, Any]
    statements: Mapping[str, Any]
    reasons: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        return {**self.changes, "statements": self.statements}


def versions_of(platform: Platform, actor: Actor, package: EvidencePackage) -> list[EvidencePackage]:
    """This package and the others of its study, purpose and audience that the actor may read, the newest first."""
    query = (
        select(EvidencePackage)
        .where(
            EvidencePackage.study_id == package.study_id,
            EvidencePackage.purpose == package.purpose,
            EvidencePackage.audience == package.audience,
        )
        .order_by(col(EvidencePackage.version).desc(), col(EvidencePackage.made_at).desc())
    )
    found = visible_rows(platform.records, actor, READ, platform.records.all(query))
    return [one for one in found if may_read(platform, actor, one)]


def compared(platform: Platform, actor: Actor, package_id: str, other_id: str) -> Compared:
    """What changed between two versions. Absent, not released to the actor, and of another study, purpose or audience
    are the same NOT_FOUND. Raises `release.content_changed` where an archive is no longer what was put on record.
    """
    package = get_visible(platform.records, actor, READ, EvidencePackage, package_id)
    readable = {one.id: one for one in versions_of(platform, actor, package)}
    for id in (package_id, other_id):
        if id not in readable or package_id == other_id:
            raise _not_found(id)
    before, after = sorted(
        (readable[package_id], readable[other_id]), key=lambda one: (one.version, one.made_at, one.id)
    )
    return _compared(platform, before, after)


def _compared(platform: Platform, before: EvidencePackage, after: EvidencePackage) -> Compared:
    from studies.evidence.changes import changes, read_version, statement_changes

    for one in (before, after):
        check_content(platform, one)
    old, new = (read_version(platform.layout.packages / one.file_name) for one in (before, after))
    reasons = {**_reasons(old.results), **_reasons(new.results)}
    found = changes(old, new, with_values=after.audience != "aggregate")
    return Compared(before, after, found, statement_changes(old, new), reasons)


def _reasons(results: Mapping[str, Any]) -> dict[str, str]:
    said = results.get("not_done", {})
    return {str(id): str(why) for id, why in said.items()} if isinstance(said, Mapping) else {}


def _not_found(id: str) -> PlatformError:
    return NOT_FOUND.error(
        kind=EvidencePackage.__tablename__, id=id if len(id) <= 80 and id.isprintable() else "?"
    )
