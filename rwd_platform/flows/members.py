"""Members of a study. With the first one it is closed to everybody else of its organisation.

Until then every researcher of the organisation sees it. Whoever registered it names its members, or a security
administrator does; the first naming makes the registrant a member too, who would else be shut out of their own study.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from rwd_platform.access.accounts import is_in_use
from rwd_platform.access.permissions import Action, Scope, can_see, check_may
from rwd_platform.access.projects import is_member_now
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.people_problems import checked_day, checked_reason, today
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import AuditEntry, ProjectGrant, Study, User

_MANAGE = Action.MEMBER_MANAGE

NOT_REGISTRANT = Problem(
    code="member.not_registrant",
    zh="只有登记该研究的人或安全管理员可以管理其成员。",
    en="The members of a study are named by whoever registered it, or by a security administrator.",
    next_zh="请联系登记人或安全管理员。",
    next_en="Ask one of them.",
    http=403,
    exit=Exit.REFUSED,
)
NOT_ELIGIBLE = Problem(
    code="member.not_eligible",
    zh="成员须是该研究所属机构在用的研究者账号。",
    en="A member is a researcher of the study's own organisation, with an account in use.",
    next_zh="请从列表中选择；其他机构的人员请先由安全管理员在本机构开设账号。",
    next_en="Choose one of the list; for somebody of elsewhere have an account made in this organisation first.",
    http=422,
)
MEMBER_ALREADY = Problem(
    code="member.already",
    zh="此人已是成员，或已定好将来的起始日。",
    en="This person is a member already, or will be.",
    next_zh="如需更改期限，请先移除再重新指定。",
    next_en="For other days remove the member and name them again.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Member:
    """A membership with whom it is of. `standing`: now, to_come, over or removed."""

    grant: ProjectGrant
    user: User
    standing: str


@dataclass(frozen=True)
class Membership:
    """A study's members, whether it is closed, and what the visitor may do about it."""

    study: Study
    members: list[Member]
    closed: bool
    may_manage: bool
    candidates: list[User]


def membership(platform: Platform, actor: Actor, study_id: str) -> Membership:
    """Who the members are. Raises NOT_FOUND for a study that the actor may not see."""
    study = _study(platform, actor, study_id)
    now, day = platform.clock(), today(platform.clock)
    rows = platform.records.all(
        select(ProjectGrant)
        .where(ProjectGrant.project_id == study.project_id)
        .order_by(col(ProjectGrant.granted_at).desc(), col(ProjectGrant.id))
    )
    users = {one.id: one for one in platform.records.all(select(User))}
    members = [
        Member(
            row,
            users[row.user_id],
            "removed"
            if row.revoked_at
            else "now"
            if is_member_now(row, now)
            else "to_come"
            if day < row.since
            else "over",
        )
        for row in rows
    ]
    may_manage = _may_manage(platform, actor, study)
    held = {one.user.id for one in members if one.standing in ("now", "to_come")}
    candidates = [one for one in users.values() if one.id not in held and _is_eligible(platform, one, study)]
    return Membership(
        study,
        members,
        bool(rows),
        may_manage,
        sorted(candidates, key=lambda one: one.login) if may_manage else [],
    )


def name_member(
    platform: Platform, actor: Actor, study_id: str, user_id: str, since: str, until: str, reason: str
) -> ProjectGrant:
    """since, until: first and last day in Asia/Shanghai; "" is today, and no end."""
    with refusals_recorded(platform.records, actor, _MANAGE, "study", study_id):
        study = _managed(platform, actor, study_id)
        said, day = checked_reason(reason), today(platform.clock)
        first = checked_day(since or day, not_before=day, field="first day", field_zh="起始日")
        last = checked_day(until, not_before=first, field="last day", field_zh="截止日", empty=True)
        user = platform.records.find(User, user_id)
        if user is None or not _is_eligible(platform, user, study):
            raise NOT_ELIGIBLE.error()
        row = _grant(platform, actor, study, user_id, first, last, said)
        act = Act(
            actor, "member.named", Object("project_grant", row.id), reason=said, purpose=study.project_id
        )
        with platform.records.transaction(audit=act) as session:
            held = _held(session, study.project_id, user_id)
            if any(not one.revoked_at and (not one.until or one.until >= day) for one in held):
                raise MEMBER_ALREADY.error()
            if not held and not _has_members(session, study.project_id):
                owner = platform.records.find(User, registrant_of(platform, study))
                if owner is not None and owner.id != user_id and _is_eligible(platform, owner, study):
                    session.add(_grant(platform, actor, study, owner.id, day, "", said))
            session.add(row)
    return row


