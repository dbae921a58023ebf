"""The tables of the control plane.

`organisation_id` is on every record, `project_id` where a project is meant. Ids are UUIDv7 with a
prefix; locks and packages are named by their content. Instants are stored as UTC text (as_text), so
that SQLite and PostgreSQL sort and compare them alike.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel


class Organisation(SQLModel, table=True):
    """A hospital, the platform's operator, a sponsor or an authority."""

    __tablename__ = "organisation"

    id: str = Field(primary_key=True)
    kind: str  # hospital | operator | sponsor | authority
    name_zh: str
    name_en: str


class User(SQLModel, table=True):
    """A person who logs in, in one organisation and one role."""

    __tablename__ = "user_account"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)
    login: str = Field(unique=True)
    role: str  # rwd_platform.access.roles
    name: str
    password_hash: str
    language: str = "zh"
    created_at: str
    disabled_at: str | None = None


class WebSession(SQLModel, table=True):
    """A login. The cookie's value is stored only as a hash."""

    __tablename__ = "web_session"

    token_sha256: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    organisation_id: str
    csrf_token: str
    created_at: str
    last_seen_at: str
    expires_at: str


class LoginAttempt(SQLModel, table=True):
    """Failed logins, counted so that guessing is slow. The login name is stored only as a hash."""

    __tablename__ = "login_attempt"

    login_sha256: str = Field(primary_key=True)
    failures: int = 0
    locked_until: str = ""


class Upload(SQLModel, table=True):
    """What a hospital sent at one time, under one agreement."""

    __tablename__ = "upload"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)
    source_system: str
    agreement: str
    platform_role: str  # entrusted | joint | recipient
    consent_version: str
    ethics_id: str
    fhir_version: str
    mapping: str = ""  # name of the table mapping, when tables are sent
    state: str  # rwd_platform.records.lifecycles.UPLOAD
    received_at: str
    received_by: str
    receipt_sha256: str = ""
    corrects_upload_id: str = ""  # a corrected reject file names the upload it mends


class UploadFile(SQLModel, table=True):
    """One file of an upload and its account: received = accepted + rejected + quarantined + duplicate."""

    __tablename__ = "upload_file"
    __table_args__ = (UniqueConstraint("upload_id", "position"),)

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    upload_id: str = Field(foreign_key="upload.id", index=True)
    position: int
    name: str
    sha256: str = Field(index=True)
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    duplicate_of: str = ""  # the file that first brought these bytes
    received: int = 0
    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0
    duplicate: int = 0
    problem: dict[str, str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class UnitIssue(SQLModel, table=True):
    """Why one unit was rejected or quarantined: place, rule and the two texts. Never a value."""

    __tablename__ = "unit_issue"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    upload_id: str = Field(foreign_key="upload.id", index=True)
    file_id: str = Field(foreign_key="upload_file.id", index=True)
    unit: int  # counts the units of the file; several issues may share one
    outcome: str  # rejected | quarantined
    file: str
    line: int
    row: int | None = None
    column: str | None = None
    entry: int | None = None
    resource_type: str = ""
    rule: str
    code: str
    expression: str
    zh: str = Field(sa_column=Column(Text, nullable=False))
    en: str = Field(sa_column=Column(Text, nullable=False))
    next_zh: str = Field(sa_column=Column(Text, nullable=False))
    next_en: str = Field(sa_column=Column(Text, nullable=False))


class DroppedElement(SQLModel, table=True):
    """How often the de-identifier left an element behind, per upload and path."""

    __tablename__ = "dropped_element"

    upload_id: str = Field(primary_key=True, foreign_key="upload.id")
    path: str = Field(primary_key=True)
    organisation_id: str
    policy: str
    times: int


class QualityRun(SQLModel, table=True):
    """One pass of the quality suites over the lake: the gate's verdict and a scorecard per hospital."""

    __tablename__ = "quality_run"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    made_at: str
    verdict: str  # admit | quarantine
    report: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Study(SQLModel, table=True):
    """A registered protocol and how far its study has come."""

    __tablename__ = "study"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str = Field(unique=True)
    title_zh: str
    title_en: str
    protocol: str = Field(sa_column=Column(Text, nullable=False))  # the file's text as registered
    protocol_sha256: str
    state: str  # rwd_platform.records.lifecycles.STUDY
    registered_at: str
    frozen_at: str = ""
    frozen_by: str = ""


class DataLockRecord(SQLModel, table=True):
    """A data lock: the id is its content's."""

    __tablename__ = "data_lock"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    quality_run_id: str = Field(foreign_key="quality_run.id")
    made_at: str
    manifest: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AnalysisRun(SQLModel, table=True):
    """The planned analyses, run once on one lock."""

    __tablename__ = "analysis_run"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    lock_id: str = Field(foreign_key="data_lock.id")
    made_at: str
    results_sha256: str
    results: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class EvidencePackage(SQLModel, table=True):
    """A package that was built. `id` is content-derived; the file lies in the results zone."""

    __tablename__ = "evidence_package"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    run_id: str = Field(foreign_key="analysis_run.id")
    purpose: str
    version: int
    audience: str  # authority | aggregate
    file_name: str
    sha256: str
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str  # rwd_platform.records.lifecycles.PACKAGE
    made_at: str


class TransferRecord(SQLModel, table=True):
    """A question put to the transfer rules, the facts it was decided on, and the answer."""

    __tablename__ = "transfer"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    package_id: str = ""
    title_zh: str
    title_en: str
    recipient: str
    asked_at: str
    asked_by: str
    verdict: str
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    decision: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Job(SQLModel, table=True):
    """Long work: at least once, under a lease, resumable at its checkpoint."""

    __tablename__ = "job"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    kind: str
    key: str = Field(unique=True)  # idempotency: the same work is queued once
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: str = Field(index=True)  # rwd_platform.records.lifecycles.JOB
    stage: str = ""
    done: int = 0
    total: int = 0
    attempts: int = 0
    lease_until: str = ""
    worker: str = ""
    problem: dict[str, str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    queued_at: str
    queued_by: str
    started_at: str = ""
    finished_at: str = ""


class AuditEntry(SQLModel, table=True):
    """An entry of the log as hashed; the other columns are copies out of `body`, for searching."""

    __tablename__ = "audit_entry"

    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: str = Field(index=True)
    organisation_id: str = Field(index=True)
    actor_id: str
    action: str = Field(index=True)
    object_type: str
    object_id: str = Field(index=True)
    outcome: str


class AuditNode(SQLModel, table=True):
    """A complete perfect subtree of the log's Merkle tree. Level 0 are the leaves."""

    __tablename__ = "audit_node"

    level: int = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AuditDetail(SQLModel, table=True):
    """Personal detail of an entry, encrypted; erasing the row leaves the log whole."""

    __tablename__ = "audit_detail"

    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AuditCheckpoint(SQLModel, table=True):
    """A signed head of the log."""

    __tablename__ = "audit_checkpoint"

    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    at: str
    why: str
