"""What the API answers with. Instants are UTC text; ids say what they name; errors are `ProblemOut`."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import SQLModel

from rwd_platform.audit.query import LogLine
from rwd_platform.core.accounting import Accounting
from rwd_platform.flows.dossier_inputs import LARGEST_CERTIFICATE, Wanted
from rwd_platform.flows.sealed_results import is_sealed
from rwd_platform.log.entry import read_entry
from rwd_platform.records.tables import AnalysisRun, DataLockRecord, UploadFile
from rwd_platform.server.queries import UploadSummary, account_of


class Out(BaseModel):
    """An answer. Built from rows, never a row itself: a new column is not published by accident."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")


class RowOut(Out):
    """An answer whose fields are columns of one row."""

    @classmethod
    def of(cls, row: SQLModel) -> Self:
        return cls.model_validate(row)


class ProblemOut(Out):
    """What happened and what to do next, in both languages. `code` is stable."""

    code: str
    zh: str
    en: str
    next_zh: str
    next_en: str


class SessionOut(Out):
    """Who is logged in. Send `csrf_token` as `X-CSRF-Token` with every change."""

    login: str
    name: str
    role: str
    organisation_id: str
    csrf_token: str


class LoginIn(BaseModel):
    login: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class AccountingOut(Out):
    """received = accepted + rejected + quarantined + duplicate."""

    received: int
    accepted: int
    rejected: int
    quarantined: int
    duplicate: int

    @classmethod
    def of(cls, account: Accounting) -> AccountingOut:
        return cls(**account.as_dict())


class JobOut(RowOut):
    id: str
    kind: str
    state: str
    stage: str
    done: int
    total: int
    problem: ProblemOut | None
    queued_at: str
    started_at: str
    finished_at: str


class FileOut(Out):
    """One file of an upload. `duplicate_of` names the file that first brought these bytes."""

    id: str
    name: str
    sha256: str
    bytes: int
    duplicate_of: str
    account: AccountingOut
    problem: ProblemOut | None

    @classmethod
    def of(cls, file: UploadFile) -> FileOut:
        problem = ProblemOut(**file.problem) if file.problem else None
        return cls(
            id=file.id,
            name=file.name,
            sha256=file.sha256,
            bytes=file.bytes,
            duplicate_of=file.duplicate_of,
            account=AccountingOut.of(account_of(file)),
            problem=problem,
        )


class TermsIn(BaseModel):
    """Under what the data are given; nothing is received without all of them.

    `platform_role`: entrusted 委托 | joint 共同 | recipient 接收.
    `mapping` names the table mapping when tables are sent.
    """

    model_config = ConfigDict(extra="forbid")

    source_system: str = Field(max_length=200)
    agreement: str = Field(max_length=200)
    platform_role: str = Field(max_length=40)
    consent_version: str = Field(max_length=200)
    ethics_id: str = Field(max_length=200)
    fhir_version: str = Field(default="R4", max_length=8)
    mapping: str = Field(default="", max_length=200)
    corrects_upload_id: str = Field(default="", max_length=80)


class UploadOut(Out):
    id: str
    organisation_id: str
    source_system: str
    agreement: str
    platform_role: str
    consent_version: str
    ethics_id: str
    fhir_version: str
    mapping: str
    state: str
    received_at: str
    corrects_upload_id: str
    files: int
    account: AccountingOut
    job: JobOut | None

    @classmethod
    def of(cls, summary: UploadSummary) -> UploadOut:
        return cls(
            **summary.upload.model_dump(include=set(cls.model_fields) - {"files", "account", "job"}),
            files=summary.files,
            account=AccountingOut.of(summary.account),
            job=JobOut.of(summary.job) if summary.job else None,
        )


class UploadDetailOut(Out):
    upload: UploadOut
    files: list[FileOut]


class UploadOpenedOut(Out):
    id: str
    state: str


class PlaceOut(Out):
    file: str
    line: int
    row: int | None = None
    column: str | None = None
    entry: int | None = None


class RejectGroupOut(Out):
    """All units kept out by one rule: how many, where the first ones are, and what to do."""

    rule: str
    outcome: str
    zh: str
    en: str
    next_zh: str
    next_en: str
    units: int
    examples: list[PlaceOut]


class QualityRunOut(RowOut):
    id: str
    made_at: str
    verdict: str
    report: dict[str, Any]


class ProtocolIn(BaseModel):
    """The protocol file's text (YAML)."""

    protocol: str = Field(max_length=500_000)


