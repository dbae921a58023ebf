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


class PatientKey(SQLModel, table=True):
    """The data key of one patient of one hospital, wrapped. It seals the vault entry and the raw segments.

    Destroying it (`wrapped` emptied, `destroyed_at` set) makes both unreadable for good.
    """

    __tablename__ = "patient_key"

    organisation_id: str = Field(primary_key=True, foreign_key="organisation.id")
    patient_id: str = Field(primary_key=True)  # the lake's pseudonym; "" for lines about no patient
    suite: str
    key_version: int
    wrapped: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    made_at: str
    destroyed_at: str = ""


class VaultEntry(SQLModel, table=True):
    """Identifiers behind a lake pseudonym, sealed under the patient's key. Read by break-glass only."""

    __tablename__ = "vault_entry"

    organisation_id: str = Field(primary_key=True, foreign_key="organisation.id")
    source_system: str = Field(primary_key=True)
    patient_id: str = Field(primary_key=True)
    format_version: int
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    written_at: str
    upload_id: str = Field(foreign_key="upload.id", index=True)


class PersonLink(SQLModel, table=True):
    """The linkage token of a lake pseudonym: equal tokens are one person, at whichever hospital."""

    __tablename__ = "person_link"

    organisation_id: str = Field(primary_key=True, foreign_key="organisation.id")
    patient_id: str = Field(primary_key=True)
    link_token: str = Field(index=True)
    upload_id: str = Field(foreign_key="upload.id", index=True)


class KeyVersion(SQLModel, table=True):
    """Which version of a derived key new writes use. No row: version 1. Old versions stay readable."""

    __tablename__ = "key_version"

    purpose: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)  # an organisation, a project, or "" for the deployment
    version: int
    suite: str
    changed_at: str


class BreakGlassRequest(SQLModel, table=True):
    """Somebody asks who one patient is. Opened once, by the requester, with two approvals, in time."""

    __tablename__ = "break_glass_request"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)  # whose patient it is
    patient_id: str  # the lake's pseudonym
    requested_by: str
    requester_organisation_id: str = Field(index=True)
    reason: str = Field(sa_column=Column(Text, nullable=False))
    minutes: int  # how long it may be opened after the second approval
    state: str  # rwd_platform.records.lifecycles.BREAK_GLASS
    requested_at: str
    open_until: str = ""
    opened_at: str = ""


class BreakGlassVote(SQLModel, table=True):
    """One approver's word on a break-glass request. A person votes once."""

    __tablename__ = "break_glass_vote"

    request_id: str = Field(primary_key=True, foreign_key="break_glass_request.id")
    approver_id: str = Field(primary_key=True)
    organisation_id: str
    approved: bool
    reason: str = Field(sa_column=Column(Text, nullable=False))
    voted_at: str


class RiskRun(SQLModel, table=True):
    """A re-identification risk report of the lake, a lock or an extract."""

    __tablename__ = "risk_run"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str = ""
    of_kind: str  # lake | lock | extract
    of_id: str = Field(index=True)  # upload that brought the lake to this state, lock, or content hash
    level: int  # GB/T 42460: 1 to 4
    verdict: str  # the strictest sharing form that passes: public | controlled | enclave | none
    made_at: str
    report: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class OutputRelease(SQLModel, table=True):
    """Results on their way to a recipient, the gate's verdict on them, and how far they have come."""

    __tablename__ = "output_release"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    package_id: str = Field(index=True)
    product: str  # the licensed product that the results are about
    recipient_kind: str  # public | insurer | sponsor | researcher | competent_authority
    circle: str  # who will be able to put results side by side: an organisation, or "public"
    content_sha256: str
    conditions: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    verdict: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: str  # rwd_platform.records.lifecycles.RELEASE
    requested_by: str
    requested_at: str
    decided_at: str = ""


class ReleaseVote(SQLModel, table=True):
    """One approver's word on a release. A person votes once."""

    __tablename__ = "release_vote"

    release_id: str = Field(primary_key=True, foreign_key="output_release.id")
    approver_id: str = Field(primary_key=True)
    organisation_id: str
    approved: bool
    reason: str = Field(sa_column=Column(Text, nullable=False))
    voted_at: str


class ReleasedFigures(SQLModel, table=True):
    """The ledger: what a circle already holds about a product, so that differences can be looked for."""

    __tablename__ = "released_figures"

    release_id: str = Field(primary_key=True, foreign_key="output_release.id")
    organisation_id: str
    product: str = Field(index=True)
    circle: str = Field(index=True)
    figures: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    sealed_sets: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # who stood behind them
    released_at: str


class TextReview(SQLModel, table=True):
    """A free text of a study, cleaned in the enclave, and the person who said that it may be used."""

    __tablename__ = "text_review"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str = Field(index=True)
    lock_id: str = Field(foreign_key="data_lock.id", index=True)
    state: str  # rwd_platform.records.lifecycles.TEXT
    sealed: bytes = Field(
        sa_column=Column(LargeBinary, nullable=False)
    )  # the text with surrogates, and its spans
    spans: int
    detectors: str  # names and versions
    made_at: str
    reviewed_by: str = ""
    reviewed_at: str = ""


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
