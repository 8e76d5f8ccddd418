"""Tables of the logbook: runs, what the slow control did in each, downtimes.

All times are UTC, intervals are half-open, an end of NULL means still going on. What the database itself keeps (no
second open record, no forgotten history) are unique partial indices and triggers, made by the migrations.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, MetaData, String, Text, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sipmdcs.sqltypes import NAMING, UtcDateTime

_OPEN = text("ended_at IS NULL")


class Base(DeclarativeBase):
    """Tables owned by the logbook."""

    metadata = MetaData(naming_convention=NAMING)


class Counter(Base):
    """Numbers that are given out once: counted up in one statement, never back."""

    __tablename__ = "logbook_counter"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    """``run``."""
    value: Mapped[int]
    """The last one given out."""


class Run(Base):
    """One run: the facts that the system itself knows. What people say of it is in ``Remark``."""

    __tablename__ = "logbook_run"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at >= opened_at", name="interval"),
        CheckConstraint("state IN ('init', 'running', 'paused', 'ended', 'aborted')", name="state"),
        Index("uq_logbook_run_open", "partition", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_logbook_run_partition", "partition", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    request_key: Mapped[str] = mapped_column(String(80), unique=True)
    """Of the request that opened it: the same request again finds this run instead of opening another."""
    partition: Mapped[str] = mapped_column(String(40))
    """What takes data together; at most one run of a partition is open."""
    type: Mapped[str] = mapped_column(String(20))
    """``physics``, ``calibration``, ``iv``, ``spectrum``, …"""
    state: Mapped[str] = mapped_column(String(10))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """When it first was running."""
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    opened_by: Mapped[str] = mapped_column(String(120))
    ended_by: Mapped[str] = mapped_column(String(120), default="")
    end_reason: Mapped[str] = mapped_column(Text, default="")
    """Why it was aborted or closed by somebody else than its owner; empty for an ordinary end."""
    orphaned: Mapped[bool] = mapped_column(default=False, server_default=false())
    """It was closed because its data acquisition was dead; it ends with the last sign of life."""
    events: Mapped[int | None] = mapped_column(BigInteger)
    config_version: Mapped[int | None]
    """Number of the configuration version pushed last when it was started (opened, until then); NULL if there was none."""
    config_push: Mapped[int | None]
    """The push that brought it there."""
    config_hash: Mapped[str] = mapped_column(String(64), default="")
    config_only: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Which part of the version that push was of; empty for all of it."""
    config_compared: Mapped[int | None]
    """Values of the version that were read from the detector at the start of the run; NULL until then."""
    config_differing: Mapped[int | None]
    """How many of these differed from the version."""
    config_unread: Mapped[int | None]
    """Values of the version that could not be read, so that nothing is known of them."""
    config_compared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    config_trouble: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why the detector was not compared with the version; empty if it was."""
    software_version: Mapped[str] = mapped_column(String(40))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """Whatever else the data acquisition reported."""
    summary: Mapped[str] = mapped_column(String(10), default="", index=True)
    """Of the slow control: empty while the run is open, then ``waiting``, ``done`` or ``failed``."""


class Transition(Base):
    """A change of the state of a run; never edited."""

    __tablename__ = "logbook_transition"

    id: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("logbook_run.number"), index=True)
    before: Mapped[str] = mapped_column(String(10))
    """Empty for the opening."""
    after: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(20))
    """``http``, ``pv``, ``command`` or ``service``."""
    who: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(Text, default="")


class Remark(Base):
    """What somebody says of a run: one field, one value. The newest counts, the others are its history."""

    __tablename__ = "logbook_remark"

    id: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("logbook_run.number"), index=True)
    field: Mapped[str] = mapped_column(String(40))
    """``comment``, ``quality``, ``shifter``, …"""
    value: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(120))


class SlowControl(Base):
    """What one PV did during one run, from the archive. Times are seconds within the run."""

    __tablename__ = "logbook_slow_control"

    run: Mapped[int] = mapped_column(ForeignKey("logbook_run.number"), primary_key=True)
    pv: Mapped[str] = mapped_column(String(60), primary_key=True)
    unit: Mapped[str] = mapped_column(String(16))
    samples: Mapped[int]
    mean: Mapped[float | None]
    """Over time, not over samples; NULL, as the three below, if there was no valid value."""
    minimum: Mapped[float | None]
    maximum: Mapped[float | None]
    rms: Mapped[float | None]
    """Standard deviation over time."""
    alarm_s: Mapped[float]
    """With severity MINOR, MAJOR or INVALID."""
    invalid_s: Mapped[float]
    """With severity INVALID, disconnected or not archived."""


class Downtime(Base):
    """One time without data taking, as it stands now; ``DowntimeEdit`` tells how it came to that."""

    __tablename__ = "logbook_downtime"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="interval"),
        Index("uq_logbook_downtime_open", "detector", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_logbook_downtime_detector", "detector", "ended_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    """Event id."""
    request_key: Mapped[str] = mapped_column(String(80), unique=True)
    detector: Mapped[str] = mapped_column(String(40))
    run: Mapped[int | None] = mapped_column(index=True)
    """The run that stopped."""
    subrun: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    category: Mapped[str] = mapped_column(String(60))
    """``UNDECIDED`` until somebody says."""
    description: Mapped[str] = mapped_column(Text, default="")
    user: Mapped[str] = mapped_column("user_name", String(120), default="")
    source: Mapped[str] = mapped_column(String(12))
    """``automatic`` (a message of the data acquisition) or ``manual``."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revision: Mapped[int] = mapped_column(default=1)
    """Counts edits: of two people who edit the same revision, the second is told."""


class DowntimeEdit(Base):
    """One field of one downtime, changed by somebody; never edited."""

    __tablename__ = "logbook_downtime_edit"

    id: Mapped[int] = mapped_column(primary_key=True)
    downtime: Mapped[int] = mapped_column(ForeignKey("logbook_downtime.id"), index=True)
    revision: Mapped[int]
    """The one it made."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(120))
    field: Mapped[str] = mapped_column(String(20))
    before: Mapped[str] = mapped_column(Text)
    after: Mapped[str] = mapped_column(Text)
