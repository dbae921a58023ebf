"""what may go abroad rests on records"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_provisions_are_kept

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_INDEXED = {
    "legal_party": ("organisation_id",),
    "instrument": ("organisation_id", "kind"),
    "provision": ("organisation_id", "source_id", "recipient_id"),
    "person_posting": ("organisation_id", "year"),
    "release_link": ("organisation_id", "release_id"),
}


def upgrade() -> None:
    op.create_table(
        "legal_party",
        *_texts("id", "organisation_id", "country", "foreign_controlled", "state_organ", "restricted"),
        *_texts("checked_on", "contact", "group_name", "recorded_by", "recorded_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "instrument",
        *_texts("id", "organisation_id", "kind", "number"),
        sa.Column("version", sa.Integer(), nullable=False),
        *_texts("answer", "effective_from", "valid_until", "filed_on", "revoked_on"),
        sa.Column("scope", sa.JSON(), nullable=False),
        *_texts("evidence_sha256"),
        sa.Column("note", sa.Text(), nullable=False),
        *_texts("replaces", "recorded_by", "recorded_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "provision",
        *_texts("id", "organisation_id", "project_id", "package_id", "source", "source_id", "recipient_id"),
        *_texts("purpose", "mode", "state", "verdict"),
        sa.Column("year", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("facts", "decision", "papers")),
        *_texts("asked_by", "decided_at", "ended_at"),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "person_posting",
        *_texts("provision_id", "organisation_id", "recipient_id"),
        sa.Column("year", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("crosses_border", "counted")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("general", "sensitive")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("new_general", "new_sensitive")),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *_texts("reserved_at", "posted_at"),
        sa.ForeignKeyConstraint(["provision_id"], ["provision.id"]),
        sa.PrimaryKeyConstraint("provision_id"),
    )
    op.create_table(
        "release_link",
        *_texts(
            "id",
            "organisation_id",
            "release_id",
            "token_sha256",
            "made_for",
            "made_by",
            "made_at",
            "expires_at",
        ),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("most_downloads", "downloads")),
        *_texts("ended_at"),
        sa.ForeignKeyConstraint(["release_id"], ["output_release.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_sha256"),
    )
    with op.batch_alter_table("release_vote", schema=None) as batch_op:
        batch_op.add_column(sa.Column("word", _TEXT(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("objections", sa.JSON(), nullable=False, server_default="{}"))
    for table, columns in _INDEXED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]


def downgrade() -> None:
    check_provisions_are_kept(op.get_bind())
    with op.batch_alter_table("release_vote", schema=None) as batch_op:
        for column in ("objections", "word"):
            batch_op.drop_column(column)
    for table in ("release_link", "person_posting", "provision", "instrument", "legal_party"):
        op.drop_table(table)
