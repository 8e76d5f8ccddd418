"""Migrations of the tables of the config tool; run by ``configtool.schema``."""

from configtool.tables import Base
from sipmdcs.migration import run_migrations

run_migrations(Base.metadata)
