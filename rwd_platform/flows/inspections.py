"""Remote inspection (远程核查): a privacy officer lets one inspector read one project, from a day to a day.

The order that it rests on is named by its number. It ends by itself with its last day in Asia/Shanghai, and can be
ended before. Every page that the inspector is shown is an entry of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlmodel import col, select

from rwd_platform.access.accounts import is_in_use
from rwd_platform.access.permissions import Action, check_may
from rwd_platform.access.policy import access_policy
from rwd_platform.access.projects import runs_now
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.ids import new_id
from rwd_platform.flows.people_problems import checked_day, checked_name, checked_reason, today
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import Inspection, Study, User

_GRANT = Action.INSPECTION_GRANT
LONGEST_PATH = 200

NOT_AN_INSPECTOR = Problem(
    code="inspection.not_an_inspector",
    zh="核查只能授权给在用的核查员账号。",
    en="An inspection is granted to an inspector's account in use.",
    next_zh="请从列表中选择；没有账号的，请安全管理员先行开设。",
    next_en="Choose one of the list; where there is none, have a security administrator make the account.",
    http=422,
)
NO_PROJECT = Problem(
    code="inspection.no_project",
    zh="没有选择研究，或该研究不存在。",
    en="No study was chosen, or there is none such.",
    next_zh="请从列表中选择一项研究。",
    next_en="Choose one of the list.",
    http=422,
)
TOO_LONG = Problem(
    code="inspection.too_long",
    zh="一次核查最长 {days} 日。",
    en="An inspection lasts {days} days at most.",
    next_zh="请缩短期限；到期后仍需核查的，凭新的文号重新授权。",
    next_en="Choose an earlier end. If it has to go on, grant another one by a new order.",
    http=422,
)
ONE_AT_A_TIME = Problem(
    code="inspection.one_at_a_time",
    zh="该核查员在这段时间内已有一次核查：一次只能查看一项研究。",
    en="The inspector has another inspection in these days: one study at a time.",
    next_zh="请先结束前一次核查，或改期。",
    next_en="End the other one first, or choose other days.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Asked:
    """What an inspection is asked for: who, which project, first and last day, and the number of the order."""

    user_id: str
    project_id: str
    since: str
    until: str
    document: str
    reason: str


@dataclass(frozen=True)
class Seen:
    """An inspection with whom and what it is about. `standing`: now, to_come, over or ended."""

    row: Inspection
    user: User | None
    study: Study | None
    standing: str


def grant_inspection(platform: Platform, actor: Actor, asked: Asked) -> Inspection:
    """Raises NOT_AN_INSPECTOR, NO_PROJECT, TOO_LONG, ONE_AT_A_TIME, and what is wrong with days, number or reason."""
    with refusals_recorded(platform.records, actor, _GRANT, "inspection", ""):
        check_may(actor, _GRANT)
        said = checked_reason(asked.reason)
        document = checked_name(asked.document, longest=120, field="number of the order", field_zh="文号")
        since, until = _days(platform, asked)
        user, study = platform.records.find(User, asked.user_id), _study(platform, asked.project_id)
        if user is None or user.role != Role.INSPECTOR or not is_in_use(user, platform.clock()):
            raise NOT_AN_INSPECTOR.error()
        now = platform.clock()
        row = Inspection(
            id=new_id("inspection", now),
            organisation_id=study.organisation_id,
            project_id=study.project_id,
            user_id=user.id,
            since=since,
            until=until,
            document=document,
            reason=said,
            granted_by=actor.id,
            granted_at=as_text(now),
        )
        act = Act(
            actor,
            "inspection.granted",
            Object("inspection", row.id),
            reason=said,
            purpose=study.project_id,
            decision={"inspector": user.id, "since": since, "until": until, "document": document},
        )
        with platform.records.transaction(audit=act) as session:
            others = session.exec(select(Inspection).where(Inspection.user_id == user.id)).all()
            if any(not one.ended_at and one.since <= until and since <= one.until for one in others):
                raise ONE_AT_A_TIME.error()
            session.add(row)
    return row


def end_inspection(platform: Platform, actor: Actor, inspection_id: str, reason: str) -> Inspection:
    """The inspector reads nothing more, from the next page on."""
    with refusals_recorded(platform.records, actor, _GRANT, "inspection", inspection_id):
        check_may(actor, _GRANT)
        act = Act(
            actor, "inspection.ended", Object("inspection", inspection_id), reason=checked_reason(reason)
        )
        with platform.records.transaction(audit=act) as session:
            row = session.get(Inspection, inspection_id)
            if row is None or row.ended_at:
                raise NOT_FOUND.error(kind="inspection", id=inspection_id[:80])
            row.ended_at, row.ended_by = as_text(platform.clock()), actor.id
            session.add(row)
    return row


def inspections(platform: Platform, actor: Actor) -> list[Seen]:
    """Every inspection, the newest first."""
    check_may(actor, _GRANT)
    rows = platform.records.all(
        select(Inspection).order_by(col(Inspection.granted_at).desc(), col(Inspection.id))
    )
    users = {one.id: one for one in platform.records.all(select(User).where(User.role == Role.INSPECTOR))}
    studies = {one.project_id: one for one in platform.records.all(select(Study))}
    return [
        Seen(row, users.get(row.user_id), studies.get(row.project_id), _standing(platform, row))
        for row in rows
    ]


def inspectors(platform: Platform, actor: Actor) -> list[User]:
    check_may(actor, _GRANT)
    rows = platform.records.all(select(User).where(User.role == Role.INSPECTOR).order_by(col(User.login)))
    return [row for row in rows if is_in_use(row, platform.clock())]


def note_page(platform: Platform, actor: Actor, inspection: Inspection, path: str) -> None:
    """The entry of one page that the inspector is shown. Without it the page is not sent."""
    act = Act(actor, "inspection.read", Object("inspection", inspection.id), purpose=path[:LONGEST_PATH])
    platform.records.record(act)


def _days(platform: Platform, asked: Asked) -> tuple[str, str]:
    day = today(platform.clock)
    since = checked_day(asked.since, not_before=day, field="first day", field_zh="起始日")
    until = checked_day(asked.until, not_before=since, field="last day", field_zh="截止日")
    most = access_policy().inspection_days
    if date.fromisoformat(until) - date.fromisoformat(since) >= timedelta(days=most):
        raise TOO_LONG.error(days=most)
    return since, until


def _study(platform: Platform, project_id: str) -> Study:
    found = platform.records.all(select(Study).where(Study.project_id == project_id))
    if not found:
        raise NO_PROJECT.error()
    return found[0]


def _standing(platform: Platform, row: Inspection) -> str:
    if row.ended_at:
        return "ended"
    if runs_now(row, platform.clock()):
        return "now"
    return "to_come" if today(platform.clock) < row.since else "over"