def remove_member(platform: Platform, actor: Actor, grant_id: str, reason: str) -> ProjectGrant:
    """From now on the person does not see the study. It stays closed, also when this was the last member."""
    with refusals_recorded(platform.records, actor, _MANAGE, "project_grant", grant_id):
        check_may(actor, _MANAGE)
        found = platform.records.find(ProjectGrant, grant_id)
        if found is None or not can_see(platform.records, actor, _MANAGE, found):
            raise NOT_FOUND.error(kind="project_grant", id=grant_id[:80])
        study = _of_project(platform, found.project_id)
        _managed(platform, actor, study.id)
        said = checked_reason(reason)
        act = Act(
            actor, "member.removed", Object("project_grant", grant_id), reason=said, purpose=study.project_id
        )
        with platform.records.transaction(audit=act) as session:
            row = session.get_one(ProjectGrant, grant_id)
            if row.revoked_at:
                raise NOT_FOUND.error(kind="project_grant", id=grant_id)
            row.revoked_at, row.revoked_by = as_text(platform.clock()), actor.id
            session.add(row)
    return row


def projects(platform: Platform, actor: Actor) -> list[tuple[Study, int]]:
    """Every study and how many memberships it has: for the security administrator, who is shown their ids alone."""
    if check_may(actor, _MANAGE) is not Scope.ANY:
        return []
    counts: dict[str, int] = {}
    for row in platform.records.all(select(ProjectGrant).where(ProjectGrant.revoked_at == "")):
        counts[row.project_id] = counts.get(row.project_id, 0) + 1
    rows = platform.records.all(select(Study).order_by(col(Study.project_id)))
    return [(row, counts.get(row.project_id, 0)) for row in rows]


def registrant_of(platform: Platform, study: Study) -> str:
    """Who registered the study, by its entry in the log; "" where there is none."""
    rows = platform.records.all(
        select(AuditEntry)
        .where(AuditEntry.action == "study.registered", AuditEntry.object_id == study.id)
        .order_by(col(AuditEntry.sequence))
        .limit(1)
    )
    return rows[0].actor_id if rows else ""


def _study(platform: Platform, actor: Actor, study_id: str) -> Study:
    """A study that the actor may see. Raises NOT_FOUND; nothing tells a hidden one from one that is not there."""
    check_may(actor, _MANAGE)
    study = platform.records.find(Study, study_id)
    if study is None or not can_see(platform.records, actor, _MANAGE, study):
        raise NOT_FOUND.error(kind="study", id=study_id[:80])
    return study


def _managed(platform: Platform, actor: Actor, study_id: str) -> Study:
    study = _study(platform, actor, study_id)
    if not _may_manage(platform, actor, study):
        raise NOT_REGISTRANT.error()
    return study


def _may_manage(platform: Platform, actor: Actor, study: Study) -> bool:
    return actor.role == Role.SECURITY or actor.id == registrant_of(platform, study)


def _of_project(platform: Platform, project_id: str) -> Study:
    [study] = platform.records.all(select(Study).where(Study.project_id == project_id))
    return study


def _is_eligible(platform: Platform, user: User, study: Study) -> bool:
    return (
        user.role == Role.RESEARCHER
        and user.organisation_id == study.organisation_id
        and is_in_use(user, platform.clock())
    )


def _grant(
    platform: Platform, actor: Actor, study: Study, user_id: str, since: str, until: str, reason: str
) -> ProjectGrant:
    now = platform.clock()
    return ProjectGrant(
        id=new_id("member", now),
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        user_id=user_id,
        since=since,
        until=until,
        reason=reason,
        granted_by=actor.id,
        granted_at=as_text(now),
    )


def _held(session: Session, project_id: str, user_id: str) -> list[ProjectGrant]:
    query = select(ProjectGrant).where(ProjectGrant.project_id == project_id, ProjectGrant.user_id == user_id)
    return list(session.exec(query).all())


def _has_members(session: Session, project_id: str) -> bool:
    query = select(ProjectGrant).where(ProjectGrant.project_id == project_id).limit(1)
    return session.exec(query).first() is not None
