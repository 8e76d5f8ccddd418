"""Tables of the configuration database: topology, versions of settings, pushes.

All times are UTC, intervals are half-open, ``valid_to`` NULL means now and on. What the database itself enforces on frozen
versions and finished pushes are triggers, made by the migrations.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Dialect, ForeignKey, Index, MetaData, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from configtool.quantity import spell
from sipmdcs.sqltypes import NAMING, UtcDateTime


class Exact(TypeDecorator[Decimal]):
    """Decimal numbers as text in their one spelling: SQLite would keep them as binary fractions."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else spell(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    """Tables owned by the config tool."""

    metadata = MetaData(naming_convention=NAMING)


_OPEN = text("valid_to IS NULL")


def _one_open(name: str, *columns: str) -> Index:
    """At most one open interval for each combination of ``columns``."""
    return Index(name, *columns, unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)


class Controller(Base):
    """A controller that the channel table names, installed or spare."""

    __tablename__ = "topology_controller"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(12), unique=True)
    """Id in the channel table, such as ``17``."""


class Channel(Base):
    """A bias output of a controller."""

    __tablename__ = "topology_channel"
    __table_args__ = (Index("uq_topology_channel_place", "controller_id", "number", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    controller_id: Mapped[int] = mapped_column(ForeignKey("topology_controller.id"))
    number: Mapped[int]
    """From 1."""


class Sensor(Base):
    """A SiPM."""

    __tablename__ = "topology_sensor"

    id: Mapped[int] = mapped_column(primary_key=True)
    serial: Mapped[str] = mapped_column(String(40), unique=True)


class SensorLink(Base):
    """Which SiPM hung on which channel, and when. One channel has one SiPM at a time, one SiPM hangs in one place."""

    __tablename__ = "topology_sensor_link"
    __table_args__ = (
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="interval"),
        _one_open("uq_topology_sensor_link_channel", "channel_id"),
        _one_open("uq_topology_sensor_link_sensor", "sensor_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("topology_channel.id"))
    sensor_id: Mapped[int] = mapped_column(ForeignKey("topology_sensor.id"))
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Hop(Base):
    """One piece of the way of a channel from the scintillator to the digitizer, and when it was so."""

    __tablename__ = "topology_hop"
    __table_args__ = (
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="interval"),
        _one_open("uq_topology_hop_open", "channel_id", "kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("topology_channel.id"))
    source: Mapped[str] = mapped_column(String(80))
    """Table it was read from: ``channels`` or the name of a mapping file."""
    kind: Mapped[str] = mapped_column(String(40))
    """Column of that table, such as ``internal_cable``."""
    label: Mapped[str] = mapped_column(String(40))
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ParameterRow(Base):
    """Definition of a setting; see ``configtool.parameters.Parameter``."""

    __tablename__ = "config_parameter"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    unit: Mapped[str] = mapped_column(String(16))
    minimum: Mapped[Decimal] = mapped_column(Exact)
    maximum: Mapped[Decimal] = mapped_column(Exact)
    write_mode: Mapped[str] = mapped_column(String(16))
    phase: Mapped[int]
    pv_suffix: Mapped[str] = mapped_column(String(40))
    readback_suffix: Mapped[str] = mapped_column(String(40))
    tolerance: Mapped[Decimal] = mapped_column(Exact)
    settle_s: Mapped[Decimal] = mapped_column(Exact)
    macro: Mapped[str] = mapped_column(String(40))
    calibration: Mapped[bool]
    description: Mapped[str] = mapped_column(String(80))


class Version(Base):
    """A complete set of settings. Frozen in the transaction that makes it, and never changed again."""

    __tablename__ = "config_version"
    __table_args__ = (Index("uq_config_version_parent", text("coalesce(parent_id, 0)"), unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    """Number of the version, from 1."""
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("config_version.id"))
    """The head it was made on. Unique, so of two writers on the same head one is refused."""
    content_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the canonical JSON of its settings."""
    author: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    message: Mapped[str] = mapped_column(Text)
    frozen: Mapped[bool]


class Setting(Base):
    """One entry of a version."""

    __tablename__ = "config_setting"

    version_id: Mapped[int] = mapped_column(ForeignKey("config_version.id"), primary_key=True)
    layer: Mapped[int] = mapped_column(primary_key=True)
    """0 default, 1 subsystem, 2 controller, 3 channel."""
    target: Mapped[str] = mapped_column(String(40), primary_key=True)
    parameter: Mapped[str] = mapped_column(ForeignKey("config_parameter.name"), primary_key=True)
    formula: Mapped[str] = mapped_column(Text)


class Push(Base):
    """One attempt to bring the detector to a version."""

    __tablename__ = "config_push"

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("config_version.id"))
    only: Mapped[str] = mapped_column(Text)
    """Patterns of a partial push, blank separated; empty for a full one."""
    state: Mapped[str] = mapped_column(String(20))
    author: Mapped[str] = mapped_column(String(120))
    message: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    """Why it ended as it did."""
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    process_started: Mapped[float]
    """When the process of the client started, seconds since the Unix epoch: tells it from a later one with the same id."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PushItem(Base):
    """One value of a push. Written before anything is put."""

    __tablename__ = "config_push_item"

    push_id: Mapped[int] = mapped_column(ForeignKey("config_push.id"), primary_key=True)
    pv: Mapped[str] = mapped_column(String(60), primary_key=True)
    channel: Mapped[str] = mapped_column(String(20))
    parameter: Mapped[str] = mapped_column(String(40))
    phase: Mapped[int]
    readback_pv: Mapped[str] = mapped_column(String(60))
    target: Mapped[float]
    tolerance: Mapped[float]
    before: Mapped[float | None]
    """Setpoint found, NULL where it was no number."""
    before_readback: Mapped[float | None]
    after: Mapped[float | None]
    """Setpoint last read."""
    after_readback: Mapped[float | None]
    status: Mapped[str] = mapped_column(String(20))
    error: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PushLock(Base):
    """The one push that is under way, if any."""

    __tablename__ = "config_push_lock"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    push_id: Mapped[int] = mapped_column(ForeignKey("config_push.id"))
    beat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When its client last showed itself."""
