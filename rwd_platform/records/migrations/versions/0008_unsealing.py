"""estimates stay sealed until two people unseal them"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_seals_are_kept

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    with op.batch_alter_table("analysis_run", schema=None) as batch_op:
        # A run that is there already was shown whole: nothing of it is sealed any more.
        batch_op.add_column(sa.Column("sealed_part", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("sealed_analyses", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("unsealed_at", _TEXT(), nullable=False, server_default=""))
    texts = ("id", "organisation_id", "project_id", "study_id", "run_id", "knowledge", "seen_before", "state")
    op.create_table(
        "unsealing_request",
        *(sa.Column(name, _TEXT(), nullable=False) for name in texts),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("diagnostics", sa.JSON(), nullable=False),
        *(
            sa.Column(name, _TEXT(), nullable=False)
            for name in ("requested_by", "requested_at", "decided_at")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"]),
        sa.ForeignKeyConstraint(["run_id"], ["analysis_run.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("unsealing_request", schema=None) as batch_op:
        for column in ("organisation_id", "study_id", "run_id"):
            batch_op.create_index(batch_op.f(f"ix_unsealing_request_{column}"), [column], unique=False)
    op.create_table(
        "unsealing_vote",
        *(sa.Column(name, _TEXT(), nullable=False) for name in ("request_id", "voter_id", "organisation_id")),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("voted_at", _TEXT(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["unsealing_request.id"]),
        sa.PrimaryKeyConstraint("request_id", "voter_id"),
    )


def downgrade() -> None:
    check_seals_are_kept(op.get_bind())
    op.drop_table("unsealing_vote")
    op.drop_table("unsealing_request")
    with op.batch_alter_table("analysis_run", schema=None) as batch_op:
        for column in ("unsealed_at", "sealed_analyses", "sealed_part"):
            batch_op.drop_column(column)