class ReasonIn(BaseModel):
    reason: str = Field(min_length=1, max_length=2000)


class PackageIn(BaseModel):
    """`purpose`: registration | indication | special_food | insurance | post_market | commercial | award |
    pre_communication. `audience`: authority | aggregate. `rows`: T0 to T3, "" for the usual one, without rows.
    `certificate`: PEM, of the recipient that rows are sealed to (T3).
    """

    purpose: str = Field(max_length=80)
    audience: str = Field(max_length=40)
    rows: str = Field(default="", max_length=8)
    certificate: str = Field(default="", max_length=LARGEST_CERTIFICATE)

    def wanted(self) -> Wanted:
        return Wanted(self.purpose, self.audience, self.rows, self.certificate)


class StudyOut(RowOut):
    id: str
    organisation_id: str
    project_id: str
    title_zh: str
    title_en: str
    protocol_sha256: str
    state: str
    registered_at: str
    frozen_at: str


class LockOut(Out):
    id: str
    study_id: str
    made_at: str
    manifest: dict[str, Any]

    @classmethod
    def of(cls, lock: DataLockRecord, *, whole: bool) -> LockOut:
        """Its manifest counts people step by step: to whom no result was released, it is empty."""
        return cls(
            id=lock.id, study_id=lock.study_id, made_at=lock.made_at, manifest=lock.manifest if whole else {}
        )


class RunOut(Out):
    """One run of the planned analyses. `results` is the ARD: one row a number.

    `sealed`: of `sealed_analyses` only what may be read before unsealing is in `results`.
    """

    id: str
    study_id: str
    lock_id: str
    made_at: str
    results_sha256: str
    results: dict[str, Any]
    sealed: bool
    sealed_analyses: list[str]
    unsealed_at: str

    @classmethod
    def of(cls, run: AnalysisRun) -> RunOut:
        held = run.model_dump(include=set(cls.model_fields) - {"sealed"})
        return cls(**held, sealed=is_sealed(run))


class PackageOut(RowOut):
    id: str
    study_id: str
    run_id: str
    purpose: str
    version: int
    audience: str
    file_name: str
    sha256: str
    bytes: int
    state: str
    made_at: str


class TransferIn(BaseModel):
    """`facts` is the case of `rwd transfer decide`: every key is asked for, none is guessed."""

    title_zh: str = Field(min_length=1, max_length=300)
    title_en: str = Field(min_length=1, max_length=300)
    recipient: str = Field(min_length=1, max_length=300)
    facts: dict[str, Any]
    package_id: str = Field(default="", max_length=120)


class InboundIn(BaseModel):
    """`facts` is the case of `rwd transfer inbound`: every key is asked for, none is guessed."""

    title_zh: str = Field(min_length=1, max_length=300)
    title_en: str = Field(min_length=1, max_length=300)
    sender: str = Field(min_length=1, max_length=300)
    facts: dict[str, Any]


class TransferOut(RowOut):
    """`direction`: outbound, or inbound; of an inbound one `recipient` is the sender abroad."""

    id: str
    package_id: str
    direction: str
    title_zh: str
    title_en: str
    recipient: str
    asked_at: str
    verdict: str
    facts: dict[str, Any]
    decision: dict[str, Any]


class EntryOut(Out):
    """An entry of the log. `fields` is its hashed body; empty, with `altered`, where the body is no entry any more."""

    sequence: int
    at: str
    fields: dict[str, Any]
    altered: bool = False

    @classmethod
    def of(cls, line: LogLine) -> EntryOut:
        fields = {} if line.broken else read_entry(line.body)
        return cls(sequence=line.sequence, at=line.at, fields=fields, altered=line.broken)


class LogOut(Out):
    total: int
    page: int
    entries: list[EntryOut]


class CheckpointOut(Out):
    """The log's head as a C2SP signed note."""

    size: int
    note: str
    at: str


class HealthOut(Out):
    ok: bool


REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": ProblemOut, "description": "请先登录 Log in first"},
    403: {"model": ProblemOut, "description": "角色不允许 The role does not permit it"},
    404: {"model": ProblemOut, "description": "不存在或无权查看 Not there, or not yours"},
    409: {"model": ProblemOut, "description": "当前状态不允许 The present state does not allow it"},
    422: {"model": ProblemOut, "description": "栏目缺失或不合法 Fields missing or malformed"},
}
