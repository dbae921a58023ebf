"""Studies, from the registered protocol to the package and the question whether it may go abroad."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


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
    """The planned analyses, run once on one lock.

    results_sha256  -- of the whole results, sealed or not
    results         -- the whole; of a sealed run the open part
    sealed_part     -- the whole results, encrypted, until they are unsealed; NULL afterwards, and in a run from before
                       results were sealed
    sealed_analyses -- which planned analyses were sealed when it ran
    unsealed_at     -- "" where nothing was sealed, or is not unsealed yet
    """

    __tablename__ = "analysis_run"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    lock_id: str = Field(foreign_key="data_lock.id")
    made_at: str
    results_sha256: str
    results: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    sealed_part: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    sealed_analyses: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )
    unsealed_at: str = Field(default="", sa_column_kwargs={"server_default": ""})


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
    """A question put to the transfer rules, the facts it was decided on, and the answer.

    direction -- outbound: data that are to leave the country; inbound: data of persons abroad that are to come in
    recipient -- the other party: of an inbound one, the sender abroad
    salt      -- hashed with the facts, which hold counts of persons
    """

    __tablename__ = "transfer"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    package_id: str = ""
    direction: str = "outbound"
    title_zh: str
    title_en: str
    recipient: str
    asked_at: str
    asked_by: str
    verdict: str
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    decision: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    salt: str = ""
