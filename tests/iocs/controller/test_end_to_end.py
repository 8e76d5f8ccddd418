"""An IOC process as its users see it: ``sipmdcs sim run``, ``sipmdcs ioc``, and pyepics as the client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(sys.executable).with_name("sipmdcs"))
CLIENT = Path(__file__).with_name("ca_process.py")
SITE = """
name: One of each
prefix: DET
channel_access: {{server_port: {0}, repeater_port: {1}}}
controllers:
  HV01: {{driver: padme-nim, id: "01", subsystem: VETO, port: sim, poll_s: 0.2}}
  LED: {{driver: c11204, id: LED, subsystem: MON, port: sim, poll_s: 0.2}}
  LED1: {{driver: c11204-01, id: LED1, subsystem: MON, port: sim, poll_s: 0.2}}
iocs:
  all: {{controllers: [HV01, LED, LED1]}}
"""
HV = "DET:VETO:HV01"
LED = "DET:MON:LED"
LED1 = "DET:MON:LED1"
CHANNELS = [f"{HV}:CH{number:02d}" for number in range(1, 17)]
VOP = {channel: 57.0 + number / 100 for number, channel in enumerate(CHANNELS, 1)}
MAJOR, INVALID = 2, 3


def substitutions() -> str:
    """What ``config render`` writes, for two controllers."""
    own = {"SUB": "X", "BIAS_MIN": "0", "BIAS_MAX": "80", "POLL": "0.2", "RAMP": "200"}
    hv = own | {"P": HV, "PORT": "HV01", "NAME": "HV01", "NCH": "16"}
    led = own | {"P": LED, "PORT": "LED", "NAME": "LED", "NCH": "1", "BIAS_MIN": "40", "BIAS_MAX": "90", "I_LIMIT": "2500"}
    rows = [("controller", hv), ("padme_nim", hv), ("controller", led), ("c11204", led)]
    for number in range(1, 17):
        channel = hv | {"R": f"CH{number:02d}", "ADDR": str(number)}
        rows += [("sipm_channel", channel), ("padme_nim_channel", channel)]
    rows.append(("sipm_channel", led | {"R": "CH01", "ADDR": "1"}))
    # A C11204-01 with the limits of a -02: its own range begins at 50 V.
    led1 = led | {"P": LED1, "PORT": "LED1", "NAME": "LED1", "RAMP": "2"}
    rows += [("controller", led1), ("c11204", led1), ("sipm_channel", led1 | {"R": "CH01", "ADDR": "1"})]
    return "\n".join(f"file {template}.template {{ {{ {assignments(macros)} }} }}" for template, macros in rows)


def assignments(macros: dict[str, str]) -> str:
    return ", ".join(f'{key}="{value}"' for key, value in macros.items())


class Plant:
    """Site, simulators, IOC and client."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        (folder / "var" / "rendered").mkdir(parents=True)
        (folder / "site.yaml").write_text(SITE.format(*ports))
        (folder / "var" / "rendered" / "all.substitutions").write_text(substitutions())
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("EPICS_")} | {
            "EPICS_CA_ADDR_LIST": "127.255.255.255",
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_SERVER_PORT": str(ports[0]),
            "EPICS_CA_REPEATER_PORT": str(ports[1]),
            "SIPMDCS_SITE": str(folder),
        }
        self.simulators = self.start_simulators()
        self.ioc = self.start_ioc()
        self.client = subprocess.Popen(
            [sys.executable, str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
        )

    def start_simulators(self) -> subprocess.Popen[str]:
        process = self._start("sim", "run", stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def start_ioc(self) -> subprocess.Popen[str]:
        with (self.folder / "ioc.log").open("a") as log:
            process = self._start("ioc", "all", stderr=log)
        ready = self.folder / "var" / "run" / "all.ready"
        wait_until(lambda: ready.is_file() and json.loads(ready.read_text() or "{}").get("pid") == process.pid, "IOC ready")
        return process

    def _start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        return subprocess.Popen([PROGRAM, *arguments], text=True, env=self.environment, **streams)

    def ask(self, **request: Any) -> Any:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(json.dumps(request) + "\n")
        self.client.stdin.flush()
        return json.loads(self.client.stdout.readline())

    def get(self, *names: str) -> list[Any]:
        return [value for value, _ in self.ask(get=names)]

    def severity(self, name: str) -> int:
        return self.ask(get=[name])[0][1]

    def put(self, values: dict[str, float]) -> None:
        assert self.ask(put=values) == [1] * len(values)

    def fault(self, *arguments: str) -> None:
        subprocess.run([PROGRAM, "sim", "fault", *arguments], check=True, env=self.environment, stdout=subprocess.DEVNULL)

    def wait(self, name: str, value: Any) -> None:
        wait_until(lambda: self.get(name) == [value], f"{name} is {value}")

    def close(self) -> None:
        for process in (self.ioc, self.simulators):
            process.terminate()
            process.communicate()
        self.client.communicate()


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[Plant]:
    running = Plant(tmp_path_factory.mktemp("site"), free_ports(2))
    try:
        yield running
    finally:
        running.close()


def test_both_controllers_are_found(plant: Plant) -> None:
    names = [f"{prefix}:{pv}" for prefix in (HV, LED) for pv in ("CONNECTED", "MODEL", "SERIAL", "COMM_ERRORS")]
    assert plant.get(*names) == [1, "PADME-NIM", "SIMHV01", 0, 1, "C11204-02", "SIMLED", 0]


def test_the_c11204_that_came_up_on_is_shown_as_it_is(plant: Plant) -> None:
    plant.wait(f"{LED}:CH01:STATE", 4)
    enable, bias, readback, vmon = plant.get(*(f"{LED}:CH01:{pv}" for pv in ("ENABLE", "BIAS", "BIAS_RBV", "VMON_RBV")))
    assert enable == 1
    assert bias == readback == pytest.approx(55, abs=0.01)
    assert vmon == pytest.approx(55, abs=0.2)


def test_bias_is_read_back_within_10_mv(plant: Plant) -> None:
    plant.put({f"{channel}:BIAS": volts for channel, volts in VOP.items()} | {f"{HV}:SLEW_RATE": 200})
    wait_until(
        lambda: all(
            abs(value - VOP[channel]) < 0.01
            for channel, value in zip(CHANNELS, plant.get(*(f"{channel}:BIAS_RBV" for channel in CHANNELS)), strict=True)
        ),
        "every BIAS_RBV within 10 mV",
    )


@pytest.mark.timeout(180)
def test_an_ioc_that_hardly_gets_a_processor_polls_less_often_says_so_and_loses_no_controller(plant: Plant) -> None:
    late = [f"{prefix}:POLL_LATE" for prefix in (HV, LED)]
    end = threading.Event()

    def starve() -> None:
        while not end.is_set():
            plant.ioc.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            plant.ioc.send_signal(signal.SIGCONT)
            time.sleep(0.1)

    starving = threading.Thread(target=starve)
    starving.start()
    try:
        wait_until(lambda: plant.get(*late) == [1, 1], "both are late")
        beats = plant.get(f"{HV}:HEARTBEAT")[0]
        wait_until(lambda: (plant.get(f"{HV}:HEARTBEAT")[0] or 0) > beats + 4, "more polls")
        assert plant.get(f"{HV}:CONNECTED", f"{LED}:CONNECTED") == [1, 1]
        assert plant.severity(f"{HV}:CH01:BIAS_RBV") < INVALID
    finally:
        end.set()
        starving.join()
    wait_until(lambda: plant.get(*late) == [0, 0], "both are in time again")


def test_a_setpoint_below_the_range_of_the_device_is_one_alarm_with_its_reason(plant: Plant) -> None:
    ch = f"{LED1}:CH01"
    plant.wait(f"{ch}:STATE", 4)  # it comes up on, at 55 V
    plant.ask(put={f"{ch}:BIAS": 45.0})
    assert plant.get(f"{ch}:BIAS.SEVR", f"{ch}:BIAS.STAT", f"{ch}:BIAS.AMSG") == [3, 2, "BIAS 45 V is below 50 V"]
    beats = plant.get(f"{LED1}:HEARTBEAT")[0]
    wait_until(lambda: plant.get(f"{LED1}:HEARTBEAT")[0] > beats + 5, "five more polls")
    assert plant.get(f"{LED1}:CONNECTED", f"{ch}:STATE", f"{LED1}:COMM_ERRORS") == [1, 4, 0]
    assert plant.severity(f"{ch}:BIAS_RBV") == 0
    plant.ask(put={f"{ch}:ENABLE": 1, f"{ch}:BIAS.HIHI": 90.0})
    assert plant.severity(f"{ch}:BIAS") == INVALID, "only a setpoint that the device takes ends that"
    plant.put({f"{ch}:BIAS": 54.0})
    assert plant.get(f"{ch}:BIAS.SEVR") == [0]


def test_all_on(plant: Plant) -> None:
    plant.put({f"{HV}:ALL_ON": 1})
    plant.wait(f"{HV}:STATE", 4)
    levels = plant.get(*(f"{channel}:VMON_RBV" for channel in CHANNELS))
    assert levels == pytest.approx(list(VOP.values()), abs=0.1)
    assert plant.get(f"{HV}:N_ON", f"{HV}:HV_ON", f"{CHANNELS[0]}:ENABLE") == [16, 1, 1]
    assert plant.get(f"{HV}:VMON_RBV_WF")[0] == pytest.approx(list(VOP.values()), abs=0.1)
    assert all(0.05 < current < 0.2 for current in plant.get(*(f"{channel}:CURRENT_RBV" for channel in CHANNELS)))


def test_a_card_that_refuses_is_one_alarm_with_its_reason_and_the_others_do_not_notice(plant: Plant) -> None:
    refusing, others = CHANNELS[5], [channel for channel in CHANNELS if channel != CHANNELS[5]]
    plant.fault("HV01", "6", "refuse", "1")
    plant.ask(put={f"{channel}:BIAS": VOP[channel] - 1 for channel in CHANNELS})
    wait_until(lambda: plant.severity(f"{refusing}:BIAS") == INVALID, "the refusal shows")
    assert plant.get(*(f"{refusing}:BIAS.{field}" for field in ("SEVR", "STAT", "AMSG"))) == [
        INVALID,
        2,
        "DACLTC2609: ERR - card 6 refuses",
    ]
    wait_until(
        lambda: (
            plant.get(*(f"{channel}:BIAS_RBV" for channel in others))
            == pytest.approx([VOP[channel] - 1 for channel in others], abs=0.01)
        ),
        "the others have their voltages",
    )
    plant.put({f"{refusing}:ENABLE": 0})  # begins with a ramp, whose steps are refused
    wait_until(lambda: plant.severity(f"{refusing}:ENABLE") == INVALID, "switching off is refused")
    beats = plant.get(f"{HV}:HEARTBEAT")[0]
    wait_until(lambda: plant.get(f"{HV}:HEARTBEAT")[0] > beats + 5, "five more polls")
    assert plant.get(f"{refusing}:ENABLE_RBV", f"{HV}:CONNECTED") == [1, 1]
    assert plant.get(f"{refusing}:BIAS_RBV")[0] == pytest.approx(VOP[refusing], abs=0.01)
    assert "refuses" not in plant.get(f"{HV}:LAST_ERROR")[0]
    assert {
        plant.severity(f"{channel}:{pv}") for channel in others for pv in ("BIAS", "ENABLE", "BIAS_RBV", "VMON_RBV", "STATE")
    } == {0}
    assert plant.get(*(f"{channel}:STATE" for channel in others)) == [4] * 15
    plant.fault("HV01", "6", "refuse", "0")
    plant.wait(f"{refusing}:ENABLE_RBV", 0)  # what cannot be switched off is asked again at each poll
    plant.put({f"{channel}:BIAS": volts for channel, volts in VOP.items()} | {f"{refusing}:ENABLE": 1})
    plant.wait(f"{HV}:N_ON", 16)
    plant.wait(f"{HV}:STATE", 4)
    assert plant.severity(f"{refusing}:BIAS") == plant.severity(f"{refusing}:ENABLE") == 0


def test_a_c11204_that_refuses_is_polled_as_ever(plant: Plant) -> None:
    ch = f"{LED}:CH01"
    (before,) = plant.get(f"{ch}:BIAS")
    plant.fault("LED", "1", "refuse", "1")
    plant.put({f"{ch}:BIAS": before - 1})  # begins with a ramp, whose first step is refused
    wait_until(lambda: plant.severity(f"{ch}:BIAS") == INVALID, "the refusal shows")
    assert plant.get(f"{ch}:BIAS.SEVR", f"{ch}:BIAS.STAT", f"{ch}:BIAS.AMSG") == [INVALID, 2, "HBV: error 0005 unknown command"]
    beats = plant.get(f"{LED}:HEARTBEAT")[0]
    wait_until(lambda: plant.get(f"{LED}:HEARTBEAT")[0] > beats + 5, "five more polls")
    assert plant.get(f"{LED}:CONNECTED", f"{ch}:STATE") == [1, 4]
    assert "unknown command" not in plant.get(f"{LED}:LAST_ERROR")[0]
    plant.fault("LED", "1", "refuse", "0")
    plant.put({f"{ch}:BIAS": before})
    assert plant.severity(f"{ch}:BIAS") == 0


def test_over_current_trips_and_stays_off(plant: Plant) -> None:
    channel = CHANNELS[4]
    plant.fault("HV01", "5", "extra-current", "100")
    plant.wait(f"{channel}:STATE", 6)
    assert plant.get(f"{channel}:TRIP_CAUSE", f"{channel}:ENABLE", f"{HV}:N_TRIPPED") == [1, 0, 1]
    assert plant.severity(f"{channel}:TRIP") == MAJOR
    plant.fault("HV01", "5", "extra-current", "0")
    plant.wait(f"{channel}:ENABLE_RBV", 0)
    plant.put({f"{channel}:TRIP_RESET": 1})
    plant.wait(f"{channel}:STATE", 1)
    plant.wait(f"{HV}:N_ON", 15)


def test_garbage_is_counted_and_shown(plant: Plant) -> None:
    (before,) = plant.get(f"{LED}:COMM_ERRORS")
    plant.fault("LED", "extra-bytes", "1")
    wait_until(lambda: plant.get(f"{LED}:COMM_ERRORS") == [before + 1], "garbage is counted")
    assert plant.get(f"{LED}:LAST_ERROR", f"{LED}:CONNECTED") == ["7 bytes of garbage skipped", 1]


def test_unplugged_wire_makes_readbacks_invalid_and_comes_back(plant: Plant) -> None:
    name = f"{LED}:CH01:VMON_RBV"
    plant.fault("LED", "unplug", "1")
    plant.wait(f"{LED}:CONNECTED", 0)
    assert plant.get(f"{LED}:STATE", f"{LED}:CH01:STATE") == [0, 0]
    assert plant.severity(name) == INVALID
    assert plant.severity(f"{LED}:CONNECTED") == MAJOR
    assert plant.severity(f"{HV}:CH01:VMON_RBV") == 0
    plant.fault("LED", "unplug", "0")
    plant.wait(f"{LED}:CONNECTED", 1)
    assert plant.severity(name) == 0


def test_restarted_ioc_finds_every_set_point_and_touches_nothing(plant: Plant) -> None:
    names = [f"{channel}:{pv}" for channel in CHANNELS for pv in ("BIAS", "ENABLE", "CURRENT_LIMIT", "RAMP_UP")]
    before = plant.get(*names)
    (held,) = plant.get(f"{LED1}:CH01:BIAS_RBV")
    plant.ask(put={f"{LED1}:CH01:BIAS": 45.0})
    assert plant.severity(f"{LED1}:CH01:BIAS") == INVALID, "refused"
    plant.ioc.terminate()
    assert plant.ioc.wait(10) == 0
    plant.ioc = plant.start_ioc()
    plant.wait(f"{HV}:N_ON", 15)
    assert plant.get(*names) == before
    assert plant.get(f"{CHANNELS[0]}:STATE", f"{CHANNELS[4]}:STATE", f"{CHANNELS[4]}:ENABLE") == [4, 1, 0]
    assert plant.get(f"{CHANNELS[0]}:BIAS_RBV")[0] == pytest.approx(VOP[CHANNELS[0]], abs=0.01)
    plant.wait(f"{LED1}:CONNECTED", 1)
    assert plant.get(f"{LED1}:CH01:BIAS", f"{LED1}:CH01:BIAS.SEVR") == [pytest.approx(held, abs=0.01), 0]


def test_restarted_simulators_are_found_at_their_new_place(plant: Plant) -> None:
    plant.simulators.terminate()
    plant.simulators.communicate(timeout=10)
    assert plant.simulators.returncode == 0
    plant.wait(f"{HV}:CONNECTED", 0)
    plant.simulators = plant.start_simulators()
    plant.wait(f"{HV}:CONNECTED", 1)
    plant.wait(f"{LED}:CONNECTED", 1)
    # The new module is off, and nobody told it to be.
    plant.wait(f"{HV}:N_TRIPPED", 15)
    assert plant.get(f"{CHANNELS[0]}:TRIP_CAUSE", f"{CHANNELS[4]}:TRIP") == [5, 0]


def test_a_second_process_of_an_ioc_is_refused(plant: Plant) -> None:
    done = subprocess.run([PROGRAM, "ioc", "all"], env=plant.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Error: IOC all runs already, as process {plant.ioc.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_service_pvs_of_the_ioc(plant: Plant) -> None:
    heartbeat, uptime = plant.get("DET:SYS:ALL:HEARTBEAT", "DET:SYS:ALL:UPTIME")
    assert heartbeat >= 0
    assert uptime >= 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("ioc",), 2, "expected either NAME of an IOC or --db FILE"),
        (("ioc", "nonesuch"), 1, "no IOC nonesuch, the site has all"),
        (("ioc", "--db", "x.db", "-m", "P"), 1, "macro 'P' is not of the form NAME=VALUE"),
    ],
)
def test_wrong_use(plant: Plant, arguments: tuple[str, ...], status: int, message: str) -> None:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=plant.environment, check=False)
    assert done.returncode == status
    assert message in done.stderr
