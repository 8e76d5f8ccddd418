"""Start-up time and memory of an IOC per record: ours, from a substitution file, against caproto's stock records.

    python bench/ioc_startup.py [--records 2000]

Both make the same ai records with limits, severities, unit, precision and description, and are timed from the first
statement after the imports until they accept a connection. Memory is what the process has to itself beyond its imports.
Each runs in a process of its own, one after the other, on a free port of 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

TARGET = 5.0
FIELDS = {
    "DESC": "Current of one channel",
    "EGU": "uA",
    "PREC": 3,
    "HOPR": 10,
    "LOPR": 0,
    "HIHI": 2,
    "HIGH": 0.5,
    "LOW": -0.5,
    "LOLO": -2,
    "HHSV": "MAJOR",
    "HSV": "MINOR",
    "LSV": "MINOR",
    "LLSV": "MAJOR",
    "HYST": 0.02,
    "MDEL": 0.001,
    "ADEL": 0.002,
}


def name(index: int) -> str:
    return f"BENCH:HV:CTRL{index // 16:02d}:CH{index % 16:02d}:CURRENT_RBV"


def our_server(folder: Path, records: int) -> Callable[[], Awaitable[None]]:
    from iocs.softioc import run_softioc

    fields = " ".join(f'field({field}, "{value}")' for field, value in FIELDS.items())
    (folder / "channel.template").write_text(f'record(ai, "$(NAME)") {{ {fields} }}\n')
    rows = "\n".join(f'{{ "{name(index)}" }}' for index in range(records))
    file = folder / "ioc.substitutions"
    file.write_text(f'file "channel.template" {{ pattern {{ NAME }}\n{rows}\n}}\n')
    return lambda: run_softioc([file])


def stock_server(_folder: Path, records: int) -> Callable[[], Awaitable[None]]:
    from caproto.asyncio.server import start_server
    from caproto.server import PVGroup, pvproperty

    def run() -> Awaitable[None]:
        properties: dict[str, Any] = {
            f"pv{index}": pvproperty(
                name=name(index),
                value=0.0,
                record="ai",
                doc=str(FIELDS["DESC"]),
                units=str(FIELDS["EGU"]),
                precision=3,
                upper_disp_limit=10.0,
                lower_disp_limit=0.0,
                upper_alarm_limit=2.0,
                upper_warning_limit=0.5,
                lower_warning_limit=-0.5,
                lower_alarm_limit=-2.0,
            )
            for index in range(records)
        }
        group = type("BenchGroup", (PVGroup,), properties)
        return start_server(group(prefix="").pvdb, interfaces=["127.0.0.1"])

    return run


async def until_connected(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.001)
            continue
        writer.close()
        return


async def measure(run: Callable[[], Awaitable[None]], port: int) -> dict[str, float]:
    gc.collect()
    process = psutil.Process()
    before = process.memory_full_info().uss
    start = time.perf_counter()
    server = asyncio.ensure_future(run())
    await until_connected(port)
    elapsed = time.perf_counter() - start
    gc.collect()
    used = process.memory_full_info().uss - before
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
    return {"seconds": elapsed, "bytes": used}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def in_process(kind: str, records: int) -> dict[str, float]:
    port = free_port()
    environment = os.environ | {"EPICS_CA_SERVER_PORT": str(port), "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1"}
    command = [sys.executable, __file__, "--kind", kind, "--records", str(records), "--port", str(port)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--kind", choices=("ours", "stock"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind:
        make = our_server if options.kind == "ours" else stock_server
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asyncio.run(measure(make(Path(folder), options.records), options.port))))
        return

    sys.path.insert(0, str(Path(__file__).parent))
    from machine import describe_machine

    print(describe_machine("caproto"))
    stock, ours = (in_process(kind, options.records) for kind in ("stock", "ours"))
    for what, unit, scale in (("seconds", "us", 1e6), ("bytes", "kB", 1e-3)):
        theirs, mine = (figures[what] * scale / options.records for figures in (stock, ours))
        title = "start-up" if what == "seconds" else "memory"
        print(
            f"{title} per ai record, {options.records} records: caproto's stock {theirs:.1f} {unit}, ours {mine:.1f} {unit}, "
            f"{theirs / mine:.0f} times less (to reach: {TARGET:.0f})"
        )


if __name__ == "__main__":
    main()
