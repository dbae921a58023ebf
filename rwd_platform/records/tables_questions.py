"""Questions to hospitals about what the quality check found, and what people judged of a study's fitness for use.

A question names a rule and a hospital, never a patient: its rows are places in the hospital's own files, which
the hospital alone can look up. What was said is kept entry by entry; nothing is overwritten.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel


class QualityQuestion(SQLModel, table=True):
    """One finding put to one hospital: the rule, the counts as they were, and how far the matter has come."""

    __tablename__ = "quality_question"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)  # the hospital that is asked
    table_name: str
    rule: str = Field(index=True)
    run_id: str = Field(foreign_key="quality_run.id")  # the quality run that showed it
    outcome: str  # the rule's status in that run
    applicable: int
    failing: int
    state: str  # rwd_platform.records.lifecycles.QUESTION
    asked_by: str
    asker_organisation_id: str
    asked_at: str
    changed_at: str
    entries: int  # how many entries it has: whoever decides says which one they have read
    accepted_failing: int | None = None  # failing rows that were accepted as they are; None: none were
    rows_total: int | None = None  # failing rows found for the hospital; None: not looked for yet
    rows_at: str = ""  # when they were looked for


class QualityQuestionEntry(SQLModel, table=True):
    """What was said or decided, in order. Entries are added, never changed."""

    __tablename__ = "quality_question_entry"

    question_id: str = Field(primary_key=True, foreign_key="quality_question.id")
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})  # from 1
    organisation_id: str  # of whoever said it
    kind: str  # asked | answered | returned | closed | reopened
    said_by: str
    said_at: str
    answer: str = ""  # corrected | confirmed | cannot_be_mended, of an answer
    upload_id: str = ""  # the upload that corrects, of the answer `corrected`
    run_id: str = ""  # the quality run that was seen when it was closed or reopened
    outcome: str = ""  # the rule's status in that run
    failing: int | None = None
    text: str = Field(default="", sa_column=Column(Text, nullable=False))


class QualityQuestionRow(SQLModel, table=True):
    """Where one failing row came from: a place in the hospital's own file, as its receipt names it."""

    __tablename__ = "quality_question_row"

    question_id: str = Field(primary_key=True, foreign_key="quality_question.id")
    place: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})  # from 0
    organisation_id: str
    upload_id: str
    resource_type: str
    file_sha256: str
    line: int
    member: str = ""  # the file inside an archive
    entry: int | None = None  # of a Bundle
    row: int | None = None  # of a table


class FitnessAssessment(SQLModel, table=True):
    """A study's data against what its protocol needs, item by item, as computed at one moment."""

    __tablename__ = "fitness_assessment"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    protocol_sha256: str
    items_sha256: str  # of the catalogue of items
    quality_run_id: str = ""  # "" where quality was never checked
    made_by: str
    made_at: str
    assessment: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class FitnessAnswer(SQLModel, table=True):
    """A person's judgement on one item, under their name. The newest of an item counts; older ones stay."""

    __tablename__ = "fitness_answer"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    protocol_sha256: str  # an answer is about one text of the protocol
    item: str
    status: str  # met | partly | not_met
    text: str = Field(sa_column=Column(Text, nullable=False))
    answered_by: str
    answered_at: str
