"""Read models: what the pages and the API show, read from the records in few queries.

Every function takes the visitor and leaves out what is not theirs to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlmodel import col, func, select

from rwd_platform.access.permissions import Scope, can, can_see, check_may, visible_rows
from rwd_platform.access.projects import hidden_ids
from rwd_platform.core.accounting import Accounting
from rwd_platform.core.text import Bilingual
from rwd_platform.records.records import NOT_FOUND, Records
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    Job,
    LockNotice,
    MachineClient,
    Organisation,
    OutputRelease,
    QualityRun,
    Study,
    TransferRecord,
    Upload,
    UploadFile,
    User,
)
from rwd_platform.server import acts
from rwd_platform.server.deps import Visitor

UPLOAD_PAGE = 20
Owned = TypeVar("Owned", Upload, Study, EvidencePackage, TransferRecord)


@dataclass(frozen=True)
class UploadSummary:
    """A batch in a list: whose, how many files, what became of its units, and the work on it."""

    upload: Upload
    organisation: Organisation | None
    files: int
    bytes: int
    account: Accounting
    job: Job | None
    corrected_by: str = ""  # the upload that mends this one

    @property
    def to_correct(self) -> int:
        """Units kept out that nobody has sent again yet."""
        return 0 if self.corrected_by else self.account.rejected + self.account.quarantined


def visible_organisations(records: Records, visitor: Visitor, action: str) -> dict[str, Organisation]:
    """The organisations whose things this visitor may see."""
    everyone = records.all(select(Organisation).order_by(col(Organisation.id)))
    return {one.id: one for one in everyone if can(visitor.actor, action, one.id)}


def owned(records: Records, visitor: Visitor, action: str, table: type[Owned], id: str) -> Owned:
    """One thing, or NOT_FOUND: what is another's looks like what is not there."""
    row = records.find(table, id)
    if row is None or not can_see(records, visitor.actor, action, row):
        raise NOT_FOUND.error(kind=table.__tablename__, id=id if len(id) <= 80 and id.isprintable() else "?")
    return row


# -- uploads -----------------------------------------------------------------------------------------


def uploads(
    records: Records, visitor: Visitor, *, first: int = 0, limit: int = UPLOAD_PAGE
) -> list[UploadSummary]:
    """The newest first."""
    organisations = visible_organisations(records, visitor, "upload.read")
    rows = records.all(
        select(Upload)
        .where(col(Upload.organisation_id).in_(organisations))
        .order_by(col(Upload.received_at).desc(), col(Upload.id).desc())
        .offset(first)
        .limit(limit)
    )
    return _summaries(records, rows, organisations)


def count_uploads(records: Records, visitor: Visitor) -> int:
    organisations = visible_organisations(records, visitor, "upload.read")
    with records.reading() as session:
        return session.exec(
            select(func.count()).select_from(Upload).where(col(Upload.organisation_id).in_(organisations))
        ).one()


def upload_summary(
    records: Records, visitor: Visitor, upload_id: str, action: str = "upload.read"
) -> UploadSummary:
    upload = owned(records, visitor, action, Upload, upload_id)
    organisations = visible_organisations(records, visitor, action)
    return _summaries(records, [upload], organisations)[0]


def _summaries(
    records: Records, rows: Sequence[Upload], organisations: dict[str, Organisation]
) -> list[UploadSummary]:
    ids = [row.id for row in rows]
    files: dict[str, list[UploadFile]] = {id: [] for id in ids}
    for file in records.all(select(UploadFile).where(col(UploadFile.upload_id).in_(ids))):
        files[file.upload_id].append(file)
    keys = [f"admit/{id}" for id in ids]
    jobs = {job.key: job for job in records.all(select(Job).where(col(Job.key).in_(keys)))}
    corrections = {
        row.corrects_upload_id: row.id
        for row in records.all(select(Upload).where(col(Upload.corrects_upload_id).in_(ids)))
    }
    return [
        UploadSummary(
            upload=row,
            organisation=organisations.get(row.organisation_id),
            files=len(files[row.id]),
            bytes=sum(file.bytes for file in files[row.id]),
            account=Accounting.total(account_of(file) for file in files[row.id]),
            job=jobs.get(f"admit/{row.id}"),
            corrected_by=corrections.get(row.id, ""),
        )
        for row in rows
    ]


def account_of(file: UploadFile) -> Accounting:
    return Accounting(file.accepted, file.rejected, file.quarantined, file.duplicate)


def files_of(records: Records, upload_id: str) -> Sequence[UploadFile]:
    return records.all(
        select(UploadFile).where(UploadFile.upload_id == upload_id).order_by(col(UploadFile.position))
    )


# -- jobs --------------------------------------------------------------------------------------------


def job(records: Records, visitor: Visitor, job_id: str) -> Job:
    """A job whose organisation the visitor may see the work of."""
    found = records.find(Job, job_id)
    mine = found is not None and can(visitor.actor, "job.read", found.organisation_id)
    if found is None or not mine or _is_about_hidden(records, visitor, found):
        raise NOT_FOUND.error(kind="job", id="?")
    return found


