"""The whole chain on real input: SQL to wire, readback, archive, alarm, page; seen by independent clients only."""

import csv
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.system.installation import EpicsClient, Installation, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

CONTROLLERS = {
    "PVETO": ("13", "15", "16", "19", "21", "23"),
    "EVETO": ("07", "08", "10", "14", "22", "24"),
    "HEPVETO": ("17", "18"),
}
MAJOR = 2
ON = 4
DBE_VALUE = 1
DESCRIPTORS = 1_024
"""That each process may have."""
DBE_LOG_ALARM = 2 | 4
READING = {"archiver": "/mgmt/bpl/getAllPVs", "alarms": "/active", "logbook": "/runs", "web": "/api/v1/channels"}
"""What each service with HTTP is asked for."""


@pytest.fixture(scope="module")
def table(shared_data: Path) -> list[dict[str, str]]:
    with (shared_data / "padme" / "sipm_channels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def expected(table: list[dict[str, str]]) -> dict[str, float]:
    """Operating voltage by channel prefix, of the channels that the site has."""
    subsystem = {controller: name for name, controllers in CONTROLLERS.items() for controller in controllers}
    return {
        f"PADME:{subsystem[row['controller']]}:HV{row['controller']}:CH{row['channel']}": float(row["vop_V"])
        for row in table
        if row["controller"] in subsystem
    }


@pytest.fixture(scope="module")
def epics(installation: Installation, pushed: None) -> Iterator[EpicsClient]:
    with installation.epics() as client:
        yield client


@pytest.fixture(scope="module")
def pushed(installation: Installation, shared_data: Path) -> None:
    """Import, start, push: what every test below builds on."""
    padme = shared_data / "padme"
    mappings = [argument for name in ("pveto", "eveto") for argument in ("--mapping", str(padme / f"{name}_mapping.csv"))]
    installation.run("config", "import", "--channels", str(padme / "sipm_channels.csv"), *mappings)
    installation.run("up", descriptors=DESCRIPTORS)
    installation.run("config", "push")


@pytest.fixture(scope="module")
def switched_on(epics: EpicsClient, expected: dict[str, float]) -> None:
    """Every channel at its operating voltage."""
    controllers = sorted({prefix.rsplit(":", 1)[0] for prefix in expected})
    epics.ask("put", values={f"{controller}:ALL_ON": 1 for controller in controllers}, timeout=30)
    names = [f"{prefix}:STATE" for prefix in expected]
    wait_until(
        lambda: {one["value"] for one in epics.ask("get", names=names).values()} == {ON}, 60, "every channel ON", period=1
    )


def test_all_channels_are_in_sql(installation: Installation, pushed: None, table: list[dict[str, str]]) -> None:
    with sqlite3.connect(installation.folder / "var" / "sipmdcs.sqlite") as database:
        (channels,) = database.execute("SELECT count(*) FROM topology_channel").fetchone()
    assert len(table) == 256
    assert channels == 256


def test_every_bias_is_within_10_mv(epics: EpicsClient, expected: dict[str, float]) -> None:
    assert len(expected) == 224
    readings = epics.ask("get", names=[f"{prefix}:BIAS_RBV" for prefix in expected])
    off = {
        prefix: readings[f"{prefix}:BIAS_RBV"]
        for prefix, volts in expected.items()
        if readings[f"{prefix}:BIAS_RBV"] is None or abs(readings[f"{prefix}:BIAS_RBV"]["value"] - volts) > 0.010
    }
    assert not off
    assert all(reading["severity"] == 0 for reading in readings.values())


def test_a_second_push_writes_nothing(installation: Installation, pushed: None) -> None:
    done = installation.run("config", "push", "--dry-run")
    assert "would write 0 values" in done.stdout


def test_voltages_rise_when_switched_on(epics: EpicsClient, expected: dict[str, float], switched_on: None) -> None:
    readings = epics.ask("get", names=[f"{prefix}:VMON_RBV" for prefix in expected])
    assert all(abs(readings[f"{prefix}:VMON_RBV"]["value"] - volts) < 0.1 for prefix, volts in expected.items())


def test_1100_silent_clients_of_each_process_in_turn_cost_no_heartbeat_no_answer_and_no_page(
    installation: Installation, epics: EpicsClient, switched_on: None
) -> None:
    processes = own_processes(installation)
    beats = [f"PADME:SYS:{name.upper().replace('-', '_')}:HEARTBEAT" for name in processes]
    with installation.epics() as monitor:
        monitor.ask("watch", names=beats, mask=DBE_VALUE)
        wait_until(lambda: {pv for pv, *_ in monitor.ask("watched")} == set(beats), 60, "a heartbeat of each process")
        for name, pid in processes.items():
            with installation.crowd(pid, 1_100) as ports:
                assert ports == 1 + (name in READING), f"{name}: Channel Access, and HTTP"
                for service, path in READING.items():
                    installation.http(service, path)
                assert psutil.Process(pid).num_fds() < DESCRIPTORS - 100, f"{name}: there is room for files"
                if name in ("alarms", "pveto-a"):
                    check_page_within_5_s(installation, epics)
        heard = monitor.ask("watched")
    for beat in beats:
        values = [value for pv, _, value, _ in heard if pv == beat]
        assert values == list(range(int(values[0]), int(values[0]) + len(values))), f"{beat} has a gap"
    assert own_processes(installation) == processes


def own_processes(installation: Installation) -> dict[str, int]:
    """Every process but the simulators, which stand for hardware."""
    return {name: one["pid"] for name, one in installation.status().items() if name != "simulators"}


def check_page_within_5_s(installation: Installation, epics: EpicsClient) -> None:
    """A channel breaks, is paged, acknowledged and whole again."""
    pv = "PADME:PVETO:HV13:CH05:CURRENT_RBV"
    before = len(installation.mailbox.mails)
    installation.run("sim", "fault", "HV13", "5", "extra-current", "10")
    wait_until(lambda: epics.ask("get", names=[pv])[pv]["severity"] == MAJOR, 60, f"{pv} in MAJOR alarm", period=0.1)
    became_major = time.time()
    wait_until(lambda: len(installation.mailbox.mails) > before, 60, "a page", period=0.05)
    arrived, mail = installation.mailbox.mails[before]
    text = f"{mail['Subject']}\n{mail.get_payload()}"
    assert arrived - became_major < 5
    assert pv in text
    assert "MAJOR" in text
    active = installation.run("alarm", "list").stdout
    assert pv in active
    installation.run("alarm", "ack", pv, "--comment", "seen")
    installation.run("sim", "fault", "HV13", "5", "extra-current", "0")
    wait_until(lambda: epics.ask("get", names=[pv])[pv]["severity"] < MAJOR, 60, f"{pv} in no MAJOR alarm", period=0.1)


def test_killed_archiver_loses_nothing_older_than_a_second(
    installation: Installation, epics: EpicsClient, expected: dict[str, float], switched_on: None
) -> None:
    watched = [f"{prefix}:CURRENT_RBV" for prefix in list(expected)[:32]]
    epics.ask("watch", names=watched, mask=DBE_LOG_ALARM)
    wait_until(lambda: len(epics.ask("watched")) > 150, 60, "150 events on the independent client", period=1)
    pid = installation.status()["archiver"]["pid"]
    killed = time.time()
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        service = installation.status()["archiver"]
        return service["state"] == "RUNNING" and service["pid"] not in (None, pid)

    wait_until(back, 120, "the archiver restarted by the supervisor", period=1)
    wait_until(_answers(installation, watched[0]), 120, "the archiver answering")
    restarted = time.time()
    seen = len(epics.ask("watched"))
    wait_until(lambda: len(epics.ask("watched")) > seen + 100, 60, "100 more events", period=1)
    end = time.time()
    # What came in during the last second need not be on disk, but it is in memory and must be served all the same.
    time_of = {pv: [] for pv in watched}
    for pv, stamp, value, _ in epics.ask("watched"):
        time_of[pv].append((stamp, value))
    for pv in watched:
        archived = installation.history(pv, killed - 3600, end)
        stamps = [sample["secs"] + sample["nanos"] / 1e9 for sample in archived]
        kept = {_microseconds(stamp): sample["val"] for stamp, sample in zip(stamps, archived, strict=True)}
        missing = [stamp for stamp, value in time_of[pv][1:] if stamp < end - 2 and _kept(kept, stamp) != value]
        lost = [stamp for stamp in missing if stamp < killed - 1]
        assert not lost, f"{pv}: {len(lost)} samples older than a second are gone, the first at {lost[0]}"
        late = [stamp for stamp in missing if stamp > restarted]
        assert not late, f"{pv}: {len(late)} samples after the restart are missing, the first at {late[0]}"


def _microseconds(stamp: float) -> int:
    return round(stamp * 1e6)


def _kept(kept: dict[int, float], stamp: float) -> float | None:
    """Value archived at a time that both clients hold as a float, so that it may round either way."""
    near = (_microseconds(stamp) + step for step in (0, -1, 1))
    return next((kept[micros] for micros in near if micros in kept), None)


def _answers(installation: Installation, pv: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            return bool(installation.history(pv, time.time() - 3600, time.time()))
        except OSError:
            return False

    return answers


def test_restarted_ioc_keeps_every_setpoint(
    installation: Installation, epics: EpicsClient, expected: dict[str, float], switched_on: None
) -> None:
    mine = [prefix for prefix in expected if ":HV07:" in prefix or ":HV08:" in prefix]
    names = [f"{prefix}:{field}" for prefix in mine for field in ("BIAS", "CURRENT_LIMIT", "VBR", "ENABLE")]
    before = epics.ask("get", names=names)
    pid = installation.status()["eveto-a"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        service = installation.status()["eveto-a"]
        return service["state"] == "RUNNING" and service["pid"] not in (None, pid)

    wait_until(back, 120, "the IOC restarted by the supervisor", period=1)
    with installation.epics() as fresh:
        _check_setpoints(fresh, before)
        readbacks = [f"{prefix}:VMON_RBV" for prefix in mine]

        def still_biased() -> bool:
            readings = fresh.ask("get", names=readbacks)
            return all(abs(readings[f"{p}:VMON_RBV"]["value"] - expected[p]) < 0.1 for p in mine)

        wait_until(still_biased, 60, "the voltages untouched by the restart")


def _check_setpoints(fresh: EpicsClient, before: dict[str, Any]) -> None:
    names = list(before)
    wait_until(lambda: all(fresh.ask("get", names=names, timeout=2).values()), 60, "every setpoint connected", period=1)
    after = fresh.ask("get", names=names)
    assert {name: reading["value"] for name, reading in after.items()} == {
        name: reading["value"] for name, reading in before.items()
    }


def test_down_leaves_nothing_running(installation: Installation, pushed: None) -> None:
    installation.run("down")
    marker = str(installation.folder)
    left = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(marker in part for part in process.cmdline()):
                left.append(process.cmdline())
        except psutil.Error:
            continue
    assert not left
