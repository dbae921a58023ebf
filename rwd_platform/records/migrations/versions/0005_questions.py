"""questions to hospitals and fitness for use"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_questions_are_kept

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_INDEXED = {
    "quality_question": ("organisation_id", "rule"),
    "fitness_assessment": ("organisation_id", "study_id"),
    "fitness_answer": ("organisation_id", "study_id"),
}


def upgrade() -> None:
    op.create_table(
        "quality_question",
        *_texts("id", "organisation_id", "table_name", "rule", "run_id", "outcome"),
        *_integers("applicable", "failing"),
        *_texts("state", "asked_by", "asker_organisation_id", "asked_at", "changed_at"),
        *_integers("entries"),
        sa.Column("accepted_failing", sa.Integer(), nullable=True),
        sa.Column("rows_total", sa.Integer(), nullable=True),
        *_texts("rows_at"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["quality_run.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "quality_question_entry",
        *_texts("question_id"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        *_texts("organisation_id", "kind", "said_by", "said_at", "answer", "upload_id", "run_id", "outcome"),
        sa.Column("failing", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["question_id"], ["quality_question.id"]),
        sa.PrimaryKeyConstraint("question_id", "number"),
    )
    op.create_table(
        "quality_question_row",
        *_texts("question_id"),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        *_texts("organisation_id", "upload_id", "resource_type", "file_sha256"),
        *_integers("line"),
        *_texts("member"),
        sa.Column("entry", sa.Integer(), nullable=True),
        sa.Column("row", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["question_id"], ["quality_question.id"]),
        sa.PrimaryKeyConstraint("question_id", "place"),
    )
    _fitness()
    for table, columns in _INDEXED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def _fitness() -> None:
    op.create_table(
        "fitness_assessment",
        *_texts("id", "organisation_id", "project_id", "study_id", "protocol_sha256", "items_sha256"),
        *_texts("quality_run_id", "made_by", "made_at"),
        sa.Column("assessment", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "fitness_answer",
        *_texts("id", "organisation_id", "project_id", "study_id", "protocol_sha256", "item", "status"),
        sa.Column("text", sa.Text(), nullable=False),
        *_texts("answered_by", "answered_at"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"]),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    check_questions_are_kept(op.get_bind())
    for table in ("fitness_answer", "fitness_assessment", "quality_question_row", "quality_question_entry"):
        op.drop_table(table)
    op.drop_table("quality_question")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]
