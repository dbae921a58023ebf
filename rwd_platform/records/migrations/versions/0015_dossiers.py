"""statements, checks and purposes of evidence packages"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "dossier_statement",
        *_texts("study_id", "statement"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("organisation_id", "project_id"),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        *_texts("written_by", "written_at"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"]),
        sa.PrimaryKeyConstraint("study_id", "statement", "number"),
    )
    op.create_table(
        "dossier_check",
        *_texts("id", "organisation_id", "project_id", "study_id", "run_id", "purpose", "audience", "basis"),
        sa.Column("lacking", sa.JSON(), nullable=False),
        *_texts("made_by", "made_at"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["analysis_run.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "package_dossier",
        *_texts("package_id", "organisation_id", "profile", "tier", "basis", "sealed_to"),
        sa.ForeignKeyConstraint(["package_id"], ["evidence_package.id"]),
        sa.PrimaryKeyConstraint("package_id"),
    )
    for table, column in _INDEXES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


_INDEXES = (
    ("dossier_statement", "organisation_id"),
    ("dossier_check", "organisation_id"),
    ("dossier_check", "study_id"),
    ("package_dossier", "organisation_id"),
)


def downgrade() -> None:
    for table in ("package_dossier", "dossier_check", "dossier_statement"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
