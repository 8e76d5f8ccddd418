"""Channel Access server of running records."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from ipaddress import IPv4Address

import caproto as ca

from iocs.access import AccessSecurity
from iocs.records.fields import Field
from iocs.records.put import Data
from iocs.records.record import LiveRecord
from iocs.server_channel import Channel, find_channel
from iocs.server_circuit import Circuit
from iocs.server_context import Done
from iocs.server_udp import (
    LOOPBACK,
    LOOPBACK_BROADCAST,
    Relay,
    Searches,
    listen_addresses,
    send_beacons,
    udp_socket,
)
from iocs.server_write import Writer
from sipmdcs.errors import BadInput, ServiceError

logger = logging.getLogger(__name__)


class Server:
    """Serves ``records`` on the interfaces and ports that the EPICS environment variables name.

    Args:
        records: by name and alias.
        security: who may do what.
        writer: carries out puts.
    """

    def __init__(self, records: Mapping[str, LiveRecord], security: AccessSecurity, writer: Writer) -> None:
        self.circuits: set[Circuit] = set()
        self.port = 0
        self._records = records
        self._security = security
        self._writer = writer
        self._dirty: list[Circuit] = []

    # What a circuit asks (``ServerContext``) --------------------------------------------------------------------------

    def channel(self, name: str) -> Channel | None:
        return find_channel(self._records, name)

    def has(self, name: str) -> bool:
        """Whether there is a channel of that name."""
        return name in self._records or self.channel(name) is not None

    def rights(self, channel: Channel, user: str, host: str) -> int:
        field = channel.field
        rights = self._security.rights(channel.record.asg, field.security_level, user, host)
        return rights & ~ca.AccessRights.WRITE if field.read_only or field.fixed else rights

    def write(self, channel: Channel, data: Data, *, notify: bool, done: Done) -> None:
        self._writer.write(channel.record, channel.field, data, notify=notify, done=done)

    def flush_later(self, circuit: Circuit) -> None:
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(circuit)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for circuit in dirty:
            circuit.flush()

    def put_done(self, record: LiveRecord, field: Field) -> None:
        """A client has put ``field``: a new access group takes effect."""
        if field.name == "ASG":
            for circuit in list(self.circuits):
                circuit.update_rights(lambda channel: channel.record is record)

    # Running ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            ServiceError: an interface or port cannot be used.
            BadInput: an EPICS environment variable cannot be understood.
        """
        try:
            environment = ca.get_environment_variables()
            interfaces = sorted(ca.get_server_address_list())
            # The environment itself: caproto fills in its default for the first of the two whether or not it is set.
            search_port = int(os.environ.get("EPICS_CAS_SERVER_PORT") or environment["EPICS_CA_SERVER_PORT"])
            beacons = ca.get_beacon_address_list()
        except (ca.CaprotoError, ValueError) as err:
            raise BadInput(str(err)) from err
        on_loopback = all(IPv4Address(interface).is_loopback for interface in interfaces)
        if on_loopback and not environment["EPICS_CAS_BEACON_ADDR_LIST"]:
            beacons = [(LOOPBACK_BROADCAST, port) for _, port in beacons[:1]]
        listeners = await self._listen(interfaces, search_port)
        transports: list[asyncio.DatagramTransport] = []
        try:
            transports += await self._open_searches(interfaces, search_port)
            logger.info("serving %d records on %s, port %d", len(self._records), ", ".join(interfaces), self.port)
            await send_beacons(self.port, beacons, float(environment["EPICS_CAS_BEACON_PERIOD"]))
        finally:
            for transport in transports:
                transport.close()
            for listener in listeners:
                listener.close()
            await self._writer.close()
            self._flush()
            for circuit in list(self.circuits):
                circuit.close()

    async def _listen(self, interfaces: list[str], first_port: int) -> list[asyncio.Server]:
        """Listen on all interfaces, on one port: ``first_port`` if it is free."""
        loop = asyncio.get_running_loop()
        problem = OSError()
        for port in (first_port, 0):
            listeners: list[asyncio.Server] = []
            try:
                for interface in interfaces:
                    listeners.append(await loop.create_server(lambda: Circuit(self), interface, port, backlog=256))
                    port = listeners[0].sockets[0].getsockname()[1]
            except OSError as err:
                for listener in listeners:
                    listener.close()
                problem = err
                continue
            self.port = port
            return listeners
        raise ServiceError(f"cannot listen on {', '.join(interfaces)}: {problem.strerror}") from problem

    async def _open_searches(self, interfaces: list[str], port: int) -> list[asyncio.DatagramTransport]:
        loop = asyncio.get_running_loop()
        transports: list[asyncio.DatagramTransport] = []
        relay: Relay | None = None
        if LOOPBACK in interfaces:
            transport, relay = await loop.create_datagram_endpoint(lambda: Relay(port), sock=udp_socket((LOOPBACK, 0)))
            transports.append(transport)
        for interface in interfaces:
            for address in listen_addresses(interface):
                answers_for = relay if address == LOOPBACK else None
                try:
                    sock = udp_socket((address, port))
                except OSError as err:
                    raise ServiceError(f"cannot listen for searches on {address}:{port}: {err.strerror}") from err
                transport, _ = await loop.create_datagram_endpoint(
                    lambda answers_for=answers_for: Searches(self.has, self.port, answers_for), sock=sock
                )
                transports.append(transport)
        return transports
