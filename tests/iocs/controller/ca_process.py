"""pyepics in a process of its own, so that its environment is that of one IOC. Requests and answers are JSON, one a line.

{"get": [name, …]}          [[value, severity], …]; [null, null] where nothing answers
{"put": {name: value, …}}   [1 where the server reported completion, …]
"""

import json
import sys
from typing import Any

import epics

TIMEOUT_S = 5.0
pvs: dict[str, epics.PV] = {}


def connected(name: str) -> epics.PV:
    pv = pvs.setdefault(name, epics.PV(name, auto_monitor=False))
    pv.wait_for_connection(TIMEOUT_S)
    return pv


def get(name: str) -> list[Any]:
    pv = connected(name)
    got = pv.get_with_metadata(form="time", timeout=TIMEOUT_S, use_monitor=False) if pv.connected else None
    if got is None:
        return [None, None]
    value = got["value"]
    return [value.tolist() if hasattr(value, "tolist") else value, got["severity"]]


for line in sys.stdin:
    request = json.loads(line)
    if "get" in request:
        answer: Any = [get(name) for name in request["get"]]
    else:
        answer = [connected(name).put(value, wait=True, timeout=TIMEOUT_S) for name, value in request["put"].items()]
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
