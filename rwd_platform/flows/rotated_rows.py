"""The rows of the control plane that carry a lake pseudonym, under its new name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from sqlmodel import Session, select

from deidentify.pseudonym import parse_token
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.patient_keys import renamed
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.vault import renamed_entry
from rwd_platform.records.lifecycles import JobState, UploadState
from rwd_platform.records.tables import (
    BreakGlassRequest,
    Job,
    PatientKey,
    PersonLink,
    Upload,
    VaultEntry,
)
from rwd_platform.store.line_owners import NOBODY
from rwd_platform.store.retokenise import TOKENS_LEFT

Row = TypeVar("Row", PatientKey, PersonLink, VaultEntry, BreakGlassRequest)

BUSY = Problem(
    code="keys.rotation_busy",
    zh="机构 {organisation} 有上传正在入库，此时不能轮换密钥。",
    en="An upload of {organisation} is being admitted, so its key cannot be rotated now.",
    next_zh="请等其完成（`rwd work` 或任务页面可查看进度）后重试。",
    next_en="Wait until it is done (the jobs page shows how far it is), then try again.",
    http=409,
    exit=Exit.REFUSED,
)


def check_nobody_admits(session: Session, organisation_id: str) -> None:
    """Raises `keys.rotation_busy`: what is being admitted carries names of the old version."""
    uploads = session.exec(
        select(Upload.id).where(
            Upload.organisation_id == organisation_id, Upload.state == UploadState.ADMITTING
        )
    ).first()
    jobs = session.exec(
        select(Job.id).where(
            Job.organisation_id == organisation_id, Job.kind == "admit", Job.state == JobState.RUNNING
        )
    ).first()
    if uploads or jobs:
        raise BUSY.error(organisation=organisation_id)


def rename_rows(platform: Platform, session: Session, organisation_id: str, names: Mapping[str, str]) -> None:
    """Links, keys, vault and requests of a hospital under the new names, in the caller's transaction.

    A patient's data key stays the same, wrapped anew. Its row under the old name stays until every file of
    the identified zone is kept under the new one (`drop_old_keys`): until then files are opened by either.
    """
    keys = {row.patient_id: row for row in _rows(session, PatientKey, organisation_id)}
    links = _rows(session, PersonLink, organisation_id)
    entries = _rows(session, VaultEntry, organisation_id)
    requests = _rows(session, BreakGlassRequest, organisation_id)
    carried = {*keys, *(one.patient_id for one in links), *(one.patient_id for one in entries)}
    carried |= {one.patient_id for one in requests}
    # A patient who was erased has no line left that could tell a new name: the tombstone keeps the old one.
    erased = {name for name, row in keys.items() if row.destroyed_at and name not in names}
    unknown = {name for name in carried - erased if name != NOBODY and name not in names}
    if unknown:
        raise TOKENS_LEFT.error(table="vault", column="patient_id", count=len(unknown))
    for request in requests:
        request.patient_id = names[request.patient_id]
        session.add(request)
    for name, row in keys.items():
        if name != NOBODY and name not in erased:
            session.add(renamed(platform.keys, row, names[name]))
    for entry in entries:
        session.add(renamed_entry(platform, entry, keys[entry.patient_id], names[entry.patient_id]))
        session.delete(entry)
    for link in links:
        session.add(PersonLink(**{**link.model_dump(), "patient_id": names[link.patient_id]}))
        session.delete(link)


def old_keys(platform: Platform, organisation_id: str, version: int) -> list[str]:
    """Names of the hospital's patient keys that are of an earlier version than this one."""
    rows = platform.records.all(select(PatientKey).where(PatientKey.organisation_id == organisation_id))
    names = [row.patient_id for row in rows if row.patient_id != NOBODY and row.wrapped]
    return [name for name in names if parse_token(name).version < version]


def drop_old_keys(session: Session, organisation_id: str, names: list[str]) -> None:
    for name in names:
        row = session.get(PatientKey, (organisation_id, name))
        if row is not None:
            session.delete(row)


def _rows(session: Session, table: type[Row], organisation_id: str) -> list[Row]:
    return list(session.exec(select(table).where(table.organisation_id == organisation_id)).all())