def _is_about_hidden(records: Records, visitor: Visitor, job: Job) -> bool:
    """Whether the job works on a study that is closed to the visitor."""
    if check_may(visitor.actor, "job.read") is Scope.ANY:
        return False
    hidden = hidden_ids(records, visitor.actor)
    return bool(hidden) and any(value in hidden for value in job.payload.values() if isinstance(value, str))


def jobs_with_key(records: Records, prefix: str) -> Sequence[Job]:
    """Jobs whose key begins so, the newest first."""
    return records.all(
        select(Job)
        .where(col(Job.key).startswith(prefix, autoescape=True))
        .order_by(col(Job.queued_at).desc())
    )


# -- quality -----------------------------------------------------------------------------------------


def quality_runs(records: Records, limit: int = 2) -> Sequence[QualityRun]:
    """The newest first. A run is over the whole lake; who may see which hospital, the page decides."""
    return records.all(select(QualityRun).order_by(col(QualityRun.made_at).desc()).limit(limit))


# -- studies and packages ----------------------------------------------------------------------------


def studies(records: Records, visitor: Visitor) -> list[Study]:
    rows = records.all(select(Study).order_by(col(Study.registered_at).desc()))
    return visible_rows(records, visitor.actor, "study.read", rows)


def project_titles(records: Records, visitor: Visitor) -> dict[str, Bilingual]:
    """What people call a project: the title of its study, for the studies that the visitor may see."""
    if not visitor.may("study.read"):
        return {}
    return {one.project_id: Bilingual(one.title_zh, one.title_en) for one in studies(records, visitor)}


def locks(records: Records, study_id: str) -> Sequence[DataLockRecord]:
    return records.all(
        select(DataLockRecord)
        .where(DataLockRecord.study_id == study_id)
        .order_by(col(DataLockRecord.made_at).desc())
    )


def frozen_locks(records: Records, lock_ids: Iterable[str]) -> dict[str, str]:
    """lock -> kind of the notice that stands on it: it holds somebody who withdrew, is held, or was erased.

    For what a page says. Whether a lock may be used is decided by the flow (`flows.withdraw_uses`).
    """
    notices = records.all(
        select(LockNotice)
        .where(col(LockNotice.lock_id).in_(list(lock_ids)), LockNotice.ended_at == "")
        .order_by(col(LockNotice.noted_at))
    )
    return {one.lock_id: one.kind for one in notices}


def runs(records: Records, study_id: str) -> Sequence[AnalysisRun]:
    return records.all(
        select(AnalysisRun).where(AnalysisRun.study_id == study_id).order_by(col(AnalysisRun.made_at).desc())
    )


def packages(records: Records, visitor: Visitor, study_id: str = "") -> list[EvidencePackage]:
    query = select(EvidencePackage).order_by(col(EvidencePackage.made_at).desc())
    if study_id:
        query = query.where(EvidencePackage.study_id == study_id)
    return visible_rows(records, visitor.actor, "package.read", records.all(query))


def releases_of(records: Records, visitor: Visitor, package: EvidencePackage) -> list[OutputRelease]:
    """Where the package has been asked to go, newest first; to another organisation only its own."""
    query = select(OutputRelease).where(OutputRelease.package_id == package.id)
    rows = records.all(query.order_by(col(OutputRelease.requested_at).desc()))
    own = package.organisation_id == visitor.actor.organisation or visitor.may("release.approve")
    circle = visitor.actor.organisation.casefold()
    return [row for row in rows if visitor.may("release.read") and (own or row.circle == circle)]


def transfers(
    records: Records, visitor: Visitor, package_id: str = "", direction: str = "outbound"
) -> list[TransferRecord]:
    """Newest first: those abroad, or the imports (`inbound`); "" gives both."""
    query = select(TransferRecord).order_by(col(TransferRecord.asked_at).desc())
    if direction:
        query = query.where(TransferRecord.direction == direction)
    if package_id:
        query = query.where(TransferRecord.package_id == package_id)
    return visible_rows(records, visitor.actor, "transfer.read", records.all(query))


# -- people --------------------------------------------------------------------------------------------


def names_of(records: Records, ids: Iterable[str]) -> dict[str, str]:
    """id -> the name of the person or the hospital's system; nothing for a program or an account that is not there."""
    wanted = sorted(ids)
    people = {one.id: one.name for one in records.all(select(User).where(col(User.id).in_(wanted)))}
    systems = records.all(select(MachineClient).where(col(MachineClient.id).in_(wanted)))
    return {**people, **{one.id: one.name for one in systems}}


def person_of(records: Records, user_id: str) -> Bilingual:
    """Who it was, for reading, also where it is a program or an account that is not there."""
    return acts.person(user_id, names_of(records, {user_id}))


def name_of(records: Records, user_id: str) -> str:
    """A person's name, or the id where no such person is known (a program, a removed account)."""
    return names_of(records, {user_id}).get(user_id, user_id)
