"""What a process that cannot keep up does: poll less often, say so, and blame no device."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.controller_health import MAX_EXCUSED, Health
from iocs.controller_pace import MAX_FACTOR, MAX_PERIOD_S, Pace, polled
from iocs.drivers import c11204_link, padme_nim_link
from iocs.drivers.c11204_codec import Command, encode_request
from iocs.drivers.c11204_frame import encode_frame
from iocs.loop_lag import LATE_S, LoopLag
from sipmdcs.clock import ManualClock
from sipmdcs.errors import WireError
from sipmdcs.severity import Severity, Status
from tests.iocs.controller.conftest import GOOD, Stand

PERIODS = st.floats(0.1, 60)


@given(PERIODS, st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=40))
def test_the_period_in_force_is_bounded(wanted_s: float, polls: list[tuple[float, float]]) -> None:
    pace = Pace(wanted_s)
    for late_s, busy_s in polls:
        pace = polled(pace, wanted_s, late_s, busy_s)
        assert wanted_s <= pace.period_s <= max(wanted_s, min(wanted_s * MAX_FACTOR, MAX_PERIOD_S))
        assert pace.is_late is (pace.period_s > wanted_s)


@given(PERIODS, st.floats(1.01, 9))
def test_a_load_that_is_too_much_slows_down_until_it_fits(wanted_s: float, load: float) -> None:
    pace = Pace(wanted_s)
    for _ in range(20):
        pace = polled(pace, wanted_s, 0.0, load * wanted_s)
    assert pace.period_s >= min(load * wanted_s, MAX_PERIOD_S)
    steady = polled(pace, wanted_s, 0.0, load * wanted_s)
    for _ in range(20):
        steady = polled(steady, wanted_s, 0.0, load * wanted_s)
    assert steady.period_s == pace.period_s or wanted_s * load > MAX_PERIOD_S, "no swinging under a steady load"
    for _ in range(40):
        pace = polled(pace, wanted_s, 0.0, 0.01 * wanted_s)
    assert pace.period_s == wanted_s


def test_an_event_loop_that_is_late_counts_as_load_and_its_jitter_does_not() -> None:
    assert polled(Pace(1.0), 1.0, 2.0, 0.1).is_late
    assert not polled(Pace(0.1), 0.1, 0.06, 0.02).is_late
    assert polled(Pace(1.0, 4.0), 0.5, 0.0, 0.1) == Pace(0.5), "a new period is tried at once"


async def test_an_overloaded_poll_is_said(stand: Stand) -> None:
    """Polls that take three periods: the loop is run by hand, its clock with it."""
    await stand.poll()
    assert (stand.get("POLL_PERIOD_RBV"), stand.get("POLL_LATE")) == (1.0, 0)
    stand.controller._pace = Pace(1.0, 3.0)
    await stand.poll()
    assert (stand.get("POLL_PERIOD_RBV"), stand.get("POLL_LATE"), stand.get("CONNECTED")) == (3.0, 1, 1)


def test_time_outs_of_a_process_that_was_held_up_are_not_missed_polls() -> None:
    health = Health("HV01")
    for _ in range(MAX_EXCUSED):
        health.miss("no reply", held_up=True)
    assert (health.missed, health.errors, health.lost) == (0, MAX_EXCUSED, False)
    for _ in range(3):
        health.miss("no reply", held_up=True)
    assert health.lost, "a device that is gone is noticed in the end"
    health.answered()
    health.miss("no reply", held_up=True)
    assert health.missed == 0


async def test_a_held_up_process_loses_no_controller_and_a_silent_device_is_lost(stand: Stand) -> None:
    await stand.poll()
    stand.driver.fault = WireError("no reply")
    stand.controller._lag.was_late_since = lambda moment: True  # type: ignore[method-assign]
    await stand.poll(5)
    assert (stand.get("CONNECTED"), stand.alarm("CH01:VMON_RBV")) == (1, GOOD)
    stand.controller._lag.was_late_since = lambda moment: False  # type: ignore[method-assign]
    await stand.poll(3)
    assert (stand.get("CONNECTED"), stand.alarm("CH01:VMON_RBV")) == (0, (Severity.INVALID, Status.COMM))


def test_an_overdue_tick_is_a_late_one() -> None:
    clock = ManualClock()
    lag = LoopLag(clock)
    assert not lag.was_late_since(0.0), "before it runs nothing is late"
    lag._due = 0.25
    clock.advance(0.25 + LATE_S)
    assert not lag.was_late_since(0.0)
    clock.advance(0.01)
    assert lag.was_late_since(clock.monotonic())
    assert not lag.was_late_since(clock.monotonic() + 1)


def test_a_process_that_was_stopped_knows() -> None:
    """A real process, stopped for a while: its own deadlines have run out, its device is well."""
    code = (
        "import asyncio\n"
        "from iocs.loop_lag import LoopLag\n"
        "from sipmdcs.clock import SystemClock\n"
        "async def main():\n"
        "    clock = SystemClock(); lag = LoopLag(clock); task = asyncio.create_task(lag.run())\n"
        "    await asyncio.sleep(0.6)\n"
        "    began = clock.monotonic()\n"
        "    print('ready', flush=True)\n"
        "    while not lag.was_late_since(began): await asyncio.sleep(0.05)\n"
        "    print('late', flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == "late\n"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("wire", ["c11204", "padme-nim"])
def test_a_reply_that_came_in_time_is_taken_however_late_this_process_looks(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += 10.0  # held up between any two steps
        time.sleep(0.05)  # the device answers meanwhile
        return now

    with device(wire) as endpoint:
        module = c11204_link if wire == "c11204" else padme_nim_link
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
        if wire == "c11204":
            line = c11204_link.SerialLine({"telnet": endpoint})
            assert line.ask(Command.ON, encode_request(Command.ON)) == "hon"
            line.close()
        else:
            console = padme_nim_link.Console({"telnet": endpoint})
            assert console.command("SHOW") == "well"
            console.close()


@contextmanager
def device(wire: str) -> Iterator[str]:
    """One on a socket that answers each request at once."""
    reply = encode_frame("hon") if wire == "c11204" else b"well\r\nAPD1768> "

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            if wire == "padme-nim":
                connection.sendall(b"APD1768> ")
            while connection.recv(4096):
                connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    thread.join(10)
