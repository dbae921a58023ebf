"""What de-identification keeps: keys, the vault, break-glass, risk, and free texts under review."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


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
