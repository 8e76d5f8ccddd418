"""Control port of a simulator process: JSON lines on loopback TCP, one request and one answer a line.

``{"controller": "HV13", "channel": 5, "knob": "extra-current", "value": "10"}`` is answered by ``{"ok": true, "value": 10.0}``
or ``{"ok": false, "error": "…"}``.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from iocs.simulators.faults import Knob
from iocs.simulators.listening import listen
from iocs.simulators.server import SimulatedController
from sipmdcs.errors import BadInput, ServiceError

TIMEOUT_S = 5.0
Controllers = Mapping[str, SimulatedController]


def answer(line: bytes, controllers: Controllers) -> dict[str, Any]:
    """Do what one line asks for."""
    try:
        request = json.loads(line)
        controller, channel = request["controller"], request.get("channel")
        knob, value = request["knob"], request["value"]
        if not isinstance(controller, str) or not isinstance(channel, int | None):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {"ok": False, "error": "expected a JSON object with controller, knob, value and perhaps channel"}
    try:
        if controller not in controllers:
            raise BadInput(f"{controller} is not simulated here, {', '.join(controllers)} are")
        if knob not in list(Knob):
            raise BadInput(f"no knob {knob}, there are {', '.join(Knob)}")
        return {"ok": True, "value": controllers[controller].turn(channel, Knob(knob), str(value))}
    except BadInput as err:
        return {"ok": False, "error": str(err)}


@asynccontextmanager
async def serve_control(controllers: Controllers) -> AsyncIterator[str]:
    """Listen on a free loopback port as long as the context lasts; gives ``host:port``."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line = await reader.readuntil()
            writer.write(json.dumps(answer(line, controllers)).encode() + b"\n")
            await writer.drain()

    async with listen(session) as listening:
        yield listening.endpoint


def turn_knob(endpoint: str, controller: str, channel: int | None, knob: str, value: str) -> float | None:
    """Turn a knob of a running simulator and return its new value, ``None`` for off.

    Raises:
        ServiceError: no simulator answers at ``endpoint``.
        BadInput: it refuses; the text says why.
    """
    host, _, port = endpoint.rpartition(":")
    request = {"controller": controller, "channel": channel, "knob": knob, "value": value}
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_S) as wire, wire.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            reply = json.loads(stream.readline())
    except (OSError, ValueError) as err:
        raise ServiceError(f"no simulator answers at {endpoint}; is it running?") from err
    if not reply["ok"]:
        raise BadInput(f"{controller}: {reply['error']}")
    return reply["value"]
