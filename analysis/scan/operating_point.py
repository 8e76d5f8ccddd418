"""What channels did before a scan, on the disk from before its first put until all of it is back."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sipmdcs.durable import sync_folder, write_durably
from sipmdcs.errors import BadInput, ServiceError

_SLACK_V = 0.06
"""What a module whose page has one decimal may say instead of a setpoint, after its IOC forgot what it was told."""


@dataclass(frozen=True, slots=True)
class Held:
    """One channel before the scan, and where the scan takes it."""

    bias_V: float
    on: bool
    current_limit_uA: float
    ramp_up: float
    ramp_down: float
    grid: tuple[float, ...]
    """Every setpoint of the scan, V: on the disk before the first of them is sent."""
    readback_V: float
    """``BIAS_RBV`` before the scan: what the device made of ``bias_V``."""

    def holds(self, readback_V: float, tolerance_V: float) -> bool:
        """Whether the device holds what it held before; NaN is no."""
        return min(abs(readback_V - self.bias_V), abs(readback_V - self.readback_V)) <= tolerance_V

    def ours(self, bias_V: float) -> bool:
        """Whether a setpoint can come from the scan or from before it, whatever was restarted; else another client put it."""
        return any(abs(bias_V - own) <= _SLACK_V for own in (*self.grid, self.bias_V))


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Everything that a scan changes."""

    uid: str
    who: str
    started: str
    """ISO time."""
    run: int | None
    channels: Mapping[str, Held]
    polls: Mapping[str, float] = field(default_factory=dict)
    """Poll period of each controller whose period the scan changes, s."""

    def without(self, names: Mapping[str, str] | set[str]) -> OperatingPoint:
        """The same without some channels or controllers."""
        return replace(
            self,
            channels={name: held for name, held in self.channels.items() if name not in names},
            polls={name: period for name, period in self.polls.items() if name not in names},
        )

    def parked(self, names: Collection[str]) -> OperatingPoint:
        """The same where some channels have their setpoints back, so that no other one is of the scan any more."""
        channels = {name: replace(held, grid=()) if name in names else held for name, held in self.channels.items()}
        return replace(self, channels=channels)

    @property
    def empty(self) -> bool:
        """Whether nothing is left to put back."""
        return not self.channels and not self.polls


class OperatingPointFile:
    """The file; it exists while there is something to put back."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, point: OperatingPoint) -> None:
        """Keep ``point``, or remove the file if it is empty; done on the disk when this returns.

        Raises:
            ServiceError: the disk does not take it.
        """
        try:
            if point.empty:
                self.path.unlink(missing_ok=True)
                sync_folder(self.path.parent)
            else:
                write_durably(self.path, json.dumps(asdict(point), indent=1))
        except OSError as err:
            raise ServiceError(f"{self.path}: the operating point cannot be kept: {err.strerror}") from err

    def load(self) -> OperatingPoint | None:
        """What is to be put back, ``None`` if nothing.

        Raises:
            BadInput: the file is not what ``save`` wrote.
        """
        try:
            content: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
            channels = {
                name: Held(**{**held, "grid": tuple(float(volts) for volts in held["grid"])})
                for name, held in content.pop("channels").items()
            }
            return OperatingPoint(channels=channels, **content)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as err:
            message = "is no operating point; look at the channels yourself, then remove it"
            raise BadInput(message, file=self.path) from err
