"""second factors and machine keys"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_grants_are_kept

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_INDEXED = {
    "half_login": ("user_id",),
    "recovery_code": ("user_id",),
    "machine_client": ("organisation_id",),
    "client_token": ("client_id",),
    "project_grant": ("organisation_id", "project_id", "user_id"),
    "inspection": ("organisation_id", "project_id", "user_id"),
}


def upgrade() -> None:
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("valid_until", _TEXT(), nullable=False, server_default=""))
    _create_factors()
    _create_clients()
    _create_grants()
    for table, columns in _INDEXED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def _create_factors() -> None:
    op.create_table(
        "half_login",
        *_texts("token_sha256", "user_id", "organisation_id", "created_at", "expires_at"),
        _refers("user_id", "user_account"),
        sa.PrimaryKeyConstraint("token_sha256"),
    )
    op.create_table(
        "second_factor",
        *_texts("user_id", "organisation_id"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *_texts("begun_at", "confirmed_at"),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        _refers("user_id", "user_account"),
        sa.PrimaryKeyConstraint("user_id"),
    )
    op.create_table(
        "recovery_code",
        *_texts("code_sha256", "user_id", "organisation_id", "made_at", "used_at"),
        _refers("user_id", "user_account"),
        sa.PrimaryKeyConstraint("code_sha256"),
    )


def _create_clients() -> None:
    op.create_table(
        "machine_client",
        *_texts("id", "organisation_id", "name"),
        sa.Column("jwks", sa.JSON(), nullable=False),
        *_texts("registered_by", "registered_at", "revoked_at"),
        _refers("organisation_id", "organisation"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "client_assertion",
        *_texts("client_id", "jti_sha256", "organisation_id", "expires_at"),
        _refers("client_id", "machine_client"),
        sa.PrimaryKeyConstraint("client_id", "jti_sha256"),
    )
    op.create_table(
        "client_token",
        *_texts("token_sha256", "client_id", "organisation_id", "scope", "issued_at", "expires_at"),
        _refers("client_id", "machine_client"),
        sa.PrimaryKeyConstraint("token_sha256"),
    )


def _create_grants() -> None:
    op.create_table(
        "project_grant",
        *_texts("id", "organisation_id", "project_id", "user_id", "since", "until"),
        sa.Column("reason", sa.Text(), nullable=False),
        *_texts("granted_by", "granted_at", "revoked_by", "revoked_at"),
        _refers("user_id", "user_account"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "inspection",
        *_texts("id", "organisation_id", "project_id", "user_id", "since", "until", "document"),
        sa.Column("reason", sa.Text(), nullable=False),
        *_texts("granted_by", "granted_at", "ended_by", "ended_at"),
        _refers("user_id", "user_account"),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    check_grants_are_kept(op.get_bind())
    for table in ("inspection", "project_grant", "client_token", "client_assertion", "machine_client"):
        op.drop_table(table)
    for table in ("recovery_code", "second_factor", "half_login"):
        op.drop_table(table)
    with op.batch_alter_table("user_account", schema=None) as batch_op:
        batch_op.drop_column("valid_until")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT(), nullable=False) for name in names]


def _refers(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.id"])
