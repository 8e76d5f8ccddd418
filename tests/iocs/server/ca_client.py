"""A libca client in a process of its own, told by JSON lines on stdin what to do: what EPICS users' programs see.

{"do": "get", "pvs": [name, …], "form": 4}     values with metadata; 0 plain, 1 status, 2 time, 3 display, 4 control
{"do": "put", "pv": name, "type": 0, "value": …, "wait": true}    status code of the put
{"do": "watch", "pvs": [name, …], "mask": 7}   start monitors
{"do": "events", "pv": name, "count": 3}       the first so many events, when they are there; all after "settle" seconds
"""

import ctypes
import json
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from epics import ca, dbr

libca: Any = ca.initialize_libca()

TIMEOUT_S = 60.0
CTYPES = {0: dbr.string_t, 1: ctypes.c_short, 2: ctypes.c_float, 3: ctypes.c_ushort, 4: ctypes.c_ubyte, 5: ctypes.c_int}
CTYPES[6] = ctypes.c_double


def plain(value: object) -> object:
    """A value that JSON knows."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def wait_until(true: Callable[[], bool], timeout: float = TIMEOUT_S) -> None:
    """Return when something has come true, or the time is up."""
    deadline = time.monotonic() + timeout
    while not true() and time.monotonic() < deadline:
        time.sleep(0.0003)


channels: dict[str, Any] = {}
subscriptions: list[Any] = []
events: dict[str, list[list[object]]] = {}


def connect(names: list[str], timeout: float = TIMEOUT_S) -> dict[str, Any]:
    for name in names:
        if name not in channels:
            channels[name] = ca.create_channel(name, connect=False)
    libca.ca_flush_io()
    wait_until(lambda: all(ca.isConnected(channels[name]) for name in names), timeout)
    return {name: channels[name] for name in names}


# Layouts of db_access.h in the machine's own byte order: what comes before the values, and pads within.
BASES = {0: "40s", 1: "h", 2: "f", 3: "H", 4: "B", 5: "i", 6: "d"}
STATUS_PADS = {4: "x", 6: "4x"}
TIME_PADS = {1: "2x", 3: "2x", 4: "3x", 6: "4x"}
LIMITS = ("upper_disp", "lower_disp", "hihi", "high", "low", "lolo", "upper_ctrl", "lower_ctrl")


def text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("latin-1")


def decode(base: int, form: int, count: int, data: bytes) -> dict[str, object]:
    """Contents of a buffer of type ``base + 7 * form``."""
    code = BASES[base]
    out: dict[str, object] = {}
    layout = {0: "", 1: "hh" + STATUS_PADS.get(base, ""), 2: "hhII" + TIME_PADS.get(base, "")}.get(form, "hh")
    if form >= 3 and base == 3:
        layout += "h416s"
    elif form >= 3 and base != 0:
        layout += ("h2x" if base in (2, 6) else "") + "8s" + (8 if form == 4 else 6) * code + ("x" if base == 4 else "")
    head = list(struct.unpack_from("=" + layout, data))
    if form:
        out["status"], out["severity"], *head = head
    if form == 2:
        out["time"] = head
    elif form >= 3 and base == 3:
        out["labels"] = [text(head[1][26 * n : 26 * n + 26]) for n in range(head[0])]
    elif form >= 3 and base != 0:
        if base in (2, 6):
            out["precision"], *head = head
        out["units"] = text(head[0])
        out |= dict(zip(LIMITS, head[1:], strict=False))
    values = struct.unpack_from("=" + code * count, data, struct.calcsize("=" + layout))
    out["values"] = [text(value) if isinstance(value, bytes) else value for value in values]
    return out


def get(pvs: list[str], form: int, base: int | None = None, timeout: float = TIMEOUT_S) -> list[dict[str, object] | None]:
    chids = connect(pvs, timeout)
    answers: dict[str, dict[str, object]] = {}

    def on_answer(args: Any) -> None:
        name = args.usr
        dbr_type = args.type
        answers[name]["status_code"] = args.status
        if args.status == 1 and args.raw_dbr:
            size = size_of(dbr_type, args.count)
            answers[name] |= decode(dbr_type % 7, dbr_type // 7, args.count, ctypes.string_at(args.raw_dbr, size))

    # Callbacks come in threads of libca.
    handler = ctypes.CFUNCTYPE(None, dbr.event_handler_args)(on_answer)
    for name, chid in chids.items():
        if ca.isConnected(chid):
            native = ca.field_type(chid)
            answers[name] = {"type": native, "count": ca.element_count(chid)}
            answers[name] |= {"readable": bool(ca.read_access(chid)), "writable": bool(ca.write_access(chid))}
            asked = (native if base is None else base) + 7 * form
            status = libca.ca_array_get_callback(asked, 0, chid, handler, ctypes.py_object(name))
            if status != 1:
                answers[name]["status_code"] = status
    libca.ca_flush_io()
    wait_until(lambda: all("status_code" in answer for answer in answers.values()))
    return [answers.get(name) for name in chids]


def size_of(dbr_type: int, count: int) -> int:
    """Bytes of a buffer (``dbr_size_n``)."""
    sizes = (ctypes.c_ushort * 39).in_dll(libca, "dbr_size")
    values = (ctypes.c_ushort * 39).in_dll(libca, "dbr_value_size")
    return sizes[dbr_type] + max(count - 1, 0) * values[dbr_type]


def put(pv: str, base: int, value: object, wait: bool = True) -> int | None:
    chid = connect([pv])[pv]
    if not ca.isConnected(chid):
        return None
    values = value if isinstance(value, list) else [value]
    data = (CTYPES[base] * len(values))()
    for index, item in enumerate(values):
        if base == 0:
            data[index].value = str(item).encode()
        else:
            data[index] = item
    if not wait:
        status = libca.ca_array_put(base, len(values), chid, data)
        libca.ca_flush_io()
        return int(status)
    done: list[int] = []

    def finished(args: Any) -> None:
        done.append(args.status)

    callback = ctypes.CFUNCTYPE(None, dbr.event_handler_args)(finished)
    status = libca.ca_array_put_callback(base, len(values), chid, data, callback, 0)
    if status != 1:
        return int(status)
    libca.ca_flush_io()
    wait_until(lambda: bool(done))
    return done[0] if done else None


def watch(pvs: list[str], mask: int, form: int = 2) -> None:
    for name, chid in connect(pvs).items():
        events.setdefault(name, [])

        def on_event(name: str = name, **what: object) -> None:
            events[name].append([plain(what["value"]), what.get("severity"), what.get("status")])

        handle = ca.create_subscription(chid, use_time=form == 2, use_ctrl=form == 4, callback=on_event, mask=mask)
        subscriptions.append(handle)
    libca.ca_flush_io()


def take(pv: str, count: int = 0, settle: float = 0.0) -> list[list[object]]:
    if settle:
        time.sleep(settle)
    else:
        wait_until(lambda: len(events[pv]) >= count)
    taken, events[pv] = events[pv], []
    return taken


if __name__ == "__main__":
    # Nobody starts a repeater for a test; libca says so on stderr and goes on.
    for line in sys.stdin:
        request = json.loads(line)
        what = {"get": get, "put": put, "watch": watch, "events": take}[request.pop("do")]
        sys.stdout.write(json.dumps(what(**request)) + "\n")
        sys.stdout.flush()
