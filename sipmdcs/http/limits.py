"""What one HTTP service accepts: connections, sizes, times, work."""

from __future__ import annotations

import resource
from dataclasses import dataclass, replace

from sipmdcs.site import HttpEdge

RESERVED_DESCRIPTORS = 256
"""File descriptors that connections leave to the rest of a process, besides the half that is for Channel Access."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one service. Times are seconds."""

    connections: int = 512
    """Open at a time, in all."""
    connections_per_address: int = 128
    """Open at a time from one address that is not a proxy."""

    url_bytes: int = 16_384
    """Path and query."""
    head_bytes: int = 65_536
    """Request line and header fields."""
    body_bytes: int = 65_536
    """Body of a request, where the route has no limit of its own."""

    head_s: float = 10.0
    """From the connection, or the first byte of a further request, to the end of the head."""
    body_s: float = 20.0
    """From the end of the head to the end of the body."""
    idle_s: float = 15.0
    """A kept-alive connection without a request."""
    send_s: float = 10.0
    """A client that takes nothing of a reply; what it has to take in that time are some 48 kB."""
    linger_s: float = 5.0
    """What a refused client still sends is read and dropped so long: closing at once would lose the reply (RFC 9112, 9.6)."""

    work: int = 16
    """Requests in work at a time, in all."""
    work_per_client: int = 12
    """Requests in work at a time for one client, so that others have a place."""
    stuck: int = 32
    """Replies that have no turn any more because their clients do not take them, while others wait."""
    waiting: int = 256
    """Requests that wait for their turn, in all."""
    waiting_per_client: int = 96
    """Requests of one client that wait for their turn."""
    wait_s: float = 15.0
    """Longest wait for a turn."""


def limits_of(edge: HttpEdge, base: Limits) -> Limits:
    """The limits of a service as its site has them, within the file descriptors of this process."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = max(descriptors // 2 - RESERVED_DESCRIPTORS, descriptors // 4, 1)
    connections = min(edge.max_connections, room) if descriptors != resource.RLIM_INFINITY else edge.max_connections
    return replace(base, connections=connections, connections_per_address=edge.max_connections_per_address)
