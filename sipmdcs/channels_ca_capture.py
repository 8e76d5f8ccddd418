"""Monitors on many PVs through libca, drained in batches."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import Batch, PvType
from sipmdcs.channels_ca_context import CaContext
from sipmdcs.channels_ca_requests import LentChannel
from sipmdcs.channels_ca_ring import Ring
from sipmdcs.libca import CS_CONN


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
        self.names: Sequence[str] = (opened := tuple(names))
        self._context = context
        self._on_close = on_close
        self._closing = threading.Lock()
        self._lent = threading.Condition()
        self._borrowers = 0
        self._ring = ring
        self._closed = False
        try:
            with context.attached() as ca:
                ring.open(opened)
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

    @contextmanager
    def lend(self, ca: ctypes.CDLL, names: Iterable[str]) -> Iterator[dict[str, LentChannel]]:
        """Those of ``names`` that are captured and connected, for requests: their servers need not be searched for again."""
        with self._lent:
            lent = () if self._closed else names
            self._borrowers += 1
        try:
            yield dict(self._connected(ca, lent))
        finally:
            with self._lent:
                self._borrowers -= 1
                self._lent.notify_all()

    def _connected(self, ca: ctypes.CDLL, names: Iterable[str]) -> Iterator[tuple[str, LentChannel]]:
        for name in names:
            place = self._places.get(name)
            if place is None or ca.ca_state(chid := self._ring.channel(place)) != CS_CONN:
                continue
            type_, count = ca.ca_field_type(chid), ca.ca_element_count(chid)
            if PvType.STRING <= type_ <= PvType.DOUBLE:  # else it was disconnected this moment
                yield name, LentChannel(name, chid, PvType(type_), count)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def close(self) -> None:
        with self._closing:
            with self._lent:
                if self._closed:
                    return
                self._closed = True
                self._lent.wait_for(lambda: self._borrowers == 0)
            with self._context.attached() as ca:
                self._ring.close()
                ca.ca_flush_io()
        self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
