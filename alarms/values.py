"""Values and limits as text with unit, from what a PV says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import isfinite, isnan

from alarms.text import one_line
from sipmdcs.channels import Channels, Kind, PvData, PvMetadata, PvType
from sipmdcs.errors import ChannelError

_LONGEST = 200
"""Characters of a value that are kept."""

_ENUM, _FLOATS = PvType.ENUM, (PvType.FLOAT, PvType.DOUBLE)

_LIMITS = {"LOLO": 0, "LOW": 1, "HIGH": 2, "HIHI": 3}
"""Place of each limit in ``PvMetadata.alarm``."""


def value_text(data: PvData, kind: Kind, metadata: PvMetadata | None) -> str:
    """A value as people read it, on one line; without metadata a bare number.

    Strings, labels and units are whatever the server of the PV sends, so they are cleaned here.
    """
    if kind is Kind.TEXT:
        return one_line(str(data), _LONGEST)
    if kind is not Kind.SCALAR or not isinstance(data, (int, float)):  # a union is made anew each time
        return "array"
    if metadata is None:
        return f"{data:g}"
    if metadata.type is _ENUM:
        index = int(data) if isfinite(data) else -1
        label = metadata.labels[index] if 0 <= index < len(metadata.labels) else ""
        return one_line(label, _LONGEST) or f"{data:g}"
    return _with_unit(float(data), metadata)


def limit_text(message: str, metadata: PvMetadata) -> str:
    """The limit that an alarm status such as ``HIHI`` speaks of; empty for any other status."""
    place = _LIMITS.get(message)
    if place is None or isnan(metadata.alarm[place]):
        return ""
    return f"limit {_with_unit(metadata.alarm[place], metadata)}"


def _with_unit(number: float, metadata: PvMetadata) -> str:
    if metadata.type in _FLOATS and isfinite(number):
        digits = max(0, min(metadata.precision, 15))
        text = f"{number:.{digits}f}" if abs(number) < 1e15 else f"{number:g}"
    else:
        text = f"{number:g}" if abs(number) >= 1e15 or not isfinite(number) else f"{number:.0f}"
    return f"{text} {unit}" if (unit := _unit(metadata.units)) else text


@lru_cache(1024)  # many PVs, few units
def _unit(text: str) -> str:
    return one_line(text, _LONGEST)


class MetadataCache:
    """What PVs said about themselves when last asked."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._known: dict[str, PvMetadata] = {}

    def get(self, pv: str) -> PvMetadata | None:
        """What is known of a PV."""
        return self._known.get(pv)

    def keep(self, metadata: Mapping[str, PvMetadata]) -> None:
        """PVs said this about themselves."""
        self._known.update(metadata)

    def refresh(self, pvs: Iterable[str], timeout: float) -> Mapping[str, PvMetadata]:
        """Ask the PVs; blocks for at most ``timeout`` seconds. What does not answer stays as it was known.

        Returns:
            What is known now of those that are known.
        """
        names = list(pvs)
        for pv, answer in self._channels.metadata(names, timeout=timeout).items():
            if not isinstance(answer, ChannelError):
                self._known[pv] = answer
        return {pv: self._known[pv] for pv in names if pv in self._known}
