"""the log has witnesses and reviews, and may have a tree with SM3"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_log_is_kept

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_TABLES = (
    "log_review_signature",
    "log_review_finding",
    "log_review",
    "audit_cosignature",
    "audit_witness",
    "audit_checkpoint_sm3",
    "audit_node_sm3",
)


def upgrade() -> None:
    op.create_table(
        "audit_node_sm3",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    op.create_table(
        "audit_checkpoint_sm3",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        *_texts("at", "why"),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "audit_witness",
        *_texts("name", "public_key", "added_by", "added_at"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "audit_cosignature",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        *_texts("origin", "witness", "cosigned_at", "stored_at"),
        sa.PrimaryKeyConstraint("origin", "size", "witness"),
    )
    _make_reviews()


def _make_reviews() -> None:
    op.create_table(
        "log_review",
        *_texts("id", "organisation_id", "since", "until"),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _NUMBERS),
        *_texts("root", "leaves_sha256", "opened_by", "opened_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "log_review_finding",
        *_texts("id", "review_id"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_texts("found_by", "found_at"),
        sa.ForeignKeyConstraint(["review_id"], ["log_review.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "log_review_signature",
        *_texts("review_id", "signer_id", "organisation_id", "signed_at"),
        sa.ForeignKeyConstraint(["review_id"], ["log_review.id"]),
        sa.PrimaryKeyConstraint("review_id", "signer_id"),
    )
    for table, column in (("log_review", "organisation_id"), ("log_review_finding", "review_id")):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def downgrade() -> None:
    check_log_is_kept(op.get_bind())
    for table in _TABLES:
        op.drop_table(table)


_NUMBERS = ("first_sequence", "last_sequence", "tree_size")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
