"""Jobs, and the log with its tree and checkpoints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


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
