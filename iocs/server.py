"""Channel Access server of running records."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from ipaddress import IPv4Address

import caproto as ca

from iocs.access import WRITE, AccessSecurity
from iocs.records.fields import Field
from iocs.records.record import LiveRecord
from iocs.records.table import RecordTable
from iocs.records.waveform import WaveformRecord
from iocs.server_budget import CIRCUIT_BYTES, Budget, max_circuits
from iocs.server_channel import Channel, find_channel
from iocs.server_circuit import Circuit
from iocs.server_dbr import STRING_SIZE
from iocs.server_requests import SMALL_REQUEST
from iocs.server_sockets import LOOPBACK, LOOPBACK_BROADCAST, bind_tcp, bind_udp, listen_addresses
from iocs.server_udp import Relay, Searches, SearchThread, send_beacons
from iocs.server_write import Put, Writer
from sipmdcs.errors import BadInput

logger = logging.getLogger(__name__)

CHECK_PERIOD_S = 5.0
"""How often deadlines of connections are looked at."""
BACKLOG = 256
"""Connections that may wait to be accepted, as all clients come at once after a restart."""
AT_ONCE = 16
"""Connections accepted before the event loop does other things."""


class Server:
    """Serves ``records`` on the interfaces and ports that the EPICS environment variables name.

    Args:
        records: what is served.
        security: who may do what.
        writer: carries out puts.
    """

    def __init__(self, records: RecordTable, security: AccessSecurity, writer: Writer) -> None:
        self.circuits: set[Circuit] = set()
        self.port = 0
        self.largest_request = _largest_request(records)
        self.budget = Budget()
        self.max_circuits = max_circuits()
        self._records = records
        self._security = security
        self._writer = writer
        self._dirty: list[Circuit] = []
        self._unused: dict[Circuit, None] = {}
        """Connections whose clients never had a channel, in the order they were made."""
        self._refused = 0
        self._news = asyncio.Event()

    # What a circuit asks (``ServerContext``) --------------------------------------------------------------------------

    def admit(self, circuit: Circuit) -> bool:
        """Over the limit the oldest connection whose client never had a channel makes room, if there is one."""
        if len(self.circuits) >= self.max_circuits and self._unused:
            oldest = next(iter(self._unused))
            self.forget(oldest)
            oldest.abort()
        if len(self.circuits) >= self.max_circuits or not circuit.account.take(CIRCUIT_BYTES):
            self._refused += 1
            return False
        self.circuits.add(circuit)
        self._unused[circuit] = None
        return True

    def is_used(self, circuit: Circuit) -> None:
        self._unused.pop(circuit, None)

    def forget(self, circuit: Circuit) -> None:
        self.circuits.discard(circuit)
        self._unused.pop(circuit, None)

    def channel(self, name: str) -> Channel | None:
        return find_channel(self._records.find, name)

    def has(self, name: str) -> bool:
        """Whether there is a channel of that name, which starts no record; any thread may ask."""
        return self._records.has(name) or find_channel(self._records.peek, name) is not None

    def rights(self, channel: Channel, user: str, host: str) -> int:
        field = channel.field
        rights = self._security.rights(channel.record.asg, field.security_level, user, host)
        return rights & ~WRITE if field.read_only or field.fixed else rights

    def is_trapped(self, channel: Channel, user: str, host: str) -> bool:
        return self._security.traps_writes(channel.record.asg, channel.field.security_level, user, host)

    def write(self, record: LiveRecord, request: Put) -> None:
        self._writer.write(record, request)

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
                circuit.session.update_rights(lambda channel: channel.record is record)

    def withdraw(self, records: Collection[LiveRecord]) -> None:
        """Disconnect clients from ``records``, which are served no longer."""
        if records:
            for circuit in list(self.circuits):
                circuit.session.withdraw(records)

    def announce(self, records: Mapping[str, LiveRecord]) -> None:
        """There are more records: clients that search for them at long intervals are to search now."""
        self.largest_request = max(self.largest_request, _largest_request(records))
        self._news.set()

    def make_circuit(self) -> Circuit:
        """The protocol of a new connection."""
        return Circuit(self)

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
            period_s = float(environment["EPICS_CAS_BEACON_PERIOD"])
            on_loopback = all(IPv4Address(interface).is_loopback for interface in interfaces)
        except (ca.CaprotoError, ValueError) as err:
            raise BadInput(str(err)) from err
        if on_loopback and not environment["EPICS_CAS_BEACON_ADDR_LIST"]:
            beacons = [(LOOPBACK_BROADCAST, port) for _, port in beacons[:1]]
        with ExitStack() as stack:
            self.port, listeners = bind_tcp(interfaces, search_port)
            for listener in listeners:
                stack.enter_context(listener)
            await self._open(stack, listeners, interfaces, search_port)
            logger.info("serving %d records on %s, port %d", self._records.count(), ", ".join(interfaces), self.port)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(send_beacons(self.port, beacons, period_s, self._news))
                    tasks.create_task(self._watch_circuits())
                    tasks.create_task(self._writer.log.run())
            finally:
                await self._writer.close()
                self._flush()
                for circuit in list(self.circuits):
                    circuit.close()

    async def _watch_circuits(self) -> None:
        """End connections whose clients do not send what they have to; say how many were refused."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_PERIOD_S)
            for circuit in list(self.circuits):
                circuit.check_deadline(loop.time())
            if self._refused:
                logger.warning(
                    "%d clients refused: %d are connected, of %d", self._refused, len(self.circuits), self.max_circuits
                )
                self._refused = 0

    async def _open(self, stack: ExitStack, listeners: list[socket.socket], interfaces: list[str], port: int) -> None:
        """Accept connections and answer searches as long as ``stack`` is open."""
        loop = asyncio.get_running_loop()
        for listener in listeners:
            # asyncio's backlog is also how many are accepted before any of them is counted.
            at_once = min(AT_ONCE, self.max_circuits)
            stack.callback((await loop.create_server(self.make_circuit, sock=listener, backlog=at_once)).close)
            listener.listen(BACKLOG)
        receivers: list[Searches | Relay] = []
        relay: Relay | None = None
        if LOOPBACK in interfaces:
            relay = Relay(stack.enter_context(bind_udp((LOOPBACK, 0))), port)
            receivers.append(relay)
        for interface in interfaces:
            for address in listen_addresses(interface):
                sock = stack.enter_context(bind_udp((address, port)))
                receivers.append(Searches(sock, self.has, self.port, relay if address == LOOPBACK else None))
        stack.enter_context(SearchThread(receivers))


def _largest_request(records: Mapping[str, LiveRecord]) -> int:
    """Bytes of a put to the longest array, as text, which is its longest form."""
    longest = max((record.nelm for record in records.values() if isinstance(record, WaveformRecord)), default=1)
    return SMALL_REQUEST + longest * STRING_SIZE
