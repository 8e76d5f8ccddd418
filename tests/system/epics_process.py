"""pyepics in a process of its own: an independent client whose environment is that of one site.

libca reads its environment once, when it is loaded, so a test process that meets several sites cannot use it directly.
Requests and answers are JSON, one a line.
"""

import json
import sys
import threading
from typing import Any

import epics

Event = tuple[str, float, Any, int]


class Client:
    """PVs by name, kept connected, and the events of those that are watched."""

    def __init__(self) -> None:
        self.pvs: dict[str, epics.PV] = {}
        self.events: list[Event] = []
        self.lock = threading.Lock()

    def connect(self, names: list[str], timeout: float) -> None:
        for name in names:
            self.pvs.setdefault(name, epics.PV(name, auto_monitor=False))
        for name in names:
            self.pvs[name].wait_for_connection(timeout)

    def get(self, names: list[str], timeout: float = 10.0) -> dict[str, Any]:
        self.connect(names, timeout)
        return {name: self._reading(self.pvs[name], timeout) for name in names}

    def _reading(self, pv: epics.PV, timeout: float) -> dict[str, Any] | None:
        got = pv.get_with_metadata(form="time", timeout=timeout, use_monitor=False, as_numpy=False) if pv.connected else None
        if got is None:
            return None
        value = got["value"]
        plain = value if isinstance(value, str | int | float) else list(value)
        return {"value": plain} | {key: got[key] for key in ("severity", "status", "timestamp")}

    def put(self, values: dict[str, Any], timeout: float = 10.0) -> dict[str, Any]:
        self.connect(list(values), timeout)
        return {name: self.pvs[name].put(value, wait=True, timeout=timeout) for name, value in values.items()}

    def watch(self, names: list[str], mask: int) -> int:
        for name in names:
            epics.PV(name, auto_monitor=mask, form="time", callback=self._note)
        return len(names)

    def _note(self, pvname: str, value: Any, timestamp: float, severity: int, **_: Any) -> None:
        with self.lock:
            self.events.append((pvname, timestamp, value, severity))

    def watched(self) -> list[Event]:
        with self.lock:
            return list(self.events)


def main() -> None:
    client = Client()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(client, request.pop("op"))(**request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
