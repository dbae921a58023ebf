"""Read models of releases: what the page and the API show of one, grouped as a reviewer reads it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from deidentify.disclosure.recipients import CONDITION_TEXTS, recipient_of
from deidentify.disclosure.rules import RULES
from rwd_platform.access.permissions import can
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import release as flow
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import circle_name
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import EvidencePackage, Organisation, OutputRelease, Study
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor

MANIFEST = "manifest-sha256.txt"
MOST_PLACES = 12  # shown of one rule; the rest is counted


@dataclass(frozen=True)
class RuleGroup:
    """All findings of one rule with one remedy: where they are, and how many more there are."""

    rule: str
    title: Bilingual
    outcome: str
    what: Bilingual
    remedy: Bilingual
    places: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Vote:
    name: str
    approved: bool
    reason: str
    voted_at: str


@dataclass(frozen=True)
class ReleaseView:
    """One release with everything a reviewer decides by."""

    asked: OutputRelease
    package: EvidencePackage
    study: Study | None
    requested_by: str
    circle: Bilingual
    groups: tuple[RuleGroup, ...]
    changes: tuple[tuple[str, str, int], ...]  # (action, rule, how many places)
    minimal: bool
    conditions: tuple[tuple[Bilingual, str], ...]
    votes: tuple[Vote, ...]
    files: tuple[tuple[str, str], ...]  # (name, sha256)
    may_vote: bool
    may_complete: bool
    approvals_needed: int


def visible(platform: Platform, visitor: Visitor, package_id: str = "") -> list[OutputRelease]:
    """The newest first."""
    query = select(OutputRelease).order_by(
        col(OutputRelease.requested_at).desc(), col(OutputRelease.id).desc()
    )
    if package_id:
        query = query.where(OutputRelease.package_id == package_id)
    return [
        one for one in platform.records.all(query) if can(visitor.actor, "release.read", one.organisation_id)
    ]


def circles(platform: Platform) -> Mapping[str, Bilingual]:
    """The names of the circles that are organisations on record; any other is shown as it was written."""
    found = platform.records.all(select(Organisation))
    return {circle_name(each.id): Bilingual(each.name_zh, each.name_en) for each in found}


def one(platform: Platform, visitor: Visitor, release_id: str) -> OutputRelease:
    """A release, or NOT_FOUND: what is another's looks like what is not there."""
    row = platform.records.find(OutputRelease, release_id)
    if row is None or not can(visitor.actor, "release.read", row.organisation_id):
        shown = release_id if len(release_id) <= 80 and release_id.isprintable() else "?"
        raise NOT_FOUND.error(kind="output_release", id=shown)
    return row


def view(platform: Platform, visitor: Visitor, release_id: str) -> ReleaseView:
    asked = one(platform, visitor, release_id)
    package = platform.records.get(EvidencePackage, asked.package_id)
    votes = flow.votes_of(platform, asked.id)
    has_voted = any(cast.approver_id == visitor.actor.id for cast in votes)
    involved = visitor.actor.id in flow.involved_in(platform, asked)
    own = can(visitor.actor, "release.request", asked.organisation_id)
    return ReleaseView(
        asked=asked,
        package=package,
        study=platform.records.find(Study, package.study_id),
        requested_by=queries.name_of(platform.records, asked.requested_by),
        circle=circles(platform).get(asked.circle, Bilingual(asked.circle, asked.circle)),
        groups=grouped(asked.verdict.get("findings", [])),
        changes=_changes(asked.verdict.get("smallest_change", [])),
        minimal=bool(asked.verdict.get("minimal", True)),
        conditions=tuple(
            (CONDITION_TEXTS[name], str(asked.conditions.get(name, "")))
            for name in recipient_of(asked.recipient_kind).conditions
            if name in asked.conditions
        ),
        votes=tuple(
            Vote(
                queries.name_of(platform.records, cast.approver_id), cast.approved, cast.reason, cast.voted_at
            )
            for cast in votes
        ),
        files=_files(platform, package),
        may_vote=asked.state == "requested"
        and can(visitor.actor, "release.approve", asked.organisation_id)
        and not has_voted
        and not involved,
        may_complete=asked.state == "approved" and own,
        approvals_needed=max(0, flow.VOTES_NEEDED - sum(cast.approved for cast in votes)),
    )


def grouped(findings: Sequence[dict[str, Any]]) -> tuple[RuleGroup, ...]:
    """Findings that say the same about different places, in the order of the check."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((finding["rule"], finding["zh"], finding["remedy_zh"]), []).append(finding)
    return tuple(
        RuleGroup(
            rule=rule,
            title=RULES[rule].title if rule in RULES else Bilingual(rule, rule),
            outcome=members[0]["outcome"],
            what=Bilingual(members[0]["zh"], members[0]["en"]),
            remedy=Bilingual(members[0]["remedy_zh"], members[0]["remedy_en"]),
            places=tuple(member["where"] for member in members[:MOST_PLACES]),
            more=max(0, len(members) - MOST_PLACES),
        )
        for (rule, _, _), members in groups.items()
    )


def _changes(changes: Sequence[dict[str, str]]) -> tuple[tuple[str, str, int], ...]:
    counted: dict[tuple[str, str], int] = {}
    for change in changes:
        key = (change["action"], change["rule"])
        counted[key] = counted.get(key, 0) + 1
    return tuple((action, rule, count) for (action, rule), count in counted.items())


def _files(platform: Platform, package: EvidencePackage) -> tuple[tuple[str, str], ...]:
    """Each file of the package with its hash, from its own manifest; nothing where the file is gone."""
    path = platform.layout.packages / package.file_name
    if not path.is_file():
        return ()
    with zipfile.ZipFile(path) as archive:
        root = package.file_name.removesuffix(".zip")
        if f"{root}/{MANIFEST}" not in archive.namelist():
            return ()
        lines = archive.read(f"{root}/{MANIFEST}").decode("utf-8").splitlines()
    return tuple((name, digest) for digest, _, name in (line.partition("  ") for line in lines) if name)
