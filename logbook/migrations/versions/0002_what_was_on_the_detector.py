"""What a run knows of the detector at its start, which runs were orphaned, and indexes for times and for runs of downtimes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_logbook_run_opened_at", "logbook_run", ["opened_at"]),
    ("ix_logbook_run_started_at", "logbook_run", ["started_at"]),
    ("ix_logbook_run_ended_at", "logbook_run", ["ended_at"]),
    ("ix_logbook_run_partition", "logbook_run", ["partition", "number"]),
    ("ix_logbook_downtime_run", "logbook_downtime", ["run"]),
    ("ix_logbook_downtime_started_at", "logbook_downtime", ["started_at"]),
    ("ix_logbook_downtime_ended_at", "logbook_downtime", ["ended_at"]),
    ("ix_logbook_downtime_detector", "logbook_downtime", ["detector", "ended_at"]),
)


def upgrade() -> None:
    for column in (
        sa.Column("config_only", sa.Text(), nullable=False, server_default=""),
        sa.Column("config_compared", sa.Integer(), nullable=True),
        sa.Column("config_differing", sa.Integer(), nullable=True),
        sa.Column("config_unread", sa.Integer(), nullable=True),
        sa.Column("config_compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("config_trouble", sa.Text(), nullable=False, server_default=""),
        sa.Column("orphaned", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("logbook_run", column)
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns, unique=False)
