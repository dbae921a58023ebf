"""The rows of the control plane that go with a patient, and the pages of the database that held them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine, text
from sqlmodel import Session, SQLModel, col, select

from rwd_platform.core.canonical import sha256_file
from rwd_platform.core.errors import Problem
from rwd_platform.flows.erase_plan import FileLines, Plan
from rwd_platform.flows.first_names import keep_list, read_list
from rwd_platform.flows.key_versions import FIRST, PSEUDONYM, RotationName, current_version
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import (
    AuditDetail,
    AuditEntry,
    BreakGlassRequest,
    BreakGlassVote,
    LegalHold,
    PatientKey,
    PersonLink,
    UnitIssue,
    Upload,
    UploadFile,
    VaultEntry,
)

# Tables of which rows go: on PostgreSQL each is written anew, so that no dead row keeps its bytes.
_REWRITTEN: tuple[type[SQLModel], ...] = (
    PatientKey,
    VaultEntry,
    PersonLink,
    BreakGlassRequest,
    BreakGlassVote,
    UnitIssue,
    UploadFile,
    Upload,
    LegalHold,
    AuditDetail,
)

FILE_ERASED = Problem(
    code="erasure.file_erased",
    zh="该文件不能按行拆分（压缩包、Bundle 等），其中有患者的数据经批准删除，整个文件已从平台移除。",
    en="This file could not be cut by lines (an archive, a Bundle); the data of one of its patients were erased on an "
    "approved request, and the whole file was removed.",
    next_zh="已入库的其他患者数据不受影响；请医院移除该患者后重新发送该文件，以恢复溯源。",
    next_en="Other patients' data in the lake are untouched; send the file again without that patient, so that they "
    "can be traced to it.",
    http=410,
)
FILE_EMPTY = Problem(
    code="erasure.file_empty",
    zh="该文件只有一位患者的数据，已经批准删除。",
    en="This file held one patient's data alone, and they were erased on an approved request.",
    next_zh="无需处理。",
    next_en="Nothing to do.",
    http=410,
)


def key_out_of_use(session: Session, plan: Plan, at: str) -> None:
    """From now on nothing of the patient is opened or taken in; the wrapped key stays for the erasure itself."""
    for row in _keys(session, plan):
        row.destroyed_at = row.destroyed_at or at
        session.add(row)


def erase_rows(platform: Platform, session: Session, plan: Plan) -> None:
    """Everything in one transaction; done again it finds nothing left."""
    for key in _keys(session, plan):
        key.wrapped = b""
        session.add(key)
    own = plan.organisation_id
    for table in (VaultEntry, PersonLink):
        rows = select(table).where(table.organisation_id == own, col(table.patient_id).in_(plan.names))
        _delete(session, session.exec(rows).all())
    _erase_break_glass(session, plan)
    for hold in session.exec(
        select(LegalHold).where(LegalHold.organisation_id == own, col(LegalHold.patient_id).in_(plan.names))
    ).all():
        hold.reason = hold.lift_reason = ""
        session.add(hold)
    for file in plan.files:
        _erase_issues(session, file)
        _mark_file(session, file)
    for upload_id in sorted({file.upload_id for file in plan.files}):
        upload, receipt = session.get_one(Upload, upload_id), platform.layout.receipt(upload_id)
        if receipt.is_file():
            upload.receipt_sha256 = sha256_file(receipt)
            session.add(upload)


def _keys(session: Session, plan: Plan) -> Iterable[PatientKey]:
    return session.exec(
        select(PatientKey).where(
            PatientKey.organisation_id == plan.organisation_id, col(PatientKey.patient_id).in_(plan.names)
        )
    ).all()


def _delete(session: Session, rows: Iterable[SQLModel]) -> None:
    for row in rows:
        session.delete(row)


def _erase_break_glass(session: Session, plan: Plan) -> None:
    """Who asked about the patient and why: the log keeps that somebody looked, and nothing else."""
    requests = session.exec(
        select(BreakGlassRequest).where(
            BreakGlassRequest.organisation_id == plan.organisation_id,
            col(BreakGlassRequest.patient_id).in_(plan.names),
        )
    ).all()
    ids = [row.id for row in requests]
    entries = session.exec(select(AuditEntry.sequence).where(col(AuditEntry.object_id).in_(ids))).all()
    _delete(session, session.exec(select(AuditDetail).where(col(AuditDetail.sequence).in_(entries))).all())
    _delete(
        session, session.exec(select(BreakGlassVote).where(col(BreakGlassVote.request_id).in_(ids))).all()
    )
    session.flush()
    _delete(session, requests)


def _erase_issues(session: Session, file: FileLines) -> None:
    """Why a line of the patient was kept out; of a file that is gone whole, of every line."""
    query = select(UnitIssue).where(UnitIssue.file_id == file.file_id)
    issues = session.exec(query).all()
    lines = set(file.lines)
    _delete(session, [issue for issue in issues if not file.cut or issue.line in lines])


def _mark_file(session: Session, file: FileLines) -> None:
    """A file that is gone, or has nothing left in it, is not read any more."""
    if file.cut and (file.others or file.named_beside):
        return
    row = session.get_one(UploadFile, file.file_id)
    problem = FILE_EMPTY if file.cut else FILE_ERASED
    row.problem = problem.error().as_dict()
    session.add(row)


def erase_from_rotations(platform: Platform, plan: Plan) -> None:
    """The patient's names out of the sealed lists of old and new names. Safe to do again."""
    now = current_version(platform.records, PSEUDONYM, plan.organisation_id)
    gone = set(plan.names)
    for version in range(FIRST + 1, now + 1):
        name = RotationName(plan.organisation_id, version)
        names = read_list(platform, name)
        kept = {old: new for old, new in names.items() if old not in gone and new not in gone}
        if len(kept) < len(names):
            keep_list(platform, name, kept)


def rewrite_pages(engine: Engine) -> None:
    """What was deleted leaves the database's files too: free pages and the write-ahead log on SQLite, dead rows
    on PostgreSQL. The server's own archive of its log, and backups, are the operator's.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            for table in _REWRITTEN:
                connection.execute(text(f'VACUUM FULL "{table.__tablename__}"'))
            return
    raw = engine.raw_connection()  # VACUUM cannot run inside a transaction, and our engine begins one
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.close()
    finally:
        raw.close()
