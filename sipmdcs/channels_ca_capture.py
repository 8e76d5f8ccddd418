"""Monitors on many PVs through libca, drained in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import Batch
from sipmdcs.channels_ca_context import CaContext, create_channel
from sipmdcs.channels_ca_ring import Ring


class CaCapture:
    """See ``channels.Capture``.

    Raises:
        NotConnected: a name that no PV can have.
    """

    def __init__(
        self,
        context: CaContext,
        names: Sequence[str],
        ring: Ring,
        *,
        on_close: Callable[[CaCapture], None],
    ) -> None:
        self.names: Sequence[str] = tuple(names)
        self._context = context
        self._on_close = on_close
        self._closing = threading.Lock()
        self._ring = ring
        self._chids: list[int] | None = []
        try:
            with context.attached() as ca:
                for index, name in enumerate(self.names):
                    self._chids.append(create_channel(ca, name, self._ring.connection_handler, self._ring.user(index)))
                ca.ca_flush_io()
        except BaseException:
            self.close()
            raise

    def drain(self) -> Batch:
        return self._ring.drain()

    def wait(self, timeout: float) -> bool:
        return self._ring.wait(timeout)

    def connected(self) -> NDArray[np.bool_]:
        return np.frombuffer(self._ring.connected(), np.bool_)

    def close(self) -> None:
        with self._closing:
            chids, self._chids = self._chids, None
            if chids is None:
                return
            with self._context.attached() as ca:
                for chid in chids:
                    ca.ca_clear_channel(chid)  # waits for the channel's callbacks to end
                ca.ca_flush_io()
            self._ring.close()
        self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
