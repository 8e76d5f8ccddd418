"""The state of the whole detector in a word, from the looks of its channels: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opi.cell import Cell, Look, Motion
from sipmdcs.severity import Severity


@dataclass(frozen=True, slots=True)
class DetectorState:
    """How many channels do what. Masked channels and those that are not cabled are in none but ``masked``."""

    on: int = 0
    off: int = 0
    ramping: int = 0
    tripped: int = 0
    """Tripped or in error."""
    interlocked: int = 0
    unknown: int = 0
    """Disconnected, stale or without a valid value."""
    masked: int = 0

    def __add__(self, other: DetectorState) -> DetectorState:
        """Of both parts of a detector."""
        return DetectorState(
            self.on + other.on,
            self.off + other.off,
            self.ramping + other.ramping,
            self.tripped + other.tripped,
            self.interlocked + other.interlocked,
            self.unknown + other.unknown,
            self.masked + other.masked,
        )

    @property
    def total(self) -> int:
        """Channels that count."""
        return self.on + self.off + self.ramping + self.tripped + self.interlocked + self.unknown

    @property
    def word(self) -> str:
        """The state in a word."""
        if self.unknown == self.total:
            return "DISCONNECTED"
        if self.ramping:
            return "RAMPING"
        if self.on == self.total:
            return "ON"
        return "PARTLY ON" if self.on else "OFF"

    @property
    def severity(self) -> Severity:
        """How bad that is."""
        if self.tripped:
            return Severity.MAJOR
        if self.unknown:
            return Severity.INVALID
        return Severity.MINOR if self.interlocked else Severity.NO_ALARM

    @property
    def text(self) -> str:
        """The state with the counts that a shifter must act on."""
        if self.unknown == self.total:
            return f"{self.word} {self.total} channels"
        out = [f"{self.word} {self.on}/{self.total}"]
        out += [f"{count} {name}" for name, count in (("tripped", self.tripped), ("no value", self.unknown)) if count]
        return " · ".join(out)

    @property
    def details(self) -> str:
        """All counts, one a line."""
        names = ("on", "off", "ramping", "tripped", "interlocked", "unknown", "masked")
        return "\n".join(f"{name}: {getattr(self, name)}" for name in names)


_FIELD = {
    Look.OFF: "off",
    Look.TRIPPED: "tripped",
    Look.ERROR: "tripped",
    Look.INTERLOCKED: "interlocked",
    Look.LOST: "unknown",
    Look.STALE: "unknown",
    Look.UNKNOWN: "unknown",
    Look.MASKED: "masked",
}


def detector_state(cells: Iterable[Cell]) -> DetectorState:
    """Count the channels."""
    counts: dict[str, int] = {}
    for cell in cells:
        if cell.look is Look.BLANK:
            continue
        moving = "on" if cell.motion is Motion.STILL else "ramping"
        name = moving if cell.look is Look.VALUE else _FIELD[cell.look]
        counts[name] = counts.get(name, 0) + 1
    return DetectorState(**counts)
