"""A limit on the time that a connection takes altogether.

The time-out of a socket begins anew with every byte, so a peer that sends one now and then could hold a client for ever.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_AGAIN_S = 0.5
"""While TLS is being set up there is no socket to shut down for a moment."""


class TimeLimit:
    """Shuts a connection down when its time is over; used as a context around everything that is done with it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.over = False
        """Whether the time ran out."""
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def watch(self, connection: Callable[[], socket.socket | None]) -> None:
        """Begin to count.

        Args:
            connection: gives the socket as it is then, ``None`` if there is none.
        """
        self._thread = threading.Thread(target=self._cut_when_over, args=(connection,), name="time limit", daemon=True)
        self._thread.start()

    def _cut_when_over(self, connection: Callable[[], socket.socket | None]) -> None:
        pause_s = self.seconds
        while not self._done.wait(pause_s):
            self.over = True
            if (sock := connection()) is not None:
                with suppress(OSError):
                    # Not the method of a TLS socket, which would wait for the other thread.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            pause_s = _AGAIN_S
