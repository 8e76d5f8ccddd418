"""What a connection needs to know of the server it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from iocs.records.put import Data
from iocs.server_channel import Channel
from sipmdcs.errors import DcsError

if TYPE_CHECKING:
    from iocs.server_circuit import Circuit

Done = Callable[[DcsError | None], None]
"""Called when a put is complete, or refused and why."""


class ServerContext(Protocol):
    """The server, seen from a connection."""

    port: int
    """TCP port of the server."""
    largest_request: int
    """Bytes of the longest message a client has reason to send."""
    circuits: set[Circuit]
    """Clients that are connected."""

    def channel(self, name: str) -> Channel | None:
        """The channel of that name, ``None`` if there is none."""
        ...

    def rights(self, channel: Channel, user: str, host: str) -> int:
        """Access rights of a client, bits 1 for reading and 2 for writing."""
        ...

    def write(self, channel: Channel, data: Data, *, notify: bool, done: Done) -> None:
        """Put ``data``.

        Args:
            channel: what to put to.
            data: what the client sent.
            notify: the client waits for completion.
            done: called once, at once or when the device has taken the value.
        """
        ...

    def flush_later(self, circuit: Circuit) -> None:
        """Call ``flush`` of ``circuit`` at the end of this turn of the event loop."""
        ...
