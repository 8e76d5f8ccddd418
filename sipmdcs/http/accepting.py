"""Takes connections off a listening socket, as many as there is room for, and never spins when the machine has none left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable

from sipmdcs.http.connections import ConnectionTable
from sipmdcs.http.metrics import Metrics
from sipmdcs.http.protocol import EdgeProtocol

_AT_ONCE = 16
"""Connections accepted before the event loop does other things."""
_PAUSE_S = 0.5
"""Rest after the machine could not give a connection for lack of memory."""
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_NO_MEMORY = (errno.ENOBUFS, errno.ENOMEM)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 59\r\nRetry-After: 5\r\n"
    b'Connection: close\r\n\r\n{"error": "too many connections are in work; try it again"}'
)

_log = logging.getLogger(__name__)


class Acceptor:
    """Stands for asyncio's server towards uvicorn, which knows only ``close`` and ``wait_closed``."""

    def __init__(
        self,
        sock: socket.socket,
        table: ConnectionTable[EdgeProtocol],
        metrics: Metrics,
        make_protocol: Callable[[str], EdgeProtocol],
    ) -> None:
        """Accept from now on.

        Args:
            sock: listens.
            table: says who has a place.
            metrics: counts.
            make_protocol: makes the protocol of a connection from an address.
        """
        self._sock = sock
        self._table = table
        self._metrics = metrics
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._spare: int | None = None
        self._closed = False
        self._starting: set[asyncio.Task[None]] = set()
        sock.setblocking(False)
        self._go_on()

    def close(self) -> None:
        """Accept no more."""
        self._closed = True
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
        self._drop_spare()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _go_on(self) -> None:
        if self._closed:
            return
        self._keep_spare()
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            if self._starting and self._table.is_full:
                return  # one of those that just came may have to make room, and cannot yet
            try:
                connection, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as err:
                self._exhausted(err)
                return
            self._take(connection, peer[0])

    def _take(self, connection: socket.socket, address: str) -> None:
        admitted, victim = self._table.admit(address)
        if victim is not None:
            victim.cut("made room")
        if not admitted:
            self._metrics.closed("over limit")
            with contextlib.suppress(OSError):
                connection.send(_FULL, socket.MSG_DONTWAIT)
            connection.close()
            return
        self._metrics.accepted()
        task = self._loop.create_task(self._start(connection, address))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start(self, connection: socket.socket, address: str) -> None:
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(lambda: self._make_protocol(address), connection)
        except OSError as err:  # the client is gone already
            _log.debug("connection of %s: %s", address, err)
            self._table.give_back(address)
            connection.close()

    def _exhausted(self, err: OSError) -> None:
        """The kernel has a connection that it cannot hand over."""
        if err.errno in _NO_DESCRIPTORS:
            if (victim := self._table.first_to_go()) is not None:
                self._table.remove(victim)
                victim.cut("no descriptor")  # its descriptor is free at the next turn of the loop
                return
            if self._drop_spare():
                self._turn_away()
                self._keep_spare()
                return
        elif err.errno not in _NO_MEMORY:
            _log.error("connections are not accepted for a moment: %s", err)
        self._loop.remove_reader(self._sock)
        self._loop.call_later(_PAUSE_S, self._go_on)

    def _turn_away(self) -> None:
        self._metrics.closed("no descriptor")
        with contextlib.suppress(OSError):
            connection, _ = self._sock.accept()
            connection.close()

    def _keep_spare(self) -> None:
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _drop_spare(self) -> bool:
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)
        return spare is not None
