"""What a package's reader asks about it, and what the study's team answers."""

from __future__ import annotations

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel


class PackageQuestion(SQLModel, table=True):
    """One question about a package, or about one number of it.

    organisation_id       -- of whoever asks
    study_organisation_id -- of whoever answers
    number_id, ard_id     -- the number as the report prints it, and its result row; "" for the package as a whole
    due_on                -- YYYY-MM-DD: by when an answer is owed; counted anew when it is asked again
    entries               -- what was said so far
    """

    __tablename__ = "package_question"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    study_organisation_id: str = Field(index=True)
    package_id: str = Field(foreign_key="evidence_package.id", index=True)
    number_id: str
    ard_id: str
    state: str  # rwd_platform.records.lifecycles.REVIEW
    asked_by: str
    asked_at: str
    due_on: str
    changed_at: str
    entries: int


class PackageQuestionEntry(SQLModel, table=True):
    """What somebody said in it. Rows are added, never changed.

    kind       -- asked | answered | asked_again | closed
    package_id -- of an answer, the later package that it points to; "" for none
    """

    __tablename__ = "package_question_entry"

    question_id: str = Field(primary_key=True, foreign_key="package_question.id")
    number: int = Field(primary_key=True)
    kind: str
    text: str = Field(sa_column=Column(Text, nullable=False))
    package_id: str = ""
    organisation_id: str = Field(index=True)
    said_by: str
    said_at: str
