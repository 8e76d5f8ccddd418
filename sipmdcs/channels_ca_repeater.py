"""A CA repeater on this machine, without the program ``caRepeater`` and the complaint that it is missing.

The repeater hands each server's beacons to all clients of a host; beacons are how a client learns at once that a server
is back. libca wants to start a program ``caRepeater`` and prints a banner to stderr where it is not installed. So the
repeater runs as a thread of the first client process instead, which makes libca find one: libca's own, or where only
loopback addresses are searched one that listens on loopback only.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import threading
import time
from functools import cache

from sipmdcs import libca
from sipmdcs.loopback_repeater import CONFIRM, HEADER, REGISTER, LoopbackRepeater, is_loopback

log = logging.getLogger(__name__)

_START_S = 2.0
_TAKE_OVER_S = 10.0

_lock = threading.Lock()


def ensure_repeater() -> None:
    """Return when a repeater answers, this process' own if there was none; keep looking so that one is always there."""
    with _lock:
        _start(repeater_port())


@cache
def _start(port: int) -> None:
    threading.Thread(target=_keep, args=(port,), name="ca-repeater", daemon=True).start()
    deadline = time.monotonic() + _START_S
    while not answers(port):
        if time.monotonic() > deadline:
            log.warning("no CA repeater answers at UDP port %d: clients notice a restarted server late", port)
            return


def repeater_port() -> int:
    """``EPICS_CA_REPEATER_PORT`` as libca understands it."""
    com = libca.com()
    com.envGetInetPortConfigParam.restype = ctypes.c_ushort
    parameter = ctypes.c_char.in_dll(com, "EPICS_CA_REPEATER_PORT")
    return com.envGetInetPortConfigParam(ctypes.byref(parameter), ctypes.c_ushort(5065))


def answers(port: int, timeout: float = 0.1) -> bool:
    """Whether a repeater confirms a registration at this UDP port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(timeout)
        probe.sendto(HEADER.pack(REGISTER, 0, 0, 0, 0, socket.inet_aton("127.0.0.1")), ("127.0.0.1", port))
        try:
            reply = probe.recv(64)  # from a port that the repeater opens for each client, so the probe is not connected
        except TimeoutError:
            return False
    return len(reply) >= HEADER.size and HEADER.unpack_from(reply)[0] == CONFIRM


def _keep(port: int) -> None:
    repeat = _on_loopback if _only_loopback() else _on_every_interface
    while True:
        if not answers(port):
            repeat(port)
        time.sleep(_TAKE_OVER_S)


def _only_loopback() -> bool:
    automatic = os.environ.get("EPICS_CA_AUTO_ADDR_LIST", "YES").upper() != "NO"
    return not automatic and is_loopback(os.environ.get("EPICS_CA_ADDR_LIST", ""))


def _on_loopback(port: int) -> None:
    """Repeat as long as the process runs; return at once if the port is taken."""
    try:
        repeater = LoopbackRepeater(port)
    except OSError as err:
        log.debug("UDP port %d: %s", port, err.strerror)
        return
    try:
        repeater.run()
    except OSError as err:
        log.warning("the CA repeater at UDP port %d ends: %s", port, err.strerror)
    finally:
        repeater.close()


def _on_every_interface(_port: int) -> None:
    libca.load().caRepeaterThread(None)  # runs as long as the process, or returns at once if the port is taken
