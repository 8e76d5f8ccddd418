"""Topology, versions of settings and pushes, with the triggers that freeze them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sipmdcs.sqltriggers import refuse

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_EXACT = sa.String(40)
_OPEN = sa.text("valid_to IS NULL")
_INTERVAL = "valid_to IS NULL OR valid_to > valid_from"


def upgrade() -> None:
    _topology()
    _versions()
    _pushes()
    for name, table, events, condition, message in _RULES:
        refuse(name, table, events, condition, message)


def _topology() -> None:
    op.create_table(
        "topology_controller",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(12), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_topology_controller"),
        sa.UniqueConstraint("name", name="uq_topology_controller_name"),
    )
    op.create_table(
        "topology_channel",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("controller_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_topology_channel"),
        sa.ForeignKeyConstraint(["controller_id"], ["topology_controller.id"], name="fk_topology_channel_controller_id"),
    )
    op.create_index("uq_topology_channel_place", "topology_channel", ["controller_id", "number"], unique=True)
    op.create_table(
        "topology_sensor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_topology_sensor"),
        sa.UniqueConstraint("serial", name="uq_topology_sensor_serial"),
    )
    op.create_table(
        "topology_sensor_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("sensor_id", sa.Integer(), nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_to", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_topology_sensor_link"),
        sa.ForeignKeyConstraint(["channel_id"], ["topology_channel.id"], name="fk_topology_sensor_link_channel_id"),
        sa.ForeignKeyConstraint(["sensor_id"], ["topology_sensor.id"], name="fk_topology_sensor_link_sensor_id"),
        sa.CheckConstraint(_INTERVAL, name="ck_topology_sensor_link_interval"),
    )
    op.create_table(
        "topology_hop",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("label", sa.String(40), nullable=False),
        sa.Column("valid_from", _TIME, nullable=False),
        sa.Column("valid_to", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_topology_hop"),
        sa.ForeignKeyConstraint(["channel_id"], ["topology_channel.id"], name="fk_topology_hop_channel_id"),
        sa.CheckConstraint(_INTERVAL, name="ck_topology_hop_interval"),
    )
    for name, table, columns in (
        ("uq_topology_sensor_link_channel", "topology_sensor_link", ["channel_id"]),
        ("uq_topology_sensor_link_sensor", "topology_sensor_link", ["sensor_id"]),
        ("uq_topology_hop_open", "topology_hop", ["channel_id", "kind"]),
    ):
        op.create_index(name, table, columns, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)


def _versions() -> None:
    op.create_table(
        "config_parameter",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("minimum", _EXACT, nullable=False),
        sa.Column("maximum", _EXACT, nullable=False),
        sa.Column("write_mode", sa.String(16), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("pv_suffix", sa.String(40), nullable=False),
        sa.Column("readback_suffix", sa.String(40), nullable=False),
        sa.Column("tolerance", _EXACT, nullable=False),
        sa.Column("settle_s", _EXACT, nullable=False),
        sa.Column("macro", sa.String(40), nullable=False),
        sa.Column("calibration", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_config_parameter"),
    )
    op.create_table(
        "config_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("author", sa.String(120), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_config_version"),
        sa.ForeignKeyConstraint(["parent_id"], ["config_version.id"], name="fk_config_version_parent_id"),
    )
    op.create_index("uq_config_version_parent", "config_version", [sa.text("coalesce(parent_id, 0)")], unique=True)
    op.create_table(
        "config_setting",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(40), nullable=False),
        sa.Column("parameter", sa.String(40), nullable=False),
        sa.Column("formula", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "layer", "target", "parameter", name="pk_config_setting"),
        sa.ForeignKeyConstraint(["version_id"], ["config_version.id"], name="fk_config_setting_version_id"),
        sa.ForeignKeyConstraint(["parameter"], ["config_parameter.name"], name="fk_config_setting_parameter"),
    )


def _pushes() -> None:
    op.create_table(
        "config_push",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("only", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("author", sa.String(120), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Double(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_config_push"),
        sa.ForeignKeyConstraint(["version_id"], ["config_version.id"], name="fk_config_push_version_id"),
    )
    op.create_table(
        "config_push_item",
        sa.Column("push_id", sa.Integer(), nullable=False),
        sa.Column("pv", sa.String(60), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("parameter", sa.String(40), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("readback_pv", sa.String(60), nullable=False),
        sa.Column("target", sa.Double(), nullable=False),
        sa.Column("tolerance", sa.Double(), nullable=False),
        sa.Column("before", sa.Double(), nullable=True),
        sa.Column("before_readback", sa.Double(), nullable=True),
        sa.Column("after", sa.Double(), nullable=True),
        sa.Column("after_readback", sa.Double(), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("written_at", _TIME, nullable=True),
        sa.Column("checked_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("push_id", "pv", name="pk_config_push_item"),
        sa.ForeignKeyConstraint(["push_id"], ["config_push.id"], name="fk_config_push_item_push_id"),
    )
    op.create_table(
        "config_push_lock",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("push_id", sa.Integer(), nullable=False),
        sa.Column("beat_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_config_push_lock"),
        sa.ForeignKeyConstraint(["push_id"], ["config_push.id"], name="fk_config_push_lock_push_id"),
    )


_RULES = (
    # name, table, events, refused when, message
    ("config_version_frozen", "config_version", ("UPDATE", "DELETE"), "OLD.frozen", "a version is never changed"),
    ("config_setting_frozen", "config_setting", ("UPDATE", "DELETE"), "TRUE", "a version is never changed"),
    (
        "config_setting_late",
        "config_setting",
        ("INSERT",),
        "(SELECT frozen FROM config_version WHERE id = NEW.version_id)",
        "a version is never changed",
    ),
    ("config_push_ended", "config_push", ("UPDATE",), "OLD.ended_at IS NOT NULL", "a finished push is never changed"),
    ("config_push_kept", "config_push", ("DELETE",), "TRUE", "pushes are kept"),
    (
        "config_push_item_ended",
        "config_push_item",
        ("UPDATE",),
        "EXISTS (SELECT 1 FROM config_push WHERE id = OLD.push_id AND ended_at IS NOT NULL)",
        "a finished push is never changed",
    ),
    ("config_push_item_kept", "config_push_item", ("DELETE",), "TRUE", "pushes are kept"),
)
