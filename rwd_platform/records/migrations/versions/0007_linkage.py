"""linkage runs"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "linkage_run",
        *(sa.Column(name, _TEXT(), nullable=False) for name in ("id", "organisation_id", "made_at", "state")),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("linkage_run", schema=None) as batch_op:
        for column in ("made_at", "state"):
            batch_op.create_index(batch_op.f(f"ix_linkage_run_{column}"), [column], unique=False)


def downgrade() -> None:
    # A run can be done again: it is computed from the lake and says nothing that is not there.
    op.drop_table("linkage_run")
