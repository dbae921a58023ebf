"""questions about packages"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "package_question",
        *_texts("id", "organisation_id", "study_organisation_id", "package_id", "number_id", "ard_id"),
        *_texts("state", "asked_by", "asked_at", "due_on", "changed_at"),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["evidence_package.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "package_question_entry",
        *_texts("question_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("kind"),
        sa.Column("text", sa.Text(), nullable=False),
        *_texts("package_id", "organisation_id", "said_by", "said_at"),
        sa.ForeignKeyConstraint(["question_id"], ["package_question.id"]),
        sa.PrimaryKeyConstraint("question_id", "number"),
    )
    for table, column in _INDEXES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


_INDEXES = (
    ("package_question", "organisation_id"),
    ("package_question", "study_organisation_id"),
    ("package_question", "package_id"),
    ("package_question_entry", "organisation_id"),
)


def downgrade() -> None:
    for table in ("package_question_entry", "package_question"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
