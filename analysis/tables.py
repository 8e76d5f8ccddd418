"""Tables of the analysis: raw results as they arrived, the queue, and what came out per channel and per run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from sipmdcs.sqltypes import NAMING, UtcDateTime


class Base(DeclarativeBase):
    """Tables owned by the analysis."""

    metadata = MetaData(naming_convention=NAMING)


class Raw(Base):
    """One raw result: a file in the raw folder of the site, never changed."""

    __tablename__ = "analysis_raw"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(80), unique=True)
    """Given by the producer: what arrives twice is one."""
    run: Mapped[int | None] = mapped_column(index=True)
    channel: Mapped[str] = mapped_column(String(60))
    """PV prefix of the channel, ``DET:SUB:CTRL:CHnn``."""
    kind: Mapped[str] = mapped_column(String(12))
    """``iv``, ``spectrum`` or ``dark``."""
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime)
    path: Mapped[str] = mapped_column(Text)
    """Relative to the raw folder."""
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    conditions: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """Temperature, overvoltage, gate, …, with the unit in the name."""


class Job(Base):
    """The analysis of one raw result with one set of settings."""

    __tablename__ = "analysis_job"
    __table_args__ = (
        Index("ix_analysis_job_waiting", "state", "id"),
        Index("ix_analysis_job_newest", "raw", "state", "id"),  # for the view of the newest results
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    raw: Mapped[int] = mapped_column(ForeignKey("analysis_raw.id"))
    state: Mapped[str] = mapped_column(String(10))
    """``queued``, ``running``, ``done`` or ``failed``."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was begun; more than a few times means that it kills whoever runs it."""
    owner: Mapped[str] = mapped_column(String(80), default="")
    """Service that runs it."""
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text, default="")


class Owner(Base):
    """A running service that takes jobs. One whose count stands still is dead, and its jobs go back into the queue."""

    __tablename__ = "analysis_owner"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    """As in ``Job.owner``."""
    beats: Mapped[int]
    """Counted up once a second; compared with itself only, so that no two clocks need agree."""


class Reco(Base):
    """One quantity of one channel, or the reason why there is none."""

    __tablename__ = "analysis_reco"
    __table_args__ = (Index("ix_analysis_reco_run", "run", "channel", "quantity"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[int] = mapped_column(ForeignKey("analysis_job.id"), index=True)
    run: Mapped[int | None]
    channel: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(12))
    quantity: Mapped[str] = mapped_column(String(20))
    """``vbr``, ``gain``, ``pedestal``, ``noise``, ``mu``, ``lambda``, ``crosstalk``, ``dark_rate``."""
    method: Mapped[str] = mapped_column(String(24))
    value: Mapped[float | None]
    uncertainty: Mapped[float | None]
    """One standard deviation."""
    unit: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why there is no value."""
    quality: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """chi2, ndf and the like."""
    code: Mapped[str] = mapped_column(String(64))
    """Version of the program and hash of the settings of the analysis."""
    analysed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Macro(Base):
    """One quantity of one run over all its channels, each with its newest raw result and the newest analysis of that."""

    __tablename__ = "analysis_macro"

    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(12), primary_key=True)
    quantity: Mapped[str] = mapped_column(String(20), primary_key=True)
    method: Mapped[str] = mapped_column(String(24), primary_key=True)
    unit: Mapped[str] = mapped_column(String(12))
    channels: Mapped[int]
    """With a value."""
    failed: Mapped[int]
    """Without."""
    mean: Mapped[float | None]
    std: Mapped[float | None]
    """Sample standard deviation; ``None`` with less than two channels."""
    minimum: Mapped[float | None]
    maximum: Mapped[float | None]
    code: Mapped[str] = mapped_column(String(64))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Output(Base):
    """The newest value for one PV: to be put until it has been put."""

    __tablename__ = "analysis_output"

    pv: Mapped[str] = mapped_column(String(72), primary_key=True)
    value: Mapped[float]
    """In the unit of the PV; a breakdown voltage at ``temperature_C``."""
    temperature_C: Mapped[float | None]
    """Set only where the PV holds for a reference temperature."""
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Of the raw result: an older one never replaces a newer one."""
    job: Mapped[int] = mapped_column(ForeignKey("analysis_job.id"))
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    put_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text, default="")
    """Why it could not be put the last time it was tried."""
