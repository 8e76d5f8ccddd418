"""Word to whatever supervises this process, as of sd_notify(3): that it is ready, and once a second that it is alive.

``up`` and systemd both listen where the environment variable ``NOTIFY_SOCKET`` says. Started by hand, a process tells no one.
Nothing here waits or fails: a supervisor that is away or slow misses a word, and the next one comes a second later.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"
READY = b"READY=1"
ALIVE = b"WATCHDOG=1"
PERIOD_S = 1.0
"""Between two signs of life."""


class Notifier:
    """Speaks for this process."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Speak to the supervisor that ``environ`` names."""
        address = environ.get(VARIABLE, "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # "@": abstract, as systemd writes it
        self._words = [ALIVE]

    def ready(self) -> None:
        """The process does its work from now on."""
        # Repeated with every sign of life: a supervisor that was started again has not heard the first.
        self._words = [READY, ALIVE]
        self._send()

    async def stay_alive(self) -> None:
        """Show every second that the event loop turns, until cancelled."""
        import asyncio  # 3 MB, which the keeper, who only listens, need not pay

        while True:
            self._send()
            await asyncio.sleep(PERIOD_S)

    def _send(self) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(b"\n".join(self._words), self._address)
        except OSError:
            return  # whether the process can be seen to live never decides whether it does
