"""Whether the ports of a site are free, and who has them if not."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

import psutil

from sipmdcs.errors import ServiceError
from sipmdcs.site import SITE_FILE, HttpService, Site


@dataclass(frozen=True, slots=True)
class Listener:
    """A port that a process of the site will open."""

    key: str
    """Where ``site.yaml`` sets it."""
    interface: str
    port: int
    datagram: bool
    """UDP, not TCP."""

    def __str__(self) -> str:
        return f"{'UDP' if self.datagram else 'TCP'} port {self.port} on {self.interface}"


def listeners(site: Site) -> tuple[Listener, ...]:
    """Ports that a site needs to itself. Channel Access over TCP is not among them: any port will do."""
    access = site.file.channel_access
    found = [Listener("channel_access.server_port", access.interface, access.server_port, datagram=True)]
    for service in site.file.services:
        http = getattr(site.file, service, None)
        if isinstance(http, HttpService):
            found.append(Listener(f"{service}.port", http.interface, http.port, datagram=False))
    return tuple(found)


def is_free(listener: Listener) -> bool:
    """Whether nobody listens there.

    Raises:
        ServiceError: it cannot be opened for another reason, such as an address that this machine does not have.
    """
    kind = socket.SOCK_DGRAM if listener.datagram else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if not listener.datagram:
            # Connections that a service of before left in TIME_WAIT do no harm; a listening socket still refuses.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.interface, listener.port))
            if not listener.datagram:
                probe.listen(1)
        except OSError as err:
            if err.errno == errno.EADDRINUSE:
                return False
            raise ServiceError(f"{listener} ({listener.key} in {SITE_FILE}): {err.strerror}") from err
    return True


def owner(listener: Listener) -> str:
    """Who has a port: name and number of the process as far as this user may know."""
    sockets = psutil.net_connections("udp4" if listener.datagram else "tcp4")
    users = [one for one in sockets if one.laddr and one.laddr.port == listener.port and one.pid]
    users.sort(key=lambda user: user.status != psutil.CONN_LISTEN)
    if not users:
        return "a process of another user"
    try:
        return f"{psutil.Process(users[0].pid).name()} (pid {users[0].pid})"
    except psutil.NoSuchProcess:
        return f"pid {users[0].pid}"


def check_ports(site: Site) -> None:
    """Make sure that every port the site needs is free.

    Raises:
        ServiceError: one is not; the message says who has it and where to choose another.
    """
    for listener in listeners(site):
        if not is_free(listener):
            where = f"choose another as {listener.key} in {site.folder / SITE_FILE}"
            raise ServiceError(f"{listener} is in use by {owner(listener)}; stop that, or {where}")
