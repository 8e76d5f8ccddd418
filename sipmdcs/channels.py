"""The one seam to Channel Access as a client: many PVs at once, values with their alarm and time.

``open_channels()`` gives the real client (libca, captured in C: ``channels_ca``). ``channels_fake.FakeChannels`` is the
public double with the same interface, for tests without a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from math import nan
from types import TracebackType
from typing import Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from sipmdcs.errors import ChannelError
from sipmdcs.severity import Severity, Status

Scalar = float | int | str
PvData = Scalar | NDArray[np.generic] | list[str]
"""What a PV holds: a number, an enumeration index, a string, a numeric array or a list of strings."""


class Mask(IntFlag):
    """What a monitor asks for (``caeventmask.h`` of EPICS Base)."""

    NONE = 0
    VALUE = 1
    """Changes beyond ``MDEL``."""
    LOG = 2
    """Changes beyond ``ADEL``: what an archiver asks for."""
    ALARM = 4
    PROPERTY = 8


class PvType(IntEnum):
    """Native type of a PV, with the numbers of Channel Access (``db_access.h``)."""

    STRING = 0
    SHORT = 1
    FLOAT = 2
    ENUM = 3
    CHAR = 4
    LONG = 5
    DOUBLE = 6


@dataclass(frozen=True, slots=True)
class PvValue:
    """One reading of a PV."""

    value: PvData
    severity: Severity
    status: Status
    time_ns: int
    """Time stamp of the server, nanoseconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class PvMetadata:
    """What a PV says about its value; fields that its type lacks keep their defaults."""

    type: PvType
    count: int
    """Largest number of elements."""
    units: str = ""
    precision: int = 0
    display: tuple[float, float] = (0.0, 0.0)
    """LOPR, HOPR."""
    control: tuple[float, float] = (0.0, 0.0)
    """DRVL, DRVH."""
    alarm: tuple[float, float, float, float] = (nan, nan, nan, nan)
    """LOLO, LOW, HIGH, HIHI; NaN where no severity goes with the limit."""
    labels: tuple[str, ...] = ()
    """Enumeration strings."""
    writable: bool = True


class Kind(IntEnum):
    """What an event in a capture is."""

    SCALAR = 0
    """A number or an enumeration index, in ``value``."""
    TEXT = 1
    """A string, in the payload."""
    ARRAY = 2
    """A numeric array, in the payload."""
    TEXT_ARRAY = 3
    CONNECTED = 4
    DISCONNECTED = 5
    METADATA = 6
    """What a PV said about itself when it connected, in the payload; without payload it would not say."""


EVENT = np.dtype(
    [
        ("time_ns", "<i8"),  # server's time stamp, Unix nanoseconds; of connection events: the receive time
        ("received_ns", "<i8"),  # when it came in, by this machine's clock
        ("value", "<f8"),  # SCALAR only; every 32-bit integer and enumeration index is exact
        ("pv", "<u4"),  # index into Capture.names
        ("payload", "<u4"),  # 1-based index into Batch.payloads, 0 without payload
        ("status", "<u2"),
        ("severity", "u1"),
        ("kind", "u1"),
    ],
    align=True,
)
"""One captured event, 40 bytes as a C compiler lays them out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the order they came in."""

    events: NDArray[np.void]
    """Structured array of ``EVENT``."""
    payloads: Sequence[PvData | PvMetadata]
    """Strings, arrays and metadata, addressed by ``events["payload"] - 1``."""
    dropped: int
    """Events lost since the last batch because nobody drained in time."""

    def data(self, index: int) -> PvData:
        """Value of event ``index``: its number, or its payload."""
        event = self.events[index]
        return cast("PvData", self.payloads[int(event["payload"]) - 1]) if event["payload"] else float(event["value"])


class Capture(Protocol):
    """Monitors on many PVs, running until closed."""

    names: Sequence[str]

    def drain(self) -> Batch:
        """Everything that came in since the last call; never waits. Costs least a few times a second."""
        ...

    def wait(self, timeout: float) -> bool:
        """Block until something is there to drain, at most ``timeout`` seconds; may be called from any thread."""
        ...

    def connected(self) -> NDArray[np.bool_]:
        """Which PVs are connected now, one flag per name."""
        ...

    def close(self) -> None:
        """Stop; events not drained are gone."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None: ...


class Channels(Protocol):
    """A Channel Access client. Methods block; an asyncio service calls them through ``asyncio.to_thread``.

    A ``timeout`` is how long to wait while nothing happens: no PV connects, no reply comes. For up to a thousand PVs it is the
    longest that a call takes as well; for more, that grows with their number.
    """

    def get(self, names: Sequence[str], *, timeout: float = 5.0) -> dict[str, PvValue | ChannelError]:
        """Read many PVs at once; an entry per name, an error where one could not be read in time."""
        ...

    def put(
        self, values: Mapping[str, PvData], *, timeout: float = 10.0, before: dict[str, PvValue] | None = None
    ) -> dict[str, ChannelError | None]:
        """Write many PVs at once and wait until each server reports completion.

        Args:
            values: value by PV.
            timeout: s.
            before: is given what each PV held when the server got its put, of those that say it: read on the same connection
                just before, so that it costs no waiting.

        Returns:
            An entry per name, ``None`` where it was done.
        """
        ...

    def metadata(self, names: Sequence[str], *, timeout: float = 5.0) -> dict[str, PvMetadata | ChannelError]:
        """Units, limits, labels and access of many PVs."""
        ...

    def capture(
        self,
        names: Sequence[str],
        *,
        mask: Mask = Mask.VALUE | Mask.ALARM,
        enum_mask: Mask = Mask.NONE,
        metadata: bool = False,
        capacity: int = 1_000_000,
    ) -> Capture:
        """Monitor many PVs. Connections come and go on their own; each shows as an event.

        Args:
            names: PV names; order gives the index in events.
            mask: what to be told of.
            enum_mask: of enumerations besides that; a server posts no change of alarm between two states of equal severity.
            metadata: have each PV say what it is whenever it connects, on the same connection and as a rule before its first
                value.
            capacity: events held before the newest are dropped and counted.
        """
        ...

    def close(self) -> None:
        """Disconnect everything."""
        ...


def open_channels() -> Channels:
    """The real client. The EPICS environment variables must be set before."""
    from sipmdcs.channels_ca import CaChannels  # libca reads the environment when it is loaded, so not before this call

    return CaChannels()
