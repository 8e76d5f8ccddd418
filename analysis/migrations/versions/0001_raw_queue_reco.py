"""Raw results, queue, reco and macro."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


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
