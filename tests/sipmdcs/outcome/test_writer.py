"""Writing through the public fake, with a device behind it that polls, ramps, clamps, refuses and falls silent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import db_templates
from sipmdcs.channels import PvData
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.channelstate import ChannelState
from sipmdcs.clock import ManualClock
from sipmdcs.errors import DeviceError, DeviceRefused, WireError
from sipmdcs.outcome import Outcome, Readback, Result, SetpointWriter, readback_of
from sipmdcs.severity import Severity, Status

HV = "DET:VETO:HV01"
CH = f"{HV}:CH01"


class Bench:
    """One channel at 50 V that is polled once a second and ramps at 1 V/s."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pvs = FakeChannels(self.clock)
        volts = {"units": "V", "precision": 3}
        self.pvs.add(f"{CH}:BIAS", 50.0, control=(0.0, 80.0), **volts)
        self.pvs.add(f"{CH}:BIAS_RBV", 50.0, **volts)
        self.pvs.add(f"{CH}:ENABLE", 1, labels=("Off", "On"))
        self.pvs.add(f"{CH}:ENABLE_RBV", 1, labels=("Off", "On"))
        self.pvs.add(f"{CH}:STATE", int(ChannelState.ON), labels=tuple(state.name for state in ChannelState))
        self.pvs.add(f"{CH}:CURRENT_LIMIT", 50.0, units="uA", precision=3, control=(0.0, 10_000.0))
        self.pvs.add(f"{CH}:TRIP_RESET", 0, labels=("Idle", "Reset"))
        self.pvs.add(f"{CH}:TRIP", 1, labels=("OK", "Tripped"))
        for ramp in ("RAMP_UP", "RAMP_DOWN"):
            self.pvs.add(f"{CH}:{ramp}", 1.0)
        self.pvs.add(f"{HV}:POLL_PERIOD_RBV", 1.0)
        self.polling = True
        self.target = self.held = 50.0
        self.max_V = 80.0
        self.on = True
        self.tripped = True
        self._next_poll = 0.0
        self.pvs.on_put(f"{CH}:BIAS", self._take_bias)
        self.pvs.on_put(f"{CH}:ENABLE", self._switch)
        self.pvs.on_put(f"{CH}:TRIP_RESET", self._reset)
        self.writer = SetpointWriter(self.pvs, self.clock, self.pause)

    def _take_bias(self, volts: PvData) -> None:
        assert isinstance(volts, float)
        self.target = min(volts, self.max_V)

    def _switch(self, on: PvData) -> None:
        self.on = bool(on)

    def _reset(self, _go: PvData) -> None:
        self.tripped = False
        self.pvs.set(f"{CH}:TRIP_RESET", 0)

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.clock.monotonic() >= self._next_poll and self.polling:
            self._next_poll = self.clock.monotonic() + 1
            self.poll()

    def poll(self) -> None:
        step = max(-1.0, min(1.0, self.target - self.held))
        self.held += step
        self.pvs.set(f"{CH}:BIAS_RBV", self.held)
        self.pvs.set(f"{CH}:ENABLE_RBV", int(self.on))
        self.pvs.set(f"{CH}:TRIP", int(self.tripped))

    def write(self, suffix: str, value: PvData) -> Outcome:
        return self.writer.write({f"{CH}:{suffix}": value})[f"{CH}:{suffix}"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_ramp_is_waited_for_as_long_as_its_speed_says(bench: Bench) -> None:
    outcome = bench.write("BIAS", 75.5)
    assert (outcome.result, outcome.held, outcome.checked) == (Result.DONE, 75.5, f"{CH}:BIAS_RBV")
    assert bench.clock.monotonic() == pytest.approx(26, abs=1.5)


def test_a_device_that_clamps_silently_is_clamped_to_what_it_holds(bench: Bench) -> None:
    bench.max_V = 55.0
    outcome = bench.write("BIAS", 60.0)
    assert outcome.text == f"clamped to 55.000 V: {CH}:BIAS_RBV holds it instead of 60.000 V"


def test_a_device_that_ignores_a_write_is_found_out(bench: Bench) -> None:
    bench.pvs.on_put(f"{CH}:ENABLE", None)
    outcome = bench.write("ENABLE", 0)
    assert outcome.result is Result.CLAMPED
    assert outcome.text == f"clamped to On: {CH}:ENABLE_RBV holds it instead of Off"


def test_the_limits_of_the_record_clamp(bench: Bench) -> None:
    assert bench.write("BIAS", 90.0).text == "clamped to 80.000 V: limits are 0.000 V to 80.000 V"
    outcome = bench.write("CURRENT_LIMIT", 20_000.0)
    assert (outcome.result, outcome.held, outcome.checked) == (Result.CLAMPED, 10_000.0, "")


@pytest.mark.parametrize(
    ("error", "result", "text"),
    [
        (DeviceRefused("overvoltage 22.60 V, limit is 6 V"), Result.REFUSED, "refused: overvoltage 22.60 V, limit is 6 V"),
        (WireError("no reply"), Result.UNKNOWN, "unknown: no reply (since 00:00:00 UTC)"),
    ],
)
def test_a_device_that_says_no_is_not_one_that_says_nothing(
    bench: Bench, error: DeviceError, result: Result, text: str
) -> None:
    def fail(_value: PvData) -> None:
        raise error

    bench.pvs.on_put(f"{CH}:BIAS", fail)
    outcome = bench.write("BIAS", 75.1)
    assert (outcome.result, outcome.text) == (result, text)


def test_a_put_that_never_reached_the_record_has_its_own_reason(bench: Bench) -> None:
    """Not the one of an earlier refusal that the record still shows."""
    bench.pvs.set(f"{CH}:BIAS", severity=Severity.INVALID, status=Status.WRITE, message="an older reason")
    bench.pvs.refuse(f"{CH}:BIAS", "no write access")
    assert bench.write("BIAS", 51.0).text == "refused: no write access"


def test_a_put_that_the_server_did_not_carry_out_has_no_reason_of_an_earlier_one(bench: Bench) -> None:
    """The record still shows why the device refused the last one, or that it did not answer."""
    for status in (Status.WRITE, Status.COMM):
        bench.pvs.set(f"{CH}:BIAS", severity=Severity.INVALID, status=status, message="an older reason")
        bench.pvs.take_no_puts(f"{CH}:BIAS")
        assert bench.write("BIAS", 51.0).text == "refused: refused 51.0"


def test_a_refusal_after_completion_is_one(bench: Bench) -> None:
    """A later step of the ramp is refused: the IOC shows it on the setpoint."""
    poll = bench.poll

    def refuse() -> None:
        poll()
        if bench.held >= 53:
            bench.target = bench.held
            alarm = {"severity": Severity.INVALID, "status": Status.WRITE, "message": "53.5 V is above 53 V"}
            bench.pvs.set(f"{CH}:BIAS", **alarm)

    bench.poll = refuse
    assert bench.write("BIAS", 60.0).text == "refused: 53.5 V is above 53 V"


def test_what_has_no_readback_says_so(bench: Bench) -> None:
    outcome = bench.write("CURRENT_LIMIT", 20.0)
    assert (outcome.result, outcome.checked, outcome.text) == (Result.DONE, "", "done; it has no readback")


def test_a_momentary_command_is_judged_by_what_it_does(bench: Bench) -> None:
    assert bench.write("TRIP_RESET", 1).result is Result.DONE
    bench.tripped = True
    bench.pvs.on_put(f"{CH}:TRIP_RESET", lambda _: bench.pvs.set(f"{CH}:TRIP_RESET", 0))
    assert bench.write("TRIP_RESET", 1).result is Result.CLAMPED


def test_what_nobody_can_tell_is_unknown(bench: Bench) -> None:
    bench.polling = False
    stale = bench.write("BIAS", 50.0)  # what the readback shows already, from before
    assert "was not updated since the write" in stale.text
    bench.pvs.delay(f"{CH}:BIAS", 60)
    assert bench.write("BIAS", 50.0).result is Result.UNKNOWN
    bench.pvs.delay(f"{CH}:BIAS", 0)
    bench.pvs.set(f"{CH}:BIAS_RBV", severity=Severity.INVALID, status=Status.COMM)
    assert "is INVALID (COMM)" in bench.write("BIAS", 51.0).text
    bench.pvs.disconnect(f"{CH}:BIAS_RBV")
    assert "BIAS_RBV: connection lost" in bench.write("BIAS", 51.0).text
    assert bench.target == 51.0, "a readback that is away keeps nobody from writing"
    bench.pvs.disconnect(f"{CH}:BIAS")
    assert bench.write("BIAS", 51.0).result is Result.UNKNOWN


@pytest.mark.parametrize("status", [Status.NO_ALARM, Status.WRITE, Status.COMM])
def test_a_write_that_another_one_follows_does_not_get_its_outcome(bench: Bench, status: Status) -> None:
    severity = Severity.INVALID if status else Severity.NO_ALARM
    poll = bench.poll

    def follow() -> None:
        poll()
        if bench.held > 51.0:
            bench.pvs.set(f"{CH}:BIAS", 42.0, severity=severity, status=status, message="42 V is below 50 V")

    bench.poll = follow
    outcome = bench.write("BIAS", 55.0)
    assert outcome.text.startswith("unknown: the setpoint was changed to 42.000 V after this write (since ")


def test_of_two_refused_puts_at_once_each_has_its_own_reason_or_none(bench: Bench) -> None:
    def refuse(_value: PvData) -> None:
        bench.pvs.set(f"{CH}:BIAS", 76.0)  # of another client, before this one looks
        raise DeviceRefused("overvoltage 23.50 V, limit is 6 V")

    bench.pvs.on_put(f"{CH}:BIAS", refuse)
    assert bench.write("BIAS", 76.0).text == "refused: overvoltage 23.50 V, limit is 6 V"
    assert bench.write("BIAS", 75.1).text == "refused: refused 75.1"


def test_a_readback_of_another_name_can_be_given(bench: Bench) -> None:
    bench.pvs.add("X:SP", 1.0, precision=1)
    bench.pvs.add("X:ACT", 1.0, precision=1)

    def act(value: PvData) -> None:
        bench.clock.advance(0.1)
        bench.pvs.set("X:ACT", value)

    bench.pvs.on_put("X:SP", act)
    outcomes = bench.writer.write({"X:SP": 2.0}, readbacks={"X:SP": Readback("X:ACT")})
    assert outcomes["X:SP"].checked == "X:ACT"


def test_labels_and_texts_are_understood(bench: Bench) -> None:
    assert bench.write("ENABLE", "Off").result is Result.DONE
    assert bench.write("BIAS", "51.5").held == 51.5


async def test_event_loops_submit_and_are_told(bench: Bench) -> None:
    decided: asyncio.Queue[Outcome] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    future = bench.writer.submit({f"{CH}:BIAS": 52.0}, lambda outcome: loop.call_soon_threadsafe(decided.put_nowait, outcome))
    assert (await asyncio.wait_for(decided.get(), 30)).result is Result.DONE
    assert (await asyncio.wrap_future(future))[f"{CH}:BIAS"].result is Result.DONE


def test_a_closed_writer_ends_what_it_watches(bench: Bench) -> None:
    bench.polling = False
    bench.writer.close()
    assert bench.write("BIAS", 60.0).text.startswith("unknown: nobody waited for the readback")


def test_every_readback_of_the_templates_is_known() -> None:
    found = 0
    for path in Path(db_templates.__file__).parent.glob("*.template"):
        records = [line.split('"')[1] for line in path.read_text().splitlines() if line.startswith("record(")]
        suffixes = {name.rpartition(":")[2] for name in records}
        for suffix in suffixes & {name.removesuffix("_RBV") for name in suffixes if name.endswith("_RBV")}:
            assert readback_of(f"{CH}:{suffix}").pv == f"{CH}:{suffix}_RBV"
            found += 1
    assert found >= 3
