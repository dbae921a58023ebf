"""Jobs, and the log with its trees, checkpoints, witnesses and reviews."""

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
    """A complete perfect subtree of the log's Merkle tree with SHA-256. Level 0 are the leaves."""

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


class AuditNodeSm3(SQLModel, table=True):
    """The same of the tree with SM3, in a log that has one."""

    __tablename__ = "audit_node_sm3"

    level: int = Field(primary_key=True)
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AuditCheckpointSm3(SQLModel, table=True):
    """A signed head of the tree with SM3."""

    __tablename__ = "audit_checkpoint_sm3"

    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    at: str
    why: str


class AuditWitness(SQLModel, table=True):
    """Somebody else who keeps our heads and signs that each extends the one before."""

    __tablename__ = "audit_witness"

    name: str = Field(primary_key=True)
    public_key: str  # 64 hex digits
    added_by: str
    added_at: str


class AuditCosignature(SQLModel, table=True):
    """A head that a witness cosigned: the note with our signature and the witness's."""

    __tablename__ = "audit_cosignature"

    origin: str = Field(primary_key=True)  # of the tree: the log's name, or that with /sm3
    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    witness: str = Field(primary_key=True)
    note: str = Field(sa_column=Column(Text, nullable=False))
    cosigned_at: str
    stored_at: str


class LogReview(SQLModel, table=True):
    """A review of the audit trail of a period. The period ends before the review began, so nothing can enter it."""

    __tablename__ = "log_review"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    since: str
    until: str  # exclusive
    filter: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    entries: int  # how many match, all of which were looked at
    first_sequence: int = Field(sa_column=Column(BigInteger, nullable=False))  # of those; -1: there is none
    last_sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    tree_size: int = Field(sa_column=Column(BigInteger, nullable=False))  # the head that the period ends in
    root: str  # hex
    leaves_sha256: str  # over the leaf hashes of the entries that match
    opened_by: str
    opened_at: str


class LogReviewFinding(SQLModel, table=True):
    """What a reviewer says of an entry, and why."""

    __tablename__ = "log_review_finding"

    id: str = Field(primary_key=True)
    review_id: str = Field(foreign_key="log_review.id", index=True)
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    found_by: str
    found_at: str


class LogReviewSignature(SQLModel, table=True):
    """A person signs a review, once."""

    __tablename__ = "log_review_signature"

    review_id: str = Field(primary_key=True, foreign_key="log_review.id")
    signer_id: str = Field(primary_key=True)
    organisation_id: str
    signed_at: str
