"""certificates of validation"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "validation_certificate",
        *_texts("id", "organisation_id", "program"),
        sa.Column("document", sa.JSON(), nullable=False),
        *_texts("recorded_by", "recorded_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("validation_certificate", schema=None) as batch_op:
        for column in ("organisation_id", "program"):
            name = batch_op.f(f"ix_validation_certificate_{column}")
            batch_op.create_index(name, [column], unique=False)


def downgrade() -> None:
    op.drop_table("validation_certificate")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
