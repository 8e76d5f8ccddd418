"""A running site under attack: does it lose a monitor event, an archived sample or a page?

    python bench/siege.py [--seconds 600] [--calm]

The example of a veto detector runs with all its services. ``siege_attacks.py`` sends what enemies send, every service is
stopped with SIGSTOP in turn, and ``siege_witness.py``, an independent client, notes every event. At the end each of its events
must be in the archive or in a gap that the archive itself marks while its process was away, every heartbeat of an IOC must have
come, and every alarm that was caused must have been mailed. ``--calm`` does the same without attacks. Exit status 1 if anything
is lost.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from machine import describe_machine

from sipmdcs.site import Site
from sipmdcs.supervise.processes import marked_processes

HERE = Path(__file__).parent
SIPMDCS = str(Path(sys.executable).with_name("sipmdcs"))
VALUE, LOG = 1, 2
"""Masks of monitors (caeventmask.h)."""
NS = 1_000_000_000
STOP_EVERY_S = 35.0
"""From one SIGSTOP to the next: 15 s of silence, a restart, and a while in which all is well."""
PAGE_EVERY_S = 20.0
PAGE_S = 60.0
"""Longest way of a page, a restart of the alarm service included."""
SETTLE_S = 20.0


@dataclass
class Notes:
    """What the witness saw."""

    events: dict[str, list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))
    """By PV: time stamp in Unix nanoseconds, and value."""
    lost: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By PV: when its connection was lost."""

    def read(self, lines: Iterator[str]) -> None:
        """Take in what the witness writes."""
        for line in lines:
            kind, pv, *rest = json.loads(line)
            if kind == "event":
                self.events[pv].append((rest[0] * NS + rest[1], rest[2]))
            elif not rest[1]:
                self.lost[pv].append(rest[0])


@contextmanager
def witness(environment: dict[str, str], wanted: dict[str, int]) -> Iterator[Notes]:
    """A client that notes every event of the PVs, by mask."""
    command = [sys.executable, str(HERE / "siege_witness.py")]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("".join(f"{pv} {mask}\n" for pv, mask in wanted.items()) + "\n")
        process.stdin.flush()
        notes = Notes()
        reader = threading.Thread(target=notes.read, args=(iter(process.stdout),))
        reader.start()
        try:
            yield notes
        finally:
            process.stdin.close()
            reader.join(30)
            process.kill()


class Castle:
    """The site under attack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(HERE.parent / "examples" / "padme-like", folder, ignore=shutil.ignore_patterns("var"))
        ports = random.sample(range(10_000, 32_000), 7)
        site = yaml.safe_load((folder / "site.yaml").read_text("utf-8"))
        site["services"].append("supervisor")
        site["channel_access"] = {"server_port": ports[0], "repeater_port": ports[1]}
        for name, port in zip(("archiver", "alarms", "logbook", "web", "memcached"), ports[2:], strict=True):
            site[name] = {"port": port}
        (folder / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), "utf-8")
        self.ports = {name: site[name]["port"] for name in ("archiver", "alarms", "logbook", "web")}
        self.services: list[str] = site["services"]
        self.controllers: dict[str, dict[str, str]] = site["controllers"]
        self.iocs: list[str] = [*site["iocs"]]

    def run(self, *arguments: str, fails: bool = False) -> str:
        """A command of the site."""
        done = subprocess.run([SIPMDCS, "--site", str(self.folder), *arguments], capture_output=True, text=True, check=False)
        if done.returncode and not fails:
            sys.exit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def status(self) -> dict[str, dict[str, Any]]:
        """Each process by name."""
        return {service["name"]: service for service in json.loads(self.run("status", "--json", fails=True))["services"]}

    def well(self) -> bool:
        """Whether everything runs."""
        return all(service["state"] == "RUNNING" for service in self.status().values())

    def memory(self) -> dict[str, float]:
        """RSS by program, MB."""
        found: dict[str, float] = defaultdict(float)
        for one in marked_processes(self.folder):
            try:
                found[one.program or "supervisord"] += one.process.memory_info().rss / 1e6
            except psutil.Error:
                continue
        return found

    def mails(self) -> str:
        """All that was mailed."""
        return "\n".join(path.read_text("utf-8", errors="replace") for path in (self.folder / "var" / "mail" / "new").glob("*"))


@dataclass
class Alarm:
    """One alarm that was caused, and when its page came."""

    pv: str
    caused: float
    paged: float | None = None


def wait(true: Callable[[], bool], what: str, seconds: float) -> None:
    """Until something is so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            sys.exit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)


