"""What came of a write, in a value and in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sipmdcs.channels import PvData
from sipmdcs.clock import NS


class Result(StrEnum):
    """How a write ended."""

    DONE = "done"
    """The device holds what was written; without a readback, the record does (``Outcome.checked`` says which)."""
    CLAMPED = "clamped"
    """The device verifiably holds another value."""
    REFUSED = "refused"
    """The client, the server or the device said no; the value was not taken."""
    UNKNOWN = "unknown"
    """Nobody can say: connection lost, no completion in time, readback old or on the move. It may have been taken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one write."""

    pv: str
    result: Result
    wanted: PvData
    held: PvData | None = None
    """Value that was read back; of ``CLAMPED`` always known."""
    reason: str = ""
    """Why, for a reader; empty if ``DONE``."""
    checked: str = ""
    """The readback that was compared; empty where the setpoint has none, so that completion and alarm are all there is."""
    since_ns: int | None = None
    """Of ``UNKNOWN``: time of the last good evidence, Unix nanoseconds."""
    shown: str = ""
    """``held`` with its unit and the precision of the record, or its label."""

    @property
    def ok(self) -> bool:
        """Whether it is done."""
        return self.result is Result.DONE

    @property
    def text(self) -> str:
        """One line without the name of the PV."""
        match self.result:
            case Result.DONE:
                return "done" if self.checked else "done; it has no readback"
            case Result.CLAMPED:
                return f"clamped to {self.shown}: {self.reason}"
            case Result.REFUSED:
                return f"refused: {self.reason}"
            case Result.UNKNOWN:
                since = "" if self.since_ns is None else f" (since {_clock_time(self.since_ns)})"
                return f"unknown: {self.reason}{since}"


def _clock_time(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NS, UTC):%H:%M:%S} UTC"
