"""Source verification: rounds of rows that hospitals look up in their charts, and one sheet for each hospital."""

from __future__ import annotations

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel


class VerificationRound(SQLModel, table=True):
    """Rows of one lock, drawn by the rule; a lock and a day make a round.

    run_id         -- the run whose rows were drawn; every run of the lock analyses the same ones
    policy         -- the exact text that the draw went by, so that a later policy changes no round
    known_until    -- YYYY-MM-DD up to which charts are to be read
    closed_because -- as whoever closed it wrote; "" while it is open, and where the lock was erased
    """

    __tablename__ = "verification_round"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str = Field(index=True)
    study_id: str = Field(foreign_key="study.id", index=True)
    run_id: str = Field(foreign_key="analysis_run.id")
    lock_id: str = Field(foreign_key="data_lock.id", index=True)
    protocol_sha256: str
    policy: str = Field(sa_column=Column(Text, nullable=False))
    policy_version: str
    policy_sha256: str
    known_until: str
    state: str  # rwd_platform.records.lifecycles.ROUND
    drawn_by: str
    drawn_at: str
    closed_by: str
    closed_at: str
    closed_because: str = Field(sa_column=Column(Text, nullable=False))


class VerificationSheet(SQLModel, table=True):
    """One hospital's sheet. Its id follows from what stands on it (studies.evidence.sample.sheet.sheet_id).

    organisation_id -- the hospital that looks the rows up
    items           -- lines of the sheet
    issued_sha256   -- of the sheet before anybody filled it in
    returned_sha256 -- of the bytes that were accepted last, which lie sealed beside the lock; "" for none
    answered        -- items with an answer in them
    refused         -- how often a sheet came back that could not be used
    """

    __tablename__ = "verification_sheet"

    id: str = Field(primary_key=True)
    round_id: str = Field(foreign_key="verification_round.id", index=True)
    organisation_id: str = Field(index=True)
    items: int
    issued_sha256: str
    state: str  # rwd_platform.records.lifecycles.SHEET
    returned_sha256: str
    returned_by: str
    returned_at: str
    answered: int
    refused: int