def besiege(castle: Castle, seconds: float, *, calm: bool) -> tuple[list[Alarm], dict[str, list[tuple[float, float]]]]:
    """Attack for a while; the alarms that were caused, and when each process was stopped and worked again."""
    attack = None
    if not calm:
        command = [sys.executable, str(HERE / "siege_attacks.py"), str(castle.folder), str(seconds)]
        attack = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    begin = time.monotonic()
    alarms: list[Alarm] = []
    away: dict[str, list[tuple[float, float]]] = defaultdict(list)
    victims = iter(() if calm else itertools.cycle(castle.services))
    channels = [(name, number) for number in range(2, 9) for name in castle.controllers if name != "LED"]
    next_stop, next_page = begin + 20, begin + 5
    stopped: tuple[str, int, float] | None = None
    while (now := time.monotonic()) < begin + seconds or stopped is not None:
        if stopped is not None:
            name, pid, when = stopped
            state = castle.status().get(name, {})
            if state.get("state") == "RUNNING" and state.get("pid") != pid:
                away[name].append((when, time.time()))
                print(f"{now - begin:6.0f} s  {name} works again {time.time() - when:.1f} s after SIGSTOP", flush=True)
                stopped = None
        if (
            stopped is None
            and next_stop < now < begin + seconds
            and (victim := next(victims, None))
            and (pid := castle.status()[victim]["pid"])
        ):
            os.kill(pid, signal.SIGSTOP)
            stopped = (victim, pid, time.time())
            next_stop = now + STOP_EVERY_S
        if next_page < now < begin + seconds and len(alarms) < len(channels):
            controller, number = channels[len(alarms)]
            castle.run("sim", "fault", controller, str(number), "extra-current", "10")
            subsystem = castle.controllers[controller]["subsystem"]
            alarms.append(Alarm(f"PADME:{subsystem}:{controller}:CH{number:02d}:CURRENT_RBV", time.monotonic()))
            next_page = now + PAGE_EVERY_S
        look_for_pages(castle, alarms)
        time.sleep(0.5)
    if attack is not None:
        out, _ = attack.communicate(timeout=120)
        print("attacks:", out.strip())
    return alarms, away


def look_for_pages(castle: Castle, alarms: Sequence[Alarm]) -> None:
    """Note which alarms have been mailed by now."""
    waiting = [alarm for alarm in alarms if alarm.paged is None]
    if waiting:
        text = castle.mails()
        for alarm in waiting:
            if alarm.pv in text:
                alarm.paged = time.monotonic()


def check_beats(notes: Notes, heartbeats: Sequence[str]) -> list[str]:
    """Heartbeats of IOCs that did not come."""
    found = []
    for pv in heartbeats:
        beats = [int(value) for _, value in notes.events[pv]]
        if missing := [after for before, after in itertools.pairwise(beats) if after != before + 1]:
            found.append(f"{pv}: {len(missing)} jumps in {len(beats)} heartbeats")
        if notes.lost[pv]:
            found.append(f"{pv}: connection lost {len(notes.lost[pv])} times")
    return found


