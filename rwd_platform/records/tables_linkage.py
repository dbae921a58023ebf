"""Linkage runs: what was brought together of care, payment and product, and how sure that is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel


class LinkageRun(SQLModel, table=True):
    """One run's report, in exact counts; whoever reads it is shown them protected.

    `id` follows from what was linked: the state, and which organisation is a source of what.
    """

    __tablename__ = "linkage_run"

    id: str = Field(primary_key=True)
    organisation_id: str
    made_at: str = Field(index=True)
    state: str = Field(
        index=True
    )  # SHA-256 of the tables' versions, the tokens, and whose data may not be used
    report: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
