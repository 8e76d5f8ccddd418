"""One archived event as it stands in the capture log and in memory.

A row is an event of ``sipmdcs.channels`` with the PV's number in the catalogue instead of its place in the capture, and
with marks on samples whose time stamp is odd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import Kind, PvData

ROW = np.dtype(
    [
        ("time_ns", "<i8"),  # server's time stamp, Unix nanoseconds; of connection events: the receive time; LOSS: its start
        ("received_ns", "<i8"),  # when it came in, by this machine's clock; LOSS: its end
        ("value", "<f8"),  # SCALAR: the value; LOSS: how many events
        ("pv", "<u4"),  # number of the PV in the catalogue; LOSS: 0
        ("payload", "<u4"),  # 1-based index into the payloads of the log segment, 0 without payload
        ("status", "<u2"),  # alarm status; LOSS: a Cause
        ("severity", "u1"),
        ("kind", "u1"),  # Kind of sipmdcs.channels, or LOSS
        ("flags", "u1"),  # Flag
        ("spare", "V3"),
    ]
)
"""One row, 40 bytes."""

LAST_SAMPLE_KIND = int(Kind.TEXT_ARRAY)
"""Kinds up to this one are samples."""

LOSS = 16
"""Kind of a row that says between which times how many events were lost, and why."""


class Flag(IntFlag):
    """What is odd about the time stamp of a sample; nothing is dropped for it."""

    LATE = 1
    """Older than one of the same PV that came before."""
    DUPLICATE = 2
    """As old as the newest of the same PV."""
    FUTURE = 4
    """Ahead of this machine's clock by more than ``FUTURE_NS``."""


FUTURE_NS = 30_000_000_000
"""Clocks of IOCs may run ahead this far before their samples are flagged."""


class Cause(IntEnum):
    """Why events were lost."""

    OVERLOAD = 1
    """The capture ring was full."""
    DISK = 2
    """The log could not be written and the memory kept for that was used up."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Events that came in between two times and could not be kept; which PVs they were of is not known."""

    start_ns: int
    end_ns: int
    cause: Cause
    count: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the order they came in, with the payloads they point to."""

    rows: NDArray[np.void]
    """Structured array of ``ROW``; ``payload`` counts from 1 in ``payloads``."""
    payloads: Sequence[PvData]


def empty_rows(count: int) -> NDArray[np.void]:
    """``count`` rows, every field zero."""
    return np.zeros(count, ROW)


def is_sample(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which rows are samples, not connection events or losses."""
    return rows["kind"] <= LAST_SAMPLE_KIND


def loss_rows(loss: Loss) -> Rows:
    """The one row that says so."""
    rows = empty_rows(1)
    rows["time_ns"], rows["received_ns"] = loss.start_ns, loss.end_ns
    rows["kind"], rows["status"], rows["value"] = LOSS, loss.cause, loss.count
    return Rows(rows, [])


def losses_of(rows: NDArray[np.void]) -> list[Loss]:
    """Losses among rows, in their order; those of one cause that follow each other without a break are one."""
    found: list[Loss] = []
    for row in rows[rows["kind"] == LOSS]:
        loss = Loss(int(row["time_ns"]), int(row["received_ns"]), Cause(int(row["status"])), int(row["value"]))
        if found and found[-1].cause is loss.cause and found[-1].end_ns == loss.start_ns:
            loss = Loss(found[-1].start_ns, loss.end_ns, loss.cause, found.pop().count + loss.count)
        found.append(loss)
    return found
