"""Where the events of a capture wait to be drained: filled by C callbacks, or by ctypes where there was no compiler."""

from __future__ import annotations

import importlib.util
import logging
from typing import Protocol

from sipmdcs.channels import Batch, Mask

_INTERFACE = 3
"""Number of the interface of ``_capture.c`` that is expected."""

PVS_PER_CIRCUIT = 30_000
"""More than that have several circuits to a server: EPICS Base goes through all monitors of a circuit for each new one."""

log = logging.getLogger(__name__)


class Ring(Protocol):
    """Events of many PVs, bounded; the newest are dropped and counted when full."""

    def open(self, names: tuple[str, ...]) -> None:
        """Look for the PVs, in the context of libca that the thread is attached to; their subscriptions make themselves.

        Raises:
            NotConnected: a name that no PV can have.
        """
        ...

    def channel(self, index: int) -> int:
        """Identifier of the channel of PV ``index``."""
        ...

    def drain(self) -> Batch:
        """See ``Capture.drain``."""
        ...

    def wait(self, timeout: float) -> bool:
        """See ``Capture.wait``."""
        ...

    def connected(self) -> bytes:
        """One byte per PV, 1 if connected."""
        ...

    def close(self) -> None:
        """Clear all channels, in the same context, and free what callbacks used."""
        ...


def open_ring(
    pv_count: int, capacity: int, mask: Mask, enum_mask: Mask, *, metadata: bool = False, native: bool = True
) -> Ring:
    """A ring on the C extension, or on ctypes callbacks if it is missing or ``native`` is false."""
    if native and _is_installed():
        from sipmdcs.channels_ca_ring_native import NativeRing  # needs the extension

        log.info("capture of %d PVs runs on the C extension", pv_count)
        return NativeRing(pv_count, capacity, mask, enum_mask, metadata=metadata)
    from sipmdcs.channels_ca_ring_python import PythonRing

    if native:
        log.warning("capture of %d PVs runs on ctypes callbacks, as its C extension is missing or old: make install", pv_count)
    else:
        log.info("capture of %d PVs runs on ctypes callbacks", pv_count)
    return PythonRing(pv_count, capacity, mask, enum_mask, metadata=metadata)


def _is_installed() -> bool:
    """Whether the C extension is there and was built from this version of the source."""
    if importlib.util.find_spec("sipmdcs._capture") is None:
        return False
    from sipmdcs import _capture

    return getattr(_capture, "INTERFACE", 1) == _INTERFACE
