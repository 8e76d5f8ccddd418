"""Which PVs are silent because the channel they belong to is masked: known to be bad, and left out of sums and alarms."""

from __future__ import annotations

from collections.abc import Mapping

from alarms.tree import Leaf
from sipmdcs.channels import Batch, Kind, PvValue
from sipmdcs.errors import ChannelError
from sipmdcs.severity import Severity


class Masks:
    """What the PVs that mask others said last."""

    def __init__(self, leaves: Mapping[str, Leaf]) -> None:
        """Nothing was heard yet of the masks of ``leaves``."""
        masked: dict[str, list[str]] = {}
        for leaf in leaves.values():
            if leaf.mask:
                masked.setdefault(leaf.mask, []).append(leaf.pv)
        self._masked = masked
        self.names: tuple[str, ...] = tuple(masked)
        """PVs to watch."""
        self.unheard: set[str] = {pv for pvs in masked.values() for pv in pvs}
        """PVs of the tree of which nobody knows yet whether they are masked."""

    def read(self, batch: Batch) -> dict[str, bool]:
        """Of which PVs the mask was told in a batch, and what it is now."""
        found: dict[str, bool] = {}
        events = batch.events
        for index, (place, kind, severity) in enumerate(
            zip(events["pv"].tolist(), events["kind"].tolist(), events["severity"].tolist(), strict=True)
        ):
            # An INVALID one, such as that of a record nobody has written yet, says nothing: what was known stays.
            if kind == Kind.SCALAR and severity < Severity.INVALID:
                found |= dict.fromkeys(self._masked[self.names[int(place)]], batch.data(index) != 0)
        self.unheard -= found.keys()
        return found

    def reread(self, values: Mapping[str, PvValue | ChannelError]) -> dict[str, bool]:
        """The same from values that were asked for."""
        found: dict[str, bool] = {}
        for name, value in values.items():
            if isinstance(value, PvValue) and value.severity < Severity.INVALID and isinstance(value.value, int | float):
                found |= dict.fromkeys(self._masked[name], value.value != 0)
        self.unheard -= found.keys()
        return found
