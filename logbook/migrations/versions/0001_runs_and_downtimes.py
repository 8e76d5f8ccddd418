"""Runs, slow control and downtimes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sipmdcs.sqltriggers import refuse

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "logbook_counter",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_logbook_counter")),
    )
    op.create_table(
        "logbook_downtime",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_key", sa.String(length=80), nullable=False),
        sa.Column("detector", sa.String(length=40), nullable=False),
        sa.Column("run", sa.Integer(), nullable=True),
        sa.Column("subrun", sa.Integer(), nullable=True),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("category", sa.String(length=60), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("user_name", sa.String(length=120), nullable=False),
        sa.Column("source", sa.String(length=12), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_logbook_downtime_interval")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logbook_downtime")),
        sa.UniqueConstraint("request_key", name=op.f("uq_logbook_downtime_request_key")),
    )
    op.create_index(
        "uq_logbook_downtime_open",
        "logbook_downtime",
        ["detector"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "logbook_run",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("request_key", sa.String(length=80), nullable=False),
        sa.Column("partition", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("opened_by", sa.String(length=120), nullable=False),
        sa.Column("ended_by", sa.String(length=120), nullable=False),
        sa.Column("end_reason", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=True),
        sa.Column("config_version", sa.Integer(), nullable=True),
        sa.Column("config_push", sa.Integer(), nullable=True),
        sa.Column("config_hash", sa.String(length=64), nullable=False),
        sa.Column("software_version", sa.String(length=40), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("summary", sa.String(length=10), nullable=False),
        sa.CheckConstraint("state IN ('init', 'running', 'paused', 'ended', 'aborted')", name=op.f("ck_logbook_run_state")),
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= opened_at", name=op.f("ck_logbook_run_interval")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_logbook_run")),
        sa.UniqueConstraint("request_key", name=op.f("uq_logbook_run_request_key")),
    )
    op.create_index(
        "uq_logbook_run_open",
        "logbook_run",
        ["partition"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("ix_logbook_run_summary"), "logbook_run", ["summary"], unique=False)
    op.create_table(
        "logbook_downtime_edit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("downtime", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["downtime"], ["logbook_downtime.id"], name=op.f("fk_logbook_downtime_edit_downtime")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logbook_downtime_edit")),
    )
    op.create_index(op.f("ix_logbook_downtime_edit_downtime"), "logbook_downtime_edit", ["downtime"], unique=False)
    op.create_table(
        "logbook_remark",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["logbook_run.number"], name=op.f("fk_logbook_remark_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logbook_remark")),
    )
    op.create_index(op.f("ix_logbook_remark_run"), "logbook_remark", ["run"], unique=False)
    op.create_table(
        "logbook_slow_control",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("pv", sa.String(length=60), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=True),
        sa.Column("minimum", sa.Double(), nullable=True),
        sa.Column("maximum", sa.Double(), nullable=True),
        sa.Column("rms", sa.Double(), nullable=True),
        sa.Column("alarm_s", sa.Double(), nullable=False),
        sa.Column("invalid_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["logbook_run.number"], name=op.f("fk_logbook_slow_control_run")),
        sa.PrimaryKeyConstraint("run", "pv", name=op.f("pk_logbook_slow_control")),
    )
    op.create_table(
        "logbook_transition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("before", sa.String(length=10), nullable=False),
        sa.Column("after", sa.String(length=10), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["logbook_run.number"], name=op.f("fk_logbook_transition_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logbook_transition")),
    )
    op.create_index(op.f("ix_logbook_transition_run"), "logbook_transition", ["run"], unique=False)
    op.execute("INSERT INTO logbook_counter (name, value) VALUES ('run', 0)")
    refuse("logbook_run_kept", "logbook_run", ("DELETE",), "TRUE", "runs are kept")
    refuse("logbook_counter_back", "logbook_counter", ("UPDATE",), "NEW.value < OLD.value", "a run number is given out once")
    refuse("logbook_transition_kept", "logbook_transition", ("UPDATE", "DELETE"), "TRUE", "transitions are kept")
    refuse("logbook_remark_kept", "logbook_remark", ("UPDATE", "DELETE"), "TRUE", "remarks are kept")
    refuse("logbook_downtime_kept", "logbook_downtime", ("DELETE",), "TRUE", "downtimes are kept")
    refuse("logbook_downtime_edit_kept", "logbook_downtime_edit", ("UPDATE", "DELETE"), "TRUE", "edits are kept")
