"""Raw results, queue, reco and macro, and what goes out to PVs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)

_CURRENT = """
CREATE VIEW analysis_reco_current AS
SELECT reco.* FROM analysis_reco AS reco JOIN analysis_job AS job ON job.id = reco.job
WHERE NOT EXISTS (
    SELECT 1 FROM analysis_job AS newer WHERE newer.raw = job.raw AND newer.state = 'done' AND newer.id > job.id
)
"""
"""What the newest analysis of each raw result says; rows of earlier ones stay in the table."""


def upgrade() -> None:
    op.create_table(
        "analysis_macro",
        sa.Column("run", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("quantity", sa.String(length=20), nullable=False),
        sa.Column("method", sa.String(length=24), nullable=False),
        sa.Column("unit", sa.String(length=12), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=True),
        sa.Column("std", sa.Double(), nullable=True),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("run", "kind", "quantity", "method", name=op.f("pk_analysis_macro")),
    )
    op.create_table(
        "analysis_owner",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_analysis_owner")),
    )
    op.create_table(
        "analysis_raw",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_raw")),
        sa.UniqueConstraint("key", name=op.f("uq_analysis_raw_key")),
    )
    op.create_index(op.f("ix_analysis_raw_run"), "analysis_raw", ["run"], unique=False)
    op.create_table(
        "analysis_job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("raw", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("queued_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["raw"], ["analysis_raw.id"], name=op.f("fk_analysis_job_raw")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_job")),
    )
    op.create_index(op.f("ix_analysis_job_raw"), "analysis_job", ["raw"], unique=False)
    op.create_index("ix_analysis_job_waiting", "analysis_job", ["state", "id"], unique=False)
    op.create_table(
        "analysis_reco",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("channel", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("quantity", sa.String(length=20), nullable=False),
        sa.Column("method", sa.String(length=24), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("uncertainty", sa.Double(), nullable=True),
        sa.Column("unit", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("analysed_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["analysis_job.id"], name=op.f("fk_analysis_reco_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_reco")),
    )
    op.create_index(op.f("ix_analysis_reco_job"), "analysis_reco", ["job"], unique=False)
    op.create_index("ix_analysis_reco_run", "analysis_reco", ["run", "channel", "quantity"], unique=False)
    op.create_table(
        "analysis_output",
        sa.Column("pv", sa.String(length=72), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("temperature_C", sa.Double(), nullable=True),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("queued_at", _TIME, nullable=False),
        sa.Column("put_at", _TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["analysis_job.id"], name=op.f("fk_analysis_output_job")),
        sa.PrimaryKeyConstraint("pv", name=op.f("pk_analysis_output")),
    )
    op.execute(_CURRENT)
