"""Who asked to see a run's estimates, what they knew of them before, and who agreed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel


class UnsealingRequest(SQLModel, table=True):
    """One person's request to unseal one run's results.

    knowledge   -- what the requester knows of the outcomes: none | registered | seen
    seen        -- what was seen and where, of `seen`
    seen_before -- the day (YYYY-MM-DD) on which outcomes of this study were first open to its team, by an earlier run;
                   "" where they never were. The platform says so, whatever is declared
    diagnostics -- the planned diagnostics of this run as they stood when it was asked (studies.before_unsealing)
    """

    __tablename__ = "unsealing_request"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    run_id: str = Field(foreign_key="analysis_run.id", index=True)
    knowledge: str
    seen: str = Field(sa_column=Column(Text, nullable=False))
    seen_before: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    diagnostics: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    state: str  # rwd_platform.records.lifecycles.UNSEALING
    requested_by: str
    requested_at: str
    decided_at: str = ""


class UnsealingVote(SQLModel, table=True):
    """The second person's word. A person votes once."""

    __tablename__ = "unsealing_vote"

    request_id: str = Field(primary_key=True, foreign_key="unsealing_request.id")
    voter_id: str = Field(primary_key=True)
    organisation_id: str
    agreed: bool
    reason: str = Field(sa_column=Column(Text, nullable=False))
    voted_at: str
