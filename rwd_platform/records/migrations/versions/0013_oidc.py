"""logins through an identity provider"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_identities_are_kept

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def upgrade() -> None:
    op.create_table(
        "oidc_identity",
        *_texts("issuer", "subject", "user_id", "organisation_id", "bound_at"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.PrimaryKeyConstraint("issuer", "subject"),
        sa.UniqueConstraint("issuer", "user_id"),
    )
    op.create_table(
        "oidc_attempt",
        *_texts(
            "token_sha256", "state_sha256", "nonce", "verifier", "purpose", "user_id", "next", "expires_at"
        ),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    for table, column in (("oidc_identity", "user_id"), ("oidc_attempt", "expires_at")):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)
    with op.batch_alter_table("half_login", schema=None) as batch_op:
        batch_op.add_column(sa.Column("first_step", _TEXT(), nullable=False, server_default="password"))


def downgrade() -> None:
    check_identities_are_kept(op.get_bind())
    with op.batch_alter_table("half_login", schema=None) as batch_op:
        batch_op.drop_column("first_step")
    op.drop_table("oidc_attempt")
    op.drop_table("oidc_identity")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]
