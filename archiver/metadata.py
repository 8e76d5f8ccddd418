"""What PVs say about themselves, asked for when they connect and now and then after that."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from archiver.catalogue import Catalogue, TypeSpan
from archiver.real_names import real_names
from archiver.recorder import Recorder
from sipmdcs.channels import Channels, PvMetadata, PvType
from sipmdcs.clock import Clock
from sipmdcs.errors import ChannelError

logger = logging.getLogger(__name__)

REFRESH_S = 600.0
"""Everything is asked for again this often: units and limits may be changed without reconnection."""
RETRY_S = 10.0

_ANALOG = (PvType.FLOAT, PvType.DOUBLE)


def texts(metadata: PvMetadata) -> dict[str, str]:
    """Metadata under the names, and as the texts, of the Archiver Appliance; what the type lacks is left out."""
    found: dict[str, str] = {}
    if metadata.units:
        found["EGU"] = metadata.units
    if metadata.type in _ANALOG:
        found["PREC"] = str(metadata.precision)
    if metadata.type not in (PvType.STRING, PvType.ENUM):
        names = ("LOPR", "HOPR", "DRVL", "DRVH", "LOLO", "LOW", "HIGH", "HIHI")
        numbers = (*metadata.display, *metadata.control, *metadata.alarm)
        found |= {name: repr(float(number)) for name, number in zip(names, numbers, strict=True) if math.isfinite(number)}
    return found | {f"ENUM_{index}": label for index, label in enumerate(metadata.labels)}


class MetadataWatch:
    """Keeps the catalogue's metadata up to date. One thread calls ``update``."""

    def __init__(
        self,
        channels: Channels,
        catalogue: Catalogue,
        recorder: Recorder,
        names: Sequence[str],
        pv_ids: Sequence[int],
        clock: Clock,
        *,
        find_aliases: bool,
    ) -> None:
        """Take the PVs in the order of the capture.

        Args:
            channels: Channel Access.
            catalogue: where metadata go.
            recorder: knows when PVs connect.
            names: of the PVs.
            pv_ids: their numbers in the catalogue.
            clock: tells the present.
            find_aliases: ask every record for its name.
        """
        self._find_aliases = find_aliases
        self._channels = channels
        self._catalogue = catalogue
        self._recorder = recorder
        self._names = names
        self._ids = pv_ids
        self._clock = clock
        self._nameless = set(range(len(names)))
        """PVs that were not yet asked for the name of their record."""
        self._wanted: dict[int, int] = {}
        self._retry_at = 0.0
        self._refresh_at = clock.monotonic() + REFRESH_S

    def refresh(self) -> None:
        """Have everything asked for again at the next ``update``."""
        self._refresh_at = self._clock.monotonic()

    def update(self) -> None:
        """Ask for what is new, failed before, or old. Waits for answers, a few seconds at worst.

        Raises:
            ServiceError: the catalogue cannot be written; everything is asked for again next time.
        """
        now = self._clock.monotonic()
        new = self._recorder.take_new_connections()
        if now >= self._refresh_at:
            self._refresh_at = now + REFRESH_S
            connected = self._recorder.connected.nonzero()[0].tolist()
            new = {index: self._clock.time_ns() for index in connected} | new
        if not new and (not self._wanted or now < self._retry_at):
            return
        self._wanted |= new
        self._retry_at = now + RETRY_S
        answers = self._channels.metadata([self._names[index] for index in self._wanted])
        entries: dict[int, tuple[int, Mapping[str, str], TypeSpan]] = {}
        for index, since_ns in self._wanted.items():
            answer = answers[self._names[index]]
            if isinstance(answer, ChannelError):
                logger.debug("metadata of %s", answer)
            else:
                span = TypeSpan(since_ns, answer.type, answer.count)
                entries[index] = (self._ids[index], texts(answer), span)
        self._catalogue.describe(list(entries.values()))
        if self._find_aliases:
            self._ask_names(self._nameless & entries.keys())
        connected = self._recorder.connected
        self._wanted = {
            index: since_ns for index, since_ns in self._wanted.items() if index not in entries and connected[index]
        }

    def _ask_names(self, indices: set[int]) -> None:
        """Have a PV that is there under an alias as well archived once."""
        if not indices:
            return
        found = real_names(self._channels, [self._names[index] for index in indices], self._names)
        self._catalogue.name_aliases(found.aliases)
        if found.twice:
            logger.warning("%s: archived as %s", ", ".join(found.twice), ", ".join(found.aliases[name] for name in found.twice))
            self._recorder.leave_out([self._names.index(name) for name in found.twice])
            self._catalogue.deactivate(found.twice, self._clock.time_ns())
        self._nameless -= indices
