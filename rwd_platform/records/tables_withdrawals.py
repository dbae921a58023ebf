"""Patients who no longer take part: withdrawals, requests to erase with their votes, legal holds, and notices.

A row names a patient by the lake's pseudonym and the hospital. Reasons are codes of a closed list
(flows/retention.toml), so that no text about a patient can stand here after an erasure.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel


class Withdrawal(SQLModel, table=True):
    """A patient has withdrawn consent: out of the next lock, and the use of the present rows is frozen."""

    __tablename__ = "withdrawal"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)  # whose patient it is
    patient_id: str = Field(index=True)  # the lake's pseudonym
    reason: str  # a code of flows/retention.toml [reasons]
    withdrawn_on: str  # the day on which the patient said so, YYYY-MM-DD
    consent_version: str
    received_by: str  # the account that took it from the patient's hospital
    recorded_at: str


class LegalHold(SQLModel, table=True):
    """Somebody must be able to find this patient's data unchanged: nothing is erased, and use is frozen."""

    __tablename__ = "legal_hold"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)
    patient_id: str = Field(index=True)
    reason: str = Field(sa_column=Column(Text, nullable=False))
    placed_by: str
    placed_at: str
    lift_reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    lifted_by: str = ""
    lifted_at: str = ""


class ErasureRequest(SQLModel, table=True):
    """Somebody asks that one patient's data be destroyed; how it was decided and how far it has come."""

    __tablename__ = "erasure_request"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)
    patient_id: str = Field(index=True)
    reason: str  # a code of flows/retention.toml [reasons]
    state: str  # rwd_platform.records.lifecycles.ERASURE
    requested_by: str
    requester_organisation_id: str = Field(index=True)
    requested_at: str
    # The retention rules that were asked, each with its answer and, where a person gave it, who.
    duties: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    step: str = ""  # the last step that is done (flows/erase_patient.py STEPS)
    counts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    decided_at: str = ""
    erased_at: str = ""
    certificate_sha256: str = ""


class ErasureVote(SQLModel, table=True):
    """One approver's word on a request to erase. A person votes once, and not on their own request."""

    __tablename__ = "erasure_vote"

    request_id: str = Field(primary_key=True, foreign_key="erasure_request.id")
    approver_id: str = Field(primary_key=True)
    organisation_id: str
    approved: bool
    reason: str = Field(sa_column=Column(Text, nullable=False))
    voted_at: str


class LockNotice(SQLModel, table=True):
    """A lock holds, or held, somebody who withdrew. No new analysis runs on it."""

    __tablename__ = "lock_notice"

    lock_id: str = Field(primary_key=True)
    cause: str = Field(primary_key=True)  # the id of the withdrawal, hold or erasure request
    organisation_id: str = Field(index=True)
    project_id: str
    kind: str  # withdrawn | held | erased
    reissued_as: str = ""  # the lock without the patient, for kind erased
    noted_at: str
    ended_at: str = ""  # the hold was lifted


class PackageNotice(SQLModel, table=True):
    """What a reader of a package made earlier has to know. The package itself is never changed."""

    __tablename__ = "package_notice"

    package_id: str = Field(primary_key=True)
    cause: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    kind: str  # withdrawn | erased
    noted_at: str
