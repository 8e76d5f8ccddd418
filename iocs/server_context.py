"""What a connection needs to know of the server it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from iocs.records.record import LiveRecord
from iocs.server_budget import Budget
from iocs.server_channel import Channel
from iocs.server_write import Put

if TYPE_CHECKING:
    from iocs.server_circuit import Circuit


class ServerContext(Protocol):
    """The server, seen from a connection."""

    port: int
    """TCP port of the server."""
    largest_request: int
    """Bytes of the longest payload a client has reason to send."""
    budget: Budget
    """Memory that clients may take."""

    def admit(self, circuit: Circuit) -> bool:
        """Whether there is room for one more connection; if so, it is one of the server's from now on."""
        ...

    def is_used(self, circuit: Circuit) -> None:
        """The client of ``circuit`` has a channel."""
        ...

    def forget(self, circuit: Circuit) -> None:
        """``circuit`` is closed."""
        ...

    def channel(self, name: str) -> Channel | None:
        """The channel of that name, ``None`` if there is none."""
        ...

    def rights(self, channel: Channel, user: str, host: str) -> int:
        """Access rights of a client, bits 1 for reading and 2 for writing."""
        ...

    def is_trapped(self, channel: Channel, user: str, host: str) -> bool:
        """Whether puts of a client are to be logged."""
        ...

    def write(self, record: LiveRecord, request: Put) -> None:
        """Put a value."""
        ...

    def flush_later(self, circuit: Circuit) -> None:
        """Call ``flush`` of ``circuit`` at the end of this turn of the event loop."""
        ...
