"""Setpoints of a large detector on EPICS Base: a pyepics loop, ``config push`` and ``config diff`` in one run.

    python bench/settings.py [--channels 3344]

An EPICS Base IOC in a process of its own serves three setpoints a channel. pyepics writes and reads back every setpoint one
after the other; the push checks, writes in two phases and reads everything back, setpoints and readbacks; the diff reads what
a push sets and what the IOC boots with. Wall-clock time and processor time of the client are printed for each.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import describe_machine

from sipmdcs.site import Site

HERE = Path(__file__).parent
IOC = HERE.parent / "tests" / "configtool" / "base_ioc.py"
CHANNELS_PER_CONTROLLER = 16
SITE = """
name: Benchmark
prefix: DET
channel_access: {{server_port: 15964, repeater_port: 15965, address_list: [127.0.0.1]}}
controllers:
{controllers}
iocs:
  all: {{controllers: [{names}]}}
"""
COLUMNS = "controller,channel,cable_position,preamp_position,sipm_serial,vbr_V,vop_V,dark_current_uA"
PYEPICS = """
import sys, epics
pvs = [epics.PV(name, auto_monitor=False) for name in sys.stdin.read().split()]
for pv in pvs:
    assert pv.wait_for_connection(60), pv.pvname
for pv in pvs:
    pv.put(40.0, wait=True)
    assert pv.get() == 40.0
"""


def make_site(folder: Path, controllers: int) -> list[str]:
    """Write a site and its channel table; the prefixes of its controllers."""
    ids = [f"{number:03d}" for number in range(1, controllers + 1)]
    entries = "\n".join(f'  HV{one}: {{driver: padme-nim, id: "{one}", subsystem: VETO, port: sim}}' for one in ids)
    names = ", ".join(f"HV{one}" for one in ids)
    (folder / "site.yaml").write_text(SITE.format(controllers=entries, names=names))
    channels = range(1, CHANNELS_PER_CONTROLLER + 1)
    rows = [
        f"{one},{n:02d},{one}.1.{n},001.{n},S{one}-{n},{50 + n / 100:.2f},{55 + n / 100:.2f},0.1"
        for one in ids
        for n in channels
    ]
    (folder / "channels.csv").write_text("\n".join((COLUMNS, *rows)) + "\n")
    return [f"DET:VETO:HV{one}" for one in ids]


@contextmanager
def base_ioc(prefixes: list[str], environment: dict[str, str]) -> Iterator[None]:
    """EPICS Base serving the controllers."""
    command = [sys.executable, str(IOC), "none", *prefixes]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert any(line == "running\n" for line in process.stdout)
        try:
            yield
        finally:
            process.stdin.close()


def measure(name: str, command: list[str], environment: dict[str, str], text: str = "") -> bool:
    """Run a client and print what it cost; whether it succeeded."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
    print(f"{name:24} {wall:6.2f} s, {processor:6.2f} s of processor time; {last[0] if last else ''}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Measure; the exit status is 1 if a client failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=3344)
    channels: int = parser.parse_args().channels
    print(describe_machine("pyepics", "epicscorelibs"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prefixes = make_site(folder, -(-channels // CHANNELS_PER_CONTROLLER))
        environment = os.environ | Site(folder).ca_environment() | {"EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1"}
        config = [sys.executable, "-m", "sipmdcs", "--site", name, "config"]
        numbers = range(1, CHANNELS_PER_CONTROLLER + 1)
        pvs = [f"{p}:CH{n:02d}:{what}" for p in prefixes for n in numbers for what in ("BIAS", "VBR", "CURRENT_LIMIT")]
        print(f"{len(pvs)} setpoints of {len(prefixes) * CHANNELS_PER_CONTROLLER} channels, {len(prefixes)} controllers")
        with base_ioc(prefixes, environment):
            good = [
                measure("import", [*config, "import", "--channels", str(folder / "channels.csv")], environment),
                measure("pyepics, one by one", [sys.executable, "-c", PYEPICS], environment, "\n".join(pvs)),
                measure("config push", [*config, "push"], environment),
                measure("config push, no change", [*config, "push"], environment),
                measure("config diff", [*config, "diff"], environment),
                measure("push of one controller", [*config, "push", "--only", "HV001"], environment),
                measure("doctor", [*config[:-1], "doctor"], environment),
            ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
