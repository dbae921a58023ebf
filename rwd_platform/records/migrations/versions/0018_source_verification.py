"""source verification: rounds and sheets"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "verification_round",
        *_texts("id", "organisation_id", "project_id", "study_id", "run_id", "lock_id", "protocol_sha256"),
        sa.Column("policy", sa.Text(), nullable=False),
        *_texts("policy_version", "policy_sha256", "known_until", "state"),
        *_texts("drawn_by", "drawn_at", "closed_by", "closed_at"),
        sa.Column("closed_because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["analysis_run.id"]),
        sa.ForeignKeyConstraint(["lock_id"], ["data_lock.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "verification_sheet",
        *_texts("id", "round_id", "organisation_id"),
        sa.Column("items", sa.Integer(), nullable=False),
        *_texts("issued_sha256", "state", "returned_sha256", "returned_by", "returned_at"),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["verification_round.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    for table, column in _INDEXES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


_INDEXES = (
    ("verification_round", "organisation_id"),
    ("verification_round", "project_id"),
    ("verification_round", "study_id"),
    ("verification_round", "lock_id"),
    ("verification_sheet", "round_id"),
    ("verification_sheet", "organisation_id"),
)


def downgrade() -> None:
    for table in ("verification_sheet", "verification_round"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
