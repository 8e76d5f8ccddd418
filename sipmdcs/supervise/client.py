"""Talking to supervisord over its UNIX socket (XML-RPC, supervisord.org/api.html)."""

from __future__ import annotations

import http.client
import signal
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from sipmdcs.errors import ServiceError

_NO_HARM = (Faults.ALREADY_STARTED, Faults.NOT_RUNNING, Faults.SHUTDOWN_STATE)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """What supervisord knows about one process; times are whole Unix seconds."""

    name: str
    group: str
    state: str
    """STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN."""
    pid: int
    """0 while it does not run."""
    start: int
    stop: int
    now: int

    @property
    def full_name(self) -> str:
        """``group:name``."""
        return f"{self.group}:{self.name}"

    @property
    def ran_s(self) -> float:
        """How long the process that ended had run."""
        return max(0, self.stop - self.start)


class SupervisorClient:
    """The calls that are needed. Each raises ``ServiceError`` if supervisord does not answer."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        transport = SupervisorTransport(None, None, f"unix://{socket}")
        self._proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport)

    def processes(self) -> list[ProcessInfo]:
        """Every process of the configuration."""
        fields = ("name", "group", "pid", "start", "stop", "now")
        found = self._call(self._proxy.supervisor.getAllProcessInfo)
        if found is None:
            raise ServiceError("supervisord is being stopped")
        return [ProcessInfo(state=info["statename"], **{field: info[field] for field in fields}) for info in found]

    def start(self, full_name: str) -> None:
        """Start a process, without waiting for it; no harm if it runs already or everything is being stopped.

        Raises:
            ServiceError: it cannot be started; the message says why.
        """
        self._call(self._proxy.supervisor.startProcess, full_name, False)

    def stop(self, full_name: str) -> None:
        """Stop a process and wait until it has ended; no harm if it does not run.

        Raises:
            ServiceError: it cannot be stopped; the message says why.
        """
        self._call(self._proxy.supervisor.stopProcess, full_name)

    def signal(self, full_name: str, number: signal.Signals) -> None:
        """Send a signal to a process; no harm if it does not run.

        Raises:
            ServiceError: it cannot be sent; the message says why.
        """
        self._call(self._proxy.supervisor.signalProcess, full_name, str(int(number)))

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except xmlrpc.client.Fault as err:
            if err.faultCode in _NO_HARM:
                return None
            raise ServiceError(f"supervisord refuses: {err.faultString}") from err
        except (OSError, http.client.HTTPException) as err:
            raise ServiceError(f"supervisord does not answer at {self._socket}: {err}") from err
