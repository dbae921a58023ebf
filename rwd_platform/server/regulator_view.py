"""A regulator's home: the packages made for the authority first, each with whether the own organisation verified it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlmodel import col, select

from rwd_platform.access.roles import Role
from rwd_platform.audit.query import LogFilter, LogLine, read_log
from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import BreakGlassState
from rwd_platform.records.tables import BreakGlassRequest, EvidencePackage
from rwd_platform.server import log_view, queries
from rwd_platform.server.deps import Visitor

FOR_US = "authority"
_MOST_ASKED = 3
Todo = tuple[str, Bilingual, str, Bilingual]


def ordered(packages: Sequence[EvidencePackage]) -> list[EvidencePackage]:
    """Those for the authority first, otherwise as they come."""
    return sorted(packages, key=lambda one: one.audience != FOR_US)


def verifications(
    platform: Platform, visitor: Visitor, packages: Sequence[EvidencePackage]
) -> Mapping[str, LogLine] | None:
    """package -> the newest verification of it by the visitor's organisation; None for whoever is no regulator."""
    if visitor.user.role != Role.REGULATOR:
        return None
    found = {}
    for one in packages:
        asked = LogFilter(
            action="package.verified",
            object_id=one.id,
            organisation_id=visitor.actor.organisation,
            page_size=1,
        )
        lines = read_log(platform.records, asked).lines
        if lines:
            found[one.id] = lines[0]
    return found


def to_do(
    platform: Platform,
    visitor: Visitor,
    packages: Sequence[EvidencePackage],
    verified: Mapping[str, LogLine] | None,
) -> list[Todo]:
    """Packages for the authority that nobody of the organisation verified, and identities that may be looked at now."""
    todos = _approved(platform, visitor)
    titles = queries.project_titles(platform.records, visitor)
    waiting = [
        one for one in packages if one.audience == FOR_US and verified is not None and one.id not in verified
    ]
    for one in waiting[:_MOST_ASKED]:
        title = titles.get(one.project_id, Bilingual(one.project_id, one.project_id))
        text = Bilingual(
            f"贵机构尚未核验交给监管部门的证据包：“{title.zh}”",
            f"Your organisation has not verified a package made for the authority: “{title.en}”",
        )
        todos.append(("held", text, f"/packages/{one.id}", Bilingual("去核验", "Verify")))
    return todos


def _approved(platform: Platform, visitor: Visitor) -> list[Todo]:
    """A request of the visitor's own that was approved closes by itself, so that it stands first."""
    if not visitor.may("break_glass.open"):
        return []
    query = (
        select(BreakGlassRequest)
        .where(
            BreakGlassRequest.requested_by == visitor.user.id,
            BreakGlassRequest.state == BreakGlassState.APPROVED,
        )
        .order_by(col(BreakGlassRequest.open_until))
    )
    todos: list[Todo] = []
    now = as_text(platform.clock())
    for one in platform.records.all(query):
        if one.open_until <= now:
            continue
        until = log_view.shanghai(one.open_until)
        text = Bilingual(
            f"您的应急查看申请已获批准，{until} 前可以查看一次",
            f"Your break-glass request is approved: you may look once, until {until}",
        )
        todos.append(("held", text, f"/break-glass/{one.id}", Bilingual("去查看", "Look")))
    return todos
