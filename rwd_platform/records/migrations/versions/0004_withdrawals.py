"""withdrawals, erasures and legal holds"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_withdrawals_are_kept

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_INDEXED = {
    "withdrawal": ("organisation_id", "patient_id"),
    "legal_hold": ("organisation_id", "patient_id"),
    "erasure_request": ("organisation_id", "patient_id", "requester_organisation_id"),
    "lock_notice": ("organisation_id",),
    "package_notice": ("organisation_id",),
}


def upgrade() -> None:
    op.create_table(
        "withdrawal",
        *_texts("id", "organisation_id", "patient_id", "reason", "withdrawn_on", "consent_version"),
        *_texts("received_by", "recorded_at"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "legal_hold",
        *_texts("id", "organisation_id", "patient_id"),
        sa.Column("reason", sa.Text(), nullable=False),
        *_texts("placed_by", "placed_at"),
        sa.Column("lift_reason", sa.Text(), nullable=False),
        *_texts("lifted_by", "lifted_at"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "erasure_request",
        *_texts("id", "organisation_id", "patient_id", "reason", "state", "requested_by"),
        *_texts("requester_organisation_id", "requested_at"),
        sa.Column("duties", sa.JSON(), nullable=False),
        *_texts("step"),
        sa.Column("counts", sa.JSON(), nullable=False),
        *_texts("decided_at", "erased_at", "certificate_sha256"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "erasure_vote",
        *_texts("request_id", "approver_id", "organisation_id"),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_texts("voted_at"),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_request.id"]),
        sa.PrimaryKeyConstraint("request_id", "approver_id"),
    )
    op.create_table(
        "lock_notice",
        *_texts("lock_id", "cause", "organisation_id", "project_id", "kind", "reissued_as"),
        *_texts("noted_at", "ended_at"),
        sa.PrimaryKeyConstraint("lock_id", "cause"),
    )
    op.create_table(
        "package_notice",
        *_texts("package_id", "cause", "organisation_id", "project_id", "kind", "noted_at"),
        sa.PrimaryKeyConstraint("package_id", "cause"),
    )
    for table, columns in _INDEXED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def downgrade() -> None:
    check_withdrawals_are_kept(op.get_bind())
    for table in ("package_notice", "lock_notice", "erasure_vote", "erasure_request", "legal_hold"):
        op.drop_table(table)
    op.drop_table("withdrawal")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