def check_archive(
    castle: Castle, notes: Notes, pvs: Sequence[str], begin: float, end: float, away: Sequence[tuple[float, float]]
) -> list[str]:
    """Events that the archive neither has nor marks as lost, and marks that nothing explains."""
    found, seen = [], 0
    with httpx.Client(base_url=f"http://127.0.0.1:{castle.ports['archiver']}", timeout=60, trust_env=False) as archiver:
        for pv in pvs:
            times = {"from": stamp(begin - 5), "to": stamp(end)}
            entry = archiver.get("/retrieval/data/getData.json", params={"pv": pv, **times}).raise_for_status().json()[0]
            has = {point["secs"] * NS + point["nanos"] for point in entry["data"]}
            gaps = [(lost, known or 2**63) for lost, known, _ in json.loads(entry["meta"].get("gaps", "[]"))]
            events = [time_ns for time_ns, _ in notes.events[pv] if begin * NS <= time_ns < end * NS]
            seen += len(events)
            lost = [time_ns for time_ns in events if time_ns not in has and not any(a <= time_ns < b for a, b in gaps)]
            if lost:
                times_lost = ", ".join(stamp(time_ns / NS) for time_ns in lost[:5])
                marked = "; ".join(f"{stamp(a / NS)} to {stamp(b / NS)}" for a, b in gaps if b > begin * NS) or "none"
                found.append(f"{pv}: of {len(events)} events {len(lost)} are lost: {times_lost}; its gaps: {marked}")
            for lost_ns, known_ns in gaps:
                if lost_ns < begin * NS:
                    continue
                if not any(start - 4 <= lost_ns / NS and known_ns / NS <= stop + 10 for start, stop in away):
                    found.append(f"{pv}: a gap from {stamp(lost_ns / NS)} that nothing explains")
    print(f"archive: {seen} events of {len(pvs)} PVs compared; away: {[(stamp(start), stamp(stop)) for start, stop in away]}")
    return found


def stamp(time_s: float) -> str:
    """ISO time of Unix seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_s)) + f".{int(time_s % 1 * 1000):03d}Z"


def main() -> None:
    """Besiege a site."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--calm", action="store_true", help="without attacks and stops")
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as parent:
        castle = Castle(Path(parent) / "site")
        lost = measure(castle, arguments.seconds, calm=arguments.calm)
    print("\n".join(lost) if lost else "nothing is lost")
    sys.exit(bool(lost))


def measure(castle: Castle, seconds: float, *, calm: bool) -> list[str]:
    """Bring the site up, besiege it, bring it down; what was lost."""
    mappings = [part for path in sorted(castle.folder.glob("*_mapping.csv")) for part in ("--mapping", str(path))]
    castle.run("config", "import", "--channels", str(castle.folder / "channels.csv"), *mappings, "--message", "siege")
    heartbeats = [f"PADME:SYS:{ioc.upper().replace('-', '_')}:HEARTBEAT" for ioc in castle.iocs]
    currents = [
        f"PADME:{controller['subsystem']}:{name}:CH{number:02d}:CURRENT_RBV"
        for name, controller in castle.controllers.items()
        if name != "LED"
        for number in (1, 16)
    ]
    try:
        castle.run("up", "--timeout", "600")
        castle.run("config", "push", "--message", "siege")
        environment = os.environ | Site(castle.folder).ca_environment()
        for name, controller in castle.controllers.items():
            subprocess.run(
                [
                    sys.executable,
                    "-c",
                    f"import epics; epics.caput('PADME:{controller['subsystem']}:{name}:ALL_ON', 1, wait=True)",
                ],
                env=environment,
                check=True,
            )
        time.sleep(SETTLE_S)
        at_rest = castle.memory()
        with witness(environment, dict.fromkeys(heartbeats, VALUE) | dict.fromkeys(currents, LOG)) as notes:
            time.sleep(5)
            begin = time.time()
            alarms, away = besiege(castle, seconds, calm=calm)
            wait(castle.well, "everything runs again", 120)
            end = time.monotonic() + PAGE_S
            while any(alarm.paged is None for alarm in alarms) and time.monotonic() < end:
                look_for_pages(castle, alarms)
                time.sleep(0.5)
            time.sleep(3)
            finish = time.time() - 2
        found = check_beats(notes, heartbeats)
        found += check_archive(castle, notes, currents, begin, finish, away["archiver"])
        found += [f"{alarm.pv}: no page" for alarm in alarms if alarm.paged is None]
        delays = sorted(alarm.paged - alarm.caused for alarm in alarms if alarm.paged is not None)
        print(f"pages: {len(delays)} of {len(alarms)}, after {delays[0]:.1f} to {delays[-1]:.1f} s" if delays else "no pages")
        found += [f"a page took {delay:.0f} s" for delay in delays if delay > PAGE_S]
        for name, service in castle.status().items():
            if (restarts := service["restarts"]) != len(away[name]):
                found.append(f"{name}: {restarts} restarts, stopped {len(away[name])} times; last exit {service['last_exit']}")
        print("MB at rest and after:", {name: (round(at_rest[name]), round(now)) for name, now in castle.memory().items()})
        return found
    finally:
        castle.run("down")


if __name__ == "__main__":
    main()
