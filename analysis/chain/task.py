"""What goes to a worker and what comes back: plain values, so that they travel to any machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Work:
    """A job that this service has taken, with what is known of its raw result."""

    job: int
    attempts: int
    """This one counted."""
    path: str
    """Relative to the raw folder."""
    sha256: str
    channel: str
    kind: str
    run: int | None
    taken_at: datetime
    conditions: dict[str, Any]
    queued_at: datetime
    first: bool
    """Whether this raw result was never analysed before."""


@dataclass(frozen=True, slots=True)
class Task:
    """One raw result to analyse."""

    job: int
    sha256: str
    """Of the file."""
    source: Path | bytes
    """The file, or its content for a worker on another machine."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker says about one task."""

    job: int
    outcomes: tuple[Outcome, ...]
    error: str
    """Why there was no analysis: the file is missing or damaged. Data without a result are outcomes with a reason, not this."""
    code: str
    """Program that did it."""
