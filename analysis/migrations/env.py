"""Migrations of the tables of analysis; run by ``analysis.schema``."""

from analysis.tables import Base
from sipmdcs.migration import run_migrations

run_migrations(Base.metadata)
