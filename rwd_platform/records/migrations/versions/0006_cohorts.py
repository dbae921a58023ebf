"""saved cohort definitions and counts of the catalogue"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_cohorts_are_kept

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_INDEXED = {"saved_cohort": "organisation_id", "catalogue_run": "made_at"}


def upgrade() -> None:
    op.create_table(
        "saved_cohort",
        *_texts("id", "organisation_id", "name"),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_texts("created_by", "created_at", "saved_by", "saved_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "catalogue_run",
        *_texts("id", "organisation_id", "made_at", "basis"),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for table, column in _INDEXED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def downgrade() -> None:
    check_cohorts_are_kept(op.get_bind())
    op.drop_table("catalogue_run")
    op.drop_table("saved_cohort")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
