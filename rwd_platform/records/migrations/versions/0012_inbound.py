"""transfers have a direction; postings no longer say by how much they changed the counts"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

from rwd_platform.records.downgrade import check_imports_are_kept

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_STALE = ("new_general", "new_sensitive")


def upgrade() -> None:
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("direction", _TEXT(), nullable=False, server_default="outbound"))
    with op.batch_alter_table("person_posting", schema=None) as batch_op:
        for column in _STALE:
            batch_op.drop_column(column)


def downgrade() -> None:
    check_imports_are_kept(op.get_bind())
    with op.batch_alter_table("person_posting", schema=None) as batch_op:
        for column in _STALE:
            batch_op.add_column(sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.drop_column("direction")
