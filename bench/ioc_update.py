"""Processor time an IOC spends per update with three subscribers: our server against a stock caproto PVGroup.

    python bench/ioc_update.py [--records 100] [--rate 10] [--seconds 8]

The same numbers are written at the same rate into the same number of PVs; three libca clients monitor all of them with
time stamps and count what arrives. Processor time is that of the IOC's process over the measured interval, less what it
spends in the same interval while nothing is written.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

TARGET = 2.0
CLIENTS = 3


def name(index: int) -> str:
    return f"BENCH:CH{index:04d}:CURRENT_RBV"


Write = Callable[[float], Awaitable[None]]


def our_server(records: int) -> tuple[Awaitable[None], Write]:
    from iocs.publisher import open_record_server
    from sipmdcs.epicsdb import Record

    fields = {"EGU": "uA", "PREC": "3", "HIHI": "1e9", "HHSV": "MAJOR"}
    names = [name(index) for index in range(records)]
    server = open_record_server(Record("ai", name, fields, {}) for name in names)

    async def write(value: float) -> None:
        server.post(dict.fromkeys(names, value))

    return server.run(), write


def stock_server(records: int) -> tuple[Awaitable[None], Write]:
    from caproto.asyncio.server import start_server
    from caproto.server import PVGroup, pvproperty

    properties = {
        f"pv{index}": pvproperty(name=name(index), value=0.0, units="uA", precision=3, upper_alarm_limit=1e9)
        for index in range(records)
    }
    pvdb = type("BenchGroup", (PVGroup,), properties)(prefix="").pvdb

    async def write(value: float) -> None:
        for channel in pvdb.values():
            await channel.write(value)

    return start_server(pvdb, interfaces=["127.0.0.1"]), write


async def serve(kind: str, records: int, rate: float, seconds: float) -> None:
    """Serve; once told so, measure an idle interval and one with updates, and print both."""
    running, write = (our_server if kind == "ours" else stock_server)(records)
    task = asyncio.ensure_future(running)
    await asyncio.sleep(1)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    start = time.process_time()
    await asyncio.sleep(seconds)
    idle = time.process_time() - start
    start, due, rounds = time.process_time(), time.monotonic(), round(seconds * rate)
    for turn in range(rounds):
        await write(float(turn + 1))
        due += 1 / rate
        await asyncio.sleep(max(due - time.monotonic(), 0))
    await asyncio.sleep(0.5)
    print(json.dumps({"cpu": time.process_time() - start - idle, "updates": rounds * records}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def subscribe(records: int) -> None:
    """A client: monitors everything, says how much arrived when its input ends."""
    from epics import ca

    arrived = [0]

    def count(**_what: object) -> None:
        arrived[0] += 1

    channels = [ca.create_channel(name(index), connect=False) for index in range(records)]
    for channel in channels:
        ca.connect_channel(channel, timeout=10)
    kept = [ca.create_subscription(channel, use_time=True, callback=count, mask=5) for channel in channels]
    ca.pend_io(5)
    deadline = time.monotonic() + 10
    while arrived[0] < len(kept) and time.monotonic() < deadline:
        ca.poll(evt=0.01, iot=1.0)
    arrived[0] = 0
    print("ready", flush=True)
    sys.stdin.readline()
    print(arrived[0], flush=True)


def start(port: int, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "EPICS_CA_SERVER_PORT": str(port),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
    }
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "ready":
        if process.poll() is not None:
            raise SystemExit(f"{' '.join(arguments)} did not start")
    return process


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def measure(kind: str, options: argparse.Namespace) -> tuple[float, float]:
    """Microseconds of the IOC per update, and the share of events that reached the clients."""
    from ioc_startup import free_port

    port, size = free_port(), ["--records", str(options.records)]
    pace = ["--rate", str(options.rate), "--seconds", str(options.seconds)]
    server = start(port, "--kind", kind, *size, *pace)
    clients = [start(port, "--kind", "client", *size) for _ in range(CLIENTS)]
    tell(server)
    figures = json.loads(hear(server))
    arrived = 0
    for client in clients:
        tell(client)
        arrived += int(hear(client))
        client.wait(10)
    tell(server)
    server.wait(10)
    return figures["cpu"] / figures["updates"] * 1e6, arrived / figures["updates"] / CLIENTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10.0, help="updates of each record, hertz")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--kind", choices=("ours", "stock", "client"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind == "client":
        subscribe(options.records)
        return
    if options.kind:
        asyncio.run(serve(options.kind, options.records, options.rate, options.seconds))
        return
    sys.path.insert(0, str(Path(__file__).parent))
    from machine import describe_machine

    print(describe_machine("caproto", "pyepics"))
    stock, ours = (measure(kind, options) for kind in ("stock", "ours"))
    print(f"updates: {options.records} records at {options.rate:g} Hz for {options.seconds:g} s, {CLIENTS} subscribers")
    print(f"events that arrived: stock {stock[1]:.2%}, ours {ours[1]:.2%}")
    print(
        f"IOC processor time per update: stock PVGroup {stock[0]:.0f} us, ours {ours[0]:.1f} us, "
        f"{stock[0] / ours[0]:.0f} times less (to reach: {TARGET:.0f})"
    )


if __name__ == "__main__":
    main()
