"""What hospitals sent, what became of it, and how good it was."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Text, UniqueConstraint
from sqlmodel import Field, SQLModel


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
