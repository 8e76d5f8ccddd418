"""Reads what PVs report into the intake, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from alarms.intake import Intake
from alarms.masks import Masks
from alarms.monitor import Monitor
from alarms.tree import Tree
from alarms.values import MetadataCache
from sipmdcs.channels import Capture, Channels, Mask, PvValue
from sipmdcs.errors import ChannelError

_WAIT_S = 0.5
"""Longest wait for events, so that grace times end on time."""

_PAUSE_S = 0.05
"""Pause between batches: a storm costs a few rounds, not thousands."""

_LOOK_SHARE = 5
"""Looking for PVs whose time is over may take one part of so many."""

_METADATA_S = 1.0
"""Wait for units and labels that were lost."""

_MAX_ASKED = 2_000
"""PVs that are asked for something at once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Captured:
    """Monitors on all PVs of a tree, and on those that mask some of them."""

    masks: Masks
    of_values: Capture
    of_masks: Capture


def capture_all(channels: Channels, tree: Tree) -> Captured:
    """Begin to look for everything that a tree needs.

    Of numbers alarm changes alone: their events carry the value of that moment, and one that moves within its limits costs
    nothing.
    """
    masks = Masks(tree.leaves)
    of_values = channels.capture(list(tree.leaves), mask=Mask.ALARM, enum_mask=Mask.VALUE, metadata=True)
    return Captured(masks, of_values, channels.capture(masks.names))


class Watch:
    """Monitors on all PVs of the tree, and on those that mask some of them."""

    def __init__(self, channels: Channels, monitor: Monitor, masks: Masks, metadata: MetadataCache, intake: Intake) -> None:
        """Nothing is watched yet."""
        self._channels = channels
        self._monitor = monitor
        self._masks = masks
        self._metadata = metadata
        self._intake = intake
        self.filled = asyncio.Event()
        """Set when something is in the intake."""

    async def run(self, values: Capture, masks: Capture) -> None:
        """Read until cancelled.

        Args:
            values: monitors on the PVs.
            masks: monitors on what masks them.
        """
        monitor, intake = self._monitor, self._intake
        time, look_at = asyncio.get_running_loop().time, 0.0
        while True:
            await asyncio.to_thread(values.wait, _WAIT_S)
            batch = values.drain()
            # Masks after values: a mask that was set before a value went bad is known when that value is read.
            mask_batch = masks.drain()
            intake.mask(self._masks.read(mask_batch))
            intake.add(monitor.read(batch))
            if batch.dropped or mask_batch.dropped:
                _log.error("%d events are lost; all PVs are read again", batch.dropped + mask_batch.dropped)
                await self._read_again(values)
            if (start := time()) >= look_at:
                intake.add(monitor.settled())
                intake.add(monitor.overdue())
                look_at = time() + _LOOK_SHARE * (time() - start)  # with 100,000 PVs that connect, looking takes a while
            if intake:
                self.filled.set()
            if len(batch.events):
                await asyncio.sleep(_PAUSE_S)

    async def _read_again(self, capture: Capture) -> None:
        """Make good what events were lost: connections, metadata and values as they are now."""
        self._intake.mask(self._masks.reread(await self._get(self._masks.names)))
        connected = capture.connected().tolist()
        there = [name for name, up in zip(capture.names, connected, strict=True) if up]
        unknown = self._monitor.unknown(there)
        for start in range(0, len(unknown), _MAX_ASKED):
            await asyncio.to_thread(self._metadata.refresh, unknown[start : start + _MAX_ASKED], _METADATA_S)
        self._intake.add(self._monitor.reread(connected, await self._get(there)))

    async def _get(self, names: Sequence[str]) -> dict[str, PvValue | ChannelError]:
        found: dict[str, PvValue | ChannelError] = {}
        for start in range(0, len(names), _MAX_ASKED):
            found |= await asyncio.to_thread(self._channels.get, names[start : start + _MAX_ASKED])
        return found
