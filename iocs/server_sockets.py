"""Addresses that a server listens on."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from ipaddress import IPv4Address

import psutil

from sipmdcs.errors import ServiceError

LOOPBACK = "127.0.0.1"
LOOPBACK_BROADCAST = "127.255.255.255"


def listen_addresses(interface: str) -> list[str]:
    """What to bind so that ``interface`` hears searches: its own address, and its broadcast address, where it has one."""
    if IPv4Address(interface).is_loopback:
        return [interface, LOOPBACK_BROADCAST]
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family is socket.AF_INET and address.address == interface and address.broadcast:
                return [interface, address.broadcast]
    return [interface]


def bind_udp(address: tuple[str, int]) -> socket.socket:
    """A socket that shares ``address`` with other servers of this host.

    Raises:
        ServiceError: the address cannot be bound.
    """
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setblocking(False)
        try:
            sock.bind(address)
        except OSError as err:
            raise ServiceError(f"cannot listen for searches on {address[0]}:{address[1]}: {err.strerror}") from err
        stack.pop_all()
        return sock


def bind_tcp(interfaces: list[str], first_port: int) -> tuple[int, list[socket.socket]]:
    """Sockets on one port of all interfaces, ``first_port`` if it is free.

    Returns:
        The port and the sockets.

    Raises:
        ServiceError: an interface cannot be used.
    """
    try:
        return _bind_all(interfaces, first_port)
    except OSError:
        # Most likely another server of this host has it; clients are told the port with the answer to their search.
        try:
            return _bind_all(interfaces, 0)
        except OSError as err:
            raise ServiceError(f"cannot listen on {', '.join(interfaces)}: {err.strerror}") from err


def _bind_all(interfaces: list[str], port: int) -> tuple[int, list[socket.socket]]:
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        for interface in interfaces:
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind((interface, port))
            sock.listen()
            port = sock.getsockname()[1]
            sockets.append(sock)
        stack.pop_all()
        return port, sockets
