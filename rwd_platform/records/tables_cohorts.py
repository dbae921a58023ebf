"""Cohort definitions as people write them, and what the catalogue counted of the store."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel


class SavedCohort(SQLModel, table=True):
    """A definition that somebody works on. It belongs to an organisation, whose people all may go on with it."""

    __tablename__ = "saved_cohort"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    name: str
    definition: str = Field(sa_column=Column(Text, nullable=False))  # also one that cannot be read yet
    revision: int  # counts what was saved: who saves says which text they began with
    created_by: str
    created_at: str
    saved_by: str
    saved_at: str


class CatalogueRun(SQLModel, table=True):
    """The tables of the store counted at one moment: rows by hospital and month, and how complete each column is.

    Exact counts, of the deployment's own record; who may not see rows is shown them protected.
    """

    __tablename__ = "catalogue_run"

    id: str = Field(primary_key=True)
    organisation_id: str
    made_at: str = Field(index=True)
    basis: str  # SHA-256 of the tables' versions and of whose data may not be used
    content: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
