"""Alembic's entry: migrations run on the connection that `rwd_platform.records.database` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import rwd_platform.records.tables  # noqa: F401 - fills SQLModel.metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    compare_type=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
