"""Migrations of the tables of logbook; run by ``logbook.schema``."""

from logbook.tables import Base
from sipmdcs.migration import run_migrations

run_migrations(Base.metadata)
