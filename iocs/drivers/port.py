"""Where a controller is, from what ``port`` in ``site.yaml`` says.

============================================  ============================================================
``sim``                                       the simulator of this site, which says where it listens in a file
``serial:///dev/ttyUSB0``                     a serial line
``tcp://[USER:PASSWORD@]HOST[:TELNET[:HTTP]]``  a network module; ports 23 and 80 if left out
============================================  ============================================================
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

from iocs.drivers.driver import Endpoint, EndpointSource
from sipmdcs.errors import BadInput, ServiceError

_TCP = re.compile(
    r"tcp://(?:(?P<user>[^:@/]*):(?P<password>[^@/]*)@)?(?P<host>[^:@/]+)(?::(?P<telnet>\d+)(?::(?P<http>\d+))?)?/?"
)
_SERIAL = re.compile(r"serial://(?P<path>/.+)")


def endpoint_source(port: str, simulator_file: Path) -> EndpointSource:
    """How to find the controller at ``port``.

    Args:
        port: as in ``site.yaml``.
        simulator_file: where the simulator of this controller says where it listens.

    Raises:
        BadInput: ``port`` is of none of the three forms.
    """
    if port == "sim":
        return lambda: _read_simulator_file(simulator_file)
    endpoint = _parse(port)
    return lambda: endpoint


def _parse(port: str) -> Endpoint:
    if match := _SERIAL.fullmatch(port):
        return {"tty": match["path"]}
    if match := _TCP.fullmatch(port):
        host = match["host"]
        return {
            "telnet": f"{host}:{match['telnet'] or 23}",
            "http": f"{host}:{match['http'] or 80}",
            "user": unquote(match["user"] or ""),
            "password": unquote(match["password"] or ""),
        }
    shown = re.sub(r":[^:/]*@", ":***@", port)
    raise BadInput(f"port {shown!r} is neither sim, serial:///DEVICE nor tcp://HOST[:TELNET[:HTTP]]")


def _read_simulator_file(path: Path) -> Endpoint:
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as err:
        raise ServiceError(f"no simulator: {path} cannot be read ({err.strerror})") from err
    except ValueError as err:
        raise ServiceError(f"no simulator: {path} is not JSON") from err
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        raise ServiceError(f"no simulator: {path} does not say where it listens")
    return data


def host_and_port(text: str) -> tuple[str, int]:
    """``host:port`` in two."""
    host, _, port = text.rpartition(":")
    return host, int(port)
