"""What people wrote for a study's evidence, what a check found missing, and for whom a package was made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Text
from sqlmodel import Field, SQLModel


class DossierStatement(SQLModel, table=True):
    """A person's words to something that no computation knows. Rows are added, never changed: the newest counts.

    statement -- id, of studies.evidence.statements
    number    -- counts a statement's texts from 1
    text_zh   -- "" takes the statement back; of a choice its id, in both languages
    """

    __tablename__ = "dossier_statement"

    study_id: str = Field(primary_key=True, foreign_key="study.id")
    statement: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    text_zh: str = Field(sa_column=Column(Text, nullable=False))
    text_en: str = Field(sa_column=Column(Text, nullable=False))
    written_by: str
    written_at: str


class DossierCheck(SQLModel, table=True):
    """A look at what a package would lack, for one purpose and audience.

    basis   -- SHA-256 of the run, the statements and the choices that it was made with
    lacking -- id, title, who acts, what to do; empty: nothing is missing
    """

    __tablename__ = "dossier_check"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    study_id: str = Field(foreign_key="study.id", index=True)
    run_id: str = Field(foreign_key="analysis_run.id")
    purpose: str
    audience: str
    basis: str
    lacking: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    made_by: str
    made_at: str


class PackageDossier(SQLModel, table=True):
    """For whom a package was made, and with what words.

    basis     -- as of DossierCheck: a package of another basis is another version
    sealed_to -- SHA-256 of the certificate that its rows are sealed to; "" where it has none
    """

    __tablename__ = "package_dossier"

    package_id: str = Field(primary_key=True, foreign_key="evidence_package.id")
    organisation_id: str = Field(index=True)
    profile: str
    tier: str
    basis: str
    sealed_to: str = ""


class ValidationCertificate(SQLModel, table=True):
    """That the platform's programs passed the tests that hold them to others' results. `id`: of the content.

    program -- SHA-256 of the programs that were tested (studies.evidence.code.program_sha256)
    """

    __tablename__ = "validation_certificate"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    program: str = Field(index=True)
    document: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    recorded_by: str
    recorded_at: str
