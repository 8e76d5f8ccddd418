"""Runs migrations on the connection that ``configtool.schema`` hands over."""

from __future__ import annotations

from alembic import context

from configtool.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="config_alembic_version",
    transactional_ddl=True,
)
context.run_migrations()
