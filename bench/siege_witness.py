"""An independent client that notes every monitor event: pyepics in a process of its own, run by ``siege.py``.

    python bench/siege_witness.py      # PV names on stdin, ``PV MASK`` a line; events on stdout until stdin closes

An event is a line ``["event", PV, seconds, nanoseconds, value]``, a change of a connection ``["connected", PV, time, 0 or 1]``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import epics


def main() -> None:
    """Watch until told to end."""
    wanted = dict(line.split() for line in iter(sys.stdin.readline, "\n"))

    def on_event(pvname: str = "", value: Any = None, posixseconds: int = 0, nanoseconds: int = 0, **_: Any) -> None:
        print(json.dumps(["event", pvname, int(posixseconds), int(nanoseconds), value]), flush=True)

    def on_connection(pvname: str = "", conn: bool = False, **_: Any) -> None:
        print(json.dumps(["connected", pvname, time.time(), int(conn)]), flush=True)

    pvs = [
        epics.PV(name, form="time", auto_monitor=int(mask), callback=on_event, connection_callback=on_connection)
        for name, mask in wanted.items()
    ]
    sys.stdin.readline()
    assert pvs


if __name__ == "__main__":
    main()
