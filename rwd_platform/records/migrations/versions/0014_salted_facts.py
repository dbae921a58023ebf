"""facts with counts are hashed with a salt"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TABLES = ("provision", "transfer")


def upgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            column = sa.Column("salt", sqlmodel.sql.sqltypes.AutoString(), nullable=False, server_default="")
            batch_op.add_column(column)


def downgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("salt")
