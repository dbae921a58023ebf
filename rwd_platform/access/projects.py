"""Who may see one project: the members of a study that has members, and an inspector while an inspection runs.

Days are days in Asia/Shanghai, first and last inclusive: an access until the 2nd ends at 16:00Z on the 2nd.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select as sa_select
from sqlmodel import SQLModel, col, select

from rwd_platform.access.roles import Role
from rwd_platform.core.clock import shanghai_date
from rwd_platform.log.entry import Actor
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Inspection, ProjectGrant


def lasts(since: str, until: str, now: datetime) -> bool:
    """Whether the legal day of `now` lies within; `until` "" has no end."""
    day = shanghai_date(now).isoformat()
    return since <= day and (not until or day <= until)


def is_member_now(grant: ProjectGrant, now: datetime) -> bool:
    return not grant.revoked_at and lasts(grant.since, grant.until, now)


def runs_now(inspection: Inspection, now: datetime) -> bool:
    return not inspection.ended_at and lasts(inspection.since, inspection.until, now)


def closed_projects(records: Records, actor: Actor) -> frozenset[str]:
    """The projects that have members, and the actor is none of them now.

    A project stays closed when its last member has gone: nobody gets in because somebody left.
    """
    now = records.clock()
    with records.reading() as session:
        with_members = set(session.exec(select(ProjectGrant.project_id).distinct()).all())
        if not with_members:
            return frozenset()
        own = session.exec(select(ProjectGrant).where(ProjectGrant.user_id == actor.id)).all()
    return frozenset(with_members - {one.project_id for one in own if is_member_now(one, now)})


def hidden_ids(records: Records, actor: Actor) -> frozenset[str]:
    """Ids of everything that belongs to a project closed to the actor, and of the projects themselves.

    For what names things and is no row of a project itself: entries of the log, jobs.
    """
    closed = closed_projects(records, actor)
    if not closed:
        return frozenset()
    found: set[str] = set(closed)
    with records.reading() as session:
        for table in SQLModel.metadata.tables.values():
            if "project_id" in table.columns and "id" in table.columns:
                found.update(session.scalars(sa_select(table.c.id).where(table.c.project_id.in_(closed))))
    return frozenset(found)


def running_inspection(records: Records, actor: Actor) -> Inspection | None:
    """The inspection by which this inspector reads now; None without one. There is never more than one."""
    if actor.role != Role.INSPECTOR:
        return None
    rows = records.all(
        select(Inspection)
        .where(Inspection.user_id == actor.id, Inspection.ended_at == "")
        .order_by(col(Inspection.granted_at))
    )
    now = records.clock()
    return next((one for one in rows if runs_now(one, now)), None)


def inspected_project(records: Records, actor: Actor) -> str:
    """The project that this inspector may read now; "" for none."""
    found = running_inspection(records, actor)
    return found.project_id if found is not None else ""
