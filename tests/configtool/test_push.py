"""Whole pushes: real SQL of both kinds, a detector in memory, faults on both sides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, select
from sqlalchemy.orm import Session

from configtool import pushrun
from configtool.push import FORCED, Outcome, carry_out
from configtool.pushlock import Client, LockLost, this_client
from configtool.pushplan import PushState
from configtool.pushrecord import PushRecord, Request
from configtool.pushrun import StopRequest
from configtool.tables import Push, PushItem, PushLock
from configtool.targets import Target
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock, to_datetime
from sipmdcs.errors import ServiceError
from sipmdcs.severity import Severity, Status
from sipmdcs.spool import Spool

MakeDetector = Callable[..., FakeChannels]


class Quiet:
    """A watcher that runs something when a step begins."""

    def __init__(self) -> None:
        self.at: dict[str, Callable[[], None]] = {}
        self.steps: list[str] = []
        self.totals: list[int] = []
        self.done: list[int] = []

    def step(self, text: str, total: int) -> None:
        self.steps.append(text)
        self.totals.append(total)
        self.done.append(0)
        for name, action in self.at.items():
            if text.startswith(name):
                action()

    def advance(self, done: int) -> None:
        assert self.done[-1] <= done <= self.totals[-1]
        self.done[-1] = done


class Bench:
    """A database with one controller imported, and a detector for it."""

    def __init__(self, engine: Engine, targets: tuple[Target, ...], channels: FakeChannels, journal: Spool) -> None:
        self.engine = engine
        self.targets = targets
        self.channels = channels
        self.clock = ManualClock()
        self.watcher = Quiet()
        self.stop = StopRequest()
        self.journal = journal
        self.polled: list[str] = []
        """Readbacks that are updated while the push waits, without a new value."""

    def record(self, client: Client | None = None) -> PushRecord:
        return PushRecord(self.engine, self.request(client), self.clock, self.journal)

    def request(self, client: Client | None = None) -> Request:
        return Request(1, (), "me", "test", client or this_client())

    def push(self) -> Outcome:
        return carry_out(
            self.engine,
            self.request(),
            self.targets,
            self.channels,
            watcher=self.watcher,
            clock=self.clock,
            stop=self.stop,
            journal=self.journal,
        )

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for pv in self.polled:
            self.channels.set(pv)

    def stick(self, ending: str) -> None:
        """Let a device ignore what is written, and be read out all the same."""
        self.channels.on_put(self.pv(ending), None)
        self.polled.append(f"{self.pv(ending)}_RBV")

    def values(self) -> dict[str, Any]:
        return {pv: self.channels.value(pv) for target in self.targets for pv in target.pvs}

    def rows(self) -> list[Push]:
        with Session(self.engine) as session:
            return list(session.scalars(select(Push).order_by(Push.id)))

    def items(self, status: str) -> list[str]:
        with Session(self.engine) as session:
            return sorted(session.scalars(select(PushItem.pv).where(PushItem.status == status)))

    def locked(self) -> bool:
        with Session(self.engine) as session:
            return session.scalars(select(PushLock)).first() is not None

    def pv(self, ending: str) -> str:
        return next(pv for target in self.targets for pv in target.pvs if pv.endswith(ending))


@pytest.fixture
def bench(
    engine: Engine,
    load: Any,
    table: Callable[..., Path],
    rows_of: Callable[..., list[str]],
    head_targets: Callable[[Engine], tuple[Target, ...]],
    make_detector: MakeDetector,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Bench:
    load(engine, table(*rows_of("17", overvoltage=3.0)))
    targets = head_targets(engine)
    out = Bench(engine, targets, make_detector(targets), Spool(tmp_path / "journal"))
    # Waiting moves the clock of the test and takes no time.
    runner = pushrun.PushRunner
    monkeypatch.setattr("configtool.push.PushRunner", lambda *args: runner(*args, pause=out.pause))
    return out


def test_a_good_push(bench: Bench) -> None:
    outcome = bench.push()
    assert (outcome.state, outcome.reason, outcome.push) == (PushState.VERIFIED, "", 1)
    assert bench.rows()[0].ended_at == to_datetime(bench.clock.time_ns())
    assert not bench.journal.folder.exists(), "the database took everything"
    assert len(bench.targets) == 16 * 3
    assert bench.values() == {pv: target.value for target in bench.targets for pv in target.pvs}
    assert {round(target.value, 3) for target in bench.targets if target.parameter == "BIAS"} == {
        53 + n / 100 for n in range(1, 17)
    }
    assert bench.items("verified") == sorted(target.pv for target in bench.targets)
    assert not bench.locked()
    names = [pv for pv, _ in bench.channels.puts]
    first_bias = min(index for index, pv in enumerate(names) if pv.endswith(":BIAS"))
    assert not any(pv.endswith((":VBR", ":CURRENT_LIMIT")) for pv in names[first_bias:])
    assert bench.watcher.steps == [
        "reading",
        "writing, phase 1",
        "verifying",
        "writing, phase 2",
        "verifying",
        "verifying",
    ]
    assert bench.watcher.done == bench.watcher.totals == [48, 32, 32, 16, 16, 48]


def test_a_second_push_writes_nothing_and_verifies_all(bench: Bench) -> None:
    bench.push()
    bench.channels.puts.clear()
    outcome = bench.push()
    assert (outcome.state, outcome.survey.plan.write_count, bench.channels.puts) == (PushState.VERIFIED, 0, [])
    with Session(bench.engine) as session:
        second = session.scalars(select(PushItem).where(PushItem.push_id == 2)).all()
    assert {item.status for item in second} == {"verified"}
    assert all(item.checked_at is not None and item.written_at is None for item in second)


def test_a_device_that_lost_its_setting_is_written_although_the_set_point_is_right(bench: Bench) -> None:
    bench.push()
    bench.channels.puts.clear()
    bench.channels.set(bench.pv("CH05:BIAS_RBV"), 0.0)
    assert bench.push().state is PushState.VERIFIED
    assert [pv for pv, _ in bench.channels.puts] == [bench.pv("CH05:BIAS")]


def test_a_slow_ramp_is_waited_for(bench: Bench) -> None:
    pv, readback = bench.pv("CH05:BIAS"), bench.pv("CH05:BIAS_RBV")
    started: list[float] = []
    bench.channels.on_put(pv, lambda value: started.append(bench.clock.monotonic()))
    advance = bench.clock.advance

    def tick(seconds: float) -> None:
        advance(seconds)
        if started:
            bench.channels.set(readback, min(53.05, 1.0 + 0.25 * (bench.clock.monotonic() - started[0])))

    bench.clock.advance = tick  # type: ignore[method-assign]
    assert bench.push().state is PushState.VERIFIED
    assert bench.clock.monotonic() > 200


def test_a_push_that_is_refused_says_every_reason_and_writes_nothing(bench: Bench) -> None:
    bench.channels.disconnect(bench.pv("CH01:BIAS"))
    bench.channels.refuse(bench.pv("CH02:VBR"))
    bench.channels.set(bench.pv("CH03:BIAS_RBV"), severity=Severity.INVALID, status=Status.COMM)
    outcome = bench.push()
    assert outcome.state is PushState.ABORTED
    assert len(outcome.survey.refusals) == 3
    assert bench.channels.puts == []
    (row,) = bench.rows()
    assert row.reason.startswith("refused: ")
    assert row.reason.endswith(" (and 2 more)")
    assert not bench.locked()


@pytest.mark.parametrize(("count", "rest"), [(1, ""), (2, " (and 1 more)")])
def test_the_first_refusal_is_the_reason_and_the_others_are_counted(bench: Bench, count: int, rest: str) -> None:
    for number in range(1, count + 1):
        bench.channels.refuse(bench.pv(f"CH{number:02d}:VBR"))
    outcome = bench.push()
    assert outcome.reason == f"refused: {outcome.survey.refusals[0]}{rest}"
    assert (len(outcome.survey.refusals), outcome.unrestored, outcome.unrecorded) == (count, {}, "")


def test_a_put_that_was_not_carried_out_is_not_blamed_on_an_alarm_of_before(bench: Bench) -> None:
    pv = bench.pv("CH07:BIAS")
    bench.channels.set(pv, severity=Severity.INVALID, status=Status.WRITE, message="of yesterday")
    bench.channels.take_no_puts(pv)
    outcome = bench.push()
    assert outcome.state is PushState.ROLLED_BACK
    assert "of yesterday" not in outcome.reason


def test_channel_access_that_fails_is_rolled_back_once_and_told_then(bench: Bench) -> None:
    put, texts = bench.channels.put, ["no network", "still no network"]

    def fail(*args: Any, **options: Any) -> Any:
        if bench.watcher.steps[-1] in ("writing, phase 2", "restoring, phase 1"):
            raise ServiceError(texts.pop(0))
        return put(*args, **options)

    bench.channels.put = fail
    with pytest.raises(ServiceError, match=r"^still no network$"):
        bench.push()
    assert bench.watcher.steps[-1] == "restoring, phase 1"


def test_a_stuck_readback_rolls_everything_back(bench: Bench) -> None:
    before = bench.values()
    bench.stick("CH07:BIAS")
    outcome = bench.push()
    assert outcome.state is PushState.ROLLED_BACK
    pv = bench.pv("CH07:BIAS")
    assert outcome.reason == f"{pv}: clamped to 1.00 V: {pv}_RBV holds it instead of 53.07 V"
    assert bench.values() == before
    assert bench.items("rolled back") == sorted(target.pv for target in bench.targets)
    names = [pv for pv, _ in bench.channels.puts]
    back = names[len(bench.targets) :]
    assert all(pv.endswith(":BIAS") for pv in back[:16])
    assert not any(pv.endswith(":BIAS") for pv in back[16:])


def test_a_readback_that_is_not_updated_proves_nothing(bench: Bench) -> None:
    """It agrees, from before the put: the poll of its controller hangs."""
    pv = bench.pv("CH07:BIAS")
    bench.channels.set(f"{pv}_RBV", 53.07)
    bench.channels.on_put(pv, None)
    outcome = bench.push()
    assert outcome.state is PushState.ROLLBACK_FAILED
    assert outcome.reason.startswith(f"{pv}: unknown: {pv}_RBV was not updated since the write (since ")
    assert list(outcome.unrestored) == [pv], "nor does it prove that the value is what it was"
    assert bench.clock.monotonic() < 60


def test_a_readback_with_the_time_stamp_of_before_proves_nothing_whatever_the_clock_of_the_server_says(bench: Bench) -> None:
    pv = bench.pv("CH07:BIAS")
    bench.channels.set(f"{pv}_RBV", 53.07, time_ns=2**62)
    bench.channels.on_put(pv, None)
    outcome = bench.push()
    assert (outcome.state, list(outcome.unrestored)) == (PushState.ROLLBACK_FAILED, [pv])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda channels, pv: channels.set(pv),
        lambda channels, pv: channels.set(pv, severity=Severity.INVALID, status=Status.WRITE, message="no"),
        lambda channels, pv: channels.set(pv, severity=Severity.INVALID, status=Status.UDF),
    ],
    ids=["older readback", "refused before", "undefined"],
)
def test_values_that_agree_without_proof_are_written(bench: Bench, spoil: Callable[[FakeChannels, str], None]) -> None:
    assert bench.push().state is PushState.VERIFIED
    pv = bench.pv("CH07:BIAS")
    spoil(bench.channels, pv)
    bench.channels.puts.clear()
    assert bench.push().state is PushState.VERIFIED
    assert bench.channels.puts == [(pv, 53.07)]


@pytest.mark.parametrize(("away_s", "state"), [(5.0, PushState.VERIFIED), (60.0, PushState.ROLLBACK_FAILED)])
def test_a_connection_that_is_lost_before_the_last_look_proves_nothing(bench: Bench, away_s: float, state: PushState) -> None:
    """Although what it showed was verified a moment ago."""
    readback = bench.pv("CH07:BIAS_RBV")
    lost_at = math.inf

    def lose() -> None:
        nonlocal lost_at
        if bench.watcher.steps.count("verifying") == 3:
            lost_at = bench.clock.monotonic()
            bench.channels.disconnect(readback)

    bench.watcher.at["verifying"] = lose
    advance = bench.clock.advance

    def tick(seconds: float) -> None:
        advance(seconds)
        if bench.clock.monotonic() > lost_at + away_s:
            bench.channels.connect(readback)

    bench.clock.advance = tick  # type: ignore[method-assign]
    outcome = bench.push()
    assert outcome.state is state
    if state is not PushState.VERIFIED:
        assert outcome.reason.startswith(f"{bench.pv('CH07:BIAS')}: unknown: {readback}: connection lost")


def test_a_slow_poll_is_waited_for(bench: Bench) -> None:
    """Beyond the settling time, as a controller that is polled once in 20 s shows nothing earlier."""
    pv = bench.pv("CH07:BIAS")
    period = f"{pv.removesuffix('CH07:BIAS')}POLL_PERIOD_RBV"
    bench.channels.add(period, 20.0)
    bench.channels.on_put(pv, None)
    advance, get = bench.clock.advance, bench.channels.get
    looks: list[float] = []

    def tick(seconds: float) -> None:
        advance(0.5)
        if bench.clock.monotonic() > 19:
            bench.channels.set(f"{pv}_RBV", 53.07)

    def looked(names: Sequence[str], **options: Any) -> Any:
        if period in names:
            looks.append(bench.clock.monotonic())
        return get(names, **options)

    advance(10)
    bench.clock.advance = tick  # type: ignore[method-assign]
    bench.channels.get = looked  # type: ignore[method-assign]
    assert bench.push().state is PushState.VERIFIED
    assert looks == [11.5], "it is asked for once"


def test_a_refusal_of_the_device_is_the_reason_and_the_others_are_restored(bench: Bench) -> None:
    """Also one that comes after completion, at a later step of the ramp."""
    pv, before = bench.pv("CH07:BIAS"), bench.values()
    alarm = {"severity": Severity.INVALID, "status": Status.WRITE, "message": "53.07 V is above 52 V"}
    bench.channels.on_put(pv, lambda value: bench.channels.set(pv, **alarm) if value == 53.07 else None)
    bench.polled.append(f"{pv}_RBV")
    outcome = bench.push()
    assert (outcome.state, outcome.reason) == (PushState.ROLLED_BACK, f"{pv}: refused: 53.07 V is above 52 V")
    assert bench.values() == before


def test_limits_that_do_not_verify_leave_the_voltages_alone(bench: Bench) -> None:
    pv = bench.pv("CH09:CURRENT_LIMIT")
    bench.channels.on_put(pv, lambda value: bench.channels.set(pv, 20.0) if value == 50.0 else None)
    outcome = bench.push()
    assert (outcome.state, outcome.reason) == (
        PushState.ROLLED_BACK,
        f"{pv}: unknown: the setpoint was changed to 20.000 uA after this write (since 00:00:00 UTC)",
    )
    assert not any(name.endswith(":BIAS") for name, _ in bench.channels.puts)


def test_a_value_that_does_not_come_back_is_named(bench: Bench) -> None:
    bench.stick("CH07:BIAS")
    lost = bench.pv("CH11:VBR")
    bench.watcher.at["restoring, phase 2"] = lambda: bench.channels.disconnect(lost)
    outcome = bench.push()
    assert outcome.state is PushState.ROLLBACK_FAILED
    assert list(outcome.unrestored) == [lost]
    assert bench.items("not rolled back") == [lost]
    assert len(bench.items("rolled back")) == len(bench.targets) - 1


def test_an_ioc_that_dies_half_way(bench: Bench) -> None:
    def die() -> None:
        for target in bench.targets:
            if "CH01" in target.pv:
                for pv in target.pvs:
                    bench.channels.disconnect(pv)

    bench.watcher.at["writing, phase 2"] = die
    outcome = bench.push()
    assert outcome.state is PushState.ROLLBACK_FAILED
    assert outcome.reason == f"{bench.pv('CH01:BIAS')}: not connected within 10 s"
    assert sorted(outcome.unrestored) == sorted(target.pv for target in bench.targets if "CH01" in target.pv)


@pytest.mark.parametrize("when", ["writing, phase 1", "verifying", "writing, phase 2"])
def test_ctrl_c_rolls_back(bench: Bench, when: str) -> None:
    before = bench.values()
    bench.watcher.at[when] = lambda: setattr(bench.stop, "reason", "interrupted by SIGINT")
    outcome = bench.push()
    assert (outcome.state, outcome.reason) == (PushState.ROLLED_BACK, "interrupted by SIGINT")
    assert bench.values() == before


def test_ctrl_c_while_a_readback_does_not_follow_does_not_wait_for_it(bench: Bench) -> None:
    bench.stick("CH07:BIAS")
    bench.channels.on_put(bench.pv("CH07:BIAS"), lambda value: setattr(bench.stop, "reason", "interrupted by SIGINT"))
    assert bench.push().reason == "interrupted by SIGINT"
    assert bench.clock.monotonic() < 1


def test_what_could_not_be_verified_any_more_says_so(bench: Bench) -> None:
    bench.stick("CH07:BIAS")

    def stop() -> None:
        if bench.watcher.steps.count("verifying") == 2:
            bench.stop.reason = "interrupted by SIGINT"

    bench.watcher.at["verifying"] = stop
    assert bench.push().reason == "interrupted by SIGINT"
    with Session(bench.engine) as session:
        errors = {item.pv: item.error for item in session.scalars(select(PushItem)) if item.error}
    assert errors == {bench.pv("CH07:BIAS"): "not verified: interrupted by SIGINT"}


def test_a_stop_ends_no_roll_back(bench: Bench) -> None:
    bench.stick("CH07:BIAS")
    lost = bench.pv("CH11:VBR")
    bench.watcher.at["restoring, phase 2"] = lambda: bench.channels.disconnect(lost)
    bench.watcher.at["verifying the roll-back"] = lambda: setattr(bench.stop, "reason", "interrupted by SIGINT")
    outcome = bench.push()
    assert (outcome.state, list(outcome.unrestored)) == (PushState.ROLLBACK_FAILED, [lost])


def test_ctrl_c_before_anything_was_written(bench: Bench) -> None:
    bench.stop.reason = "interrupted by SIGTERM"
    assert bench.push().state is PushState.ABORTED
    assert bench.channels.puts == []


def test_a_second_ctrl_c_stops_at_once_and_says_so(bench: Bench) -> None:
    def twice() -> None:
        raise KeyboardInterrupt

    bench.watcher.at["writing, phase 2"] = twice
    outcome = bench.push()
    assert (outcome.state, outcome.reason) == (PushState.ABORTED, FORCED)
    assert FORCED == "its client was forced to stop; what had been written was not rolled back"
    assert not bench.locked()
    assert len(bench.channels.puts) == 32


def test_ctrl_c_while_the_end_is_recorded_leaves_no_push_without_an_end(bench: Bench) -> None:
    hits: list[str] = []

    def interrupt(*args: Any) -> None:
        if args[2].startswith("UPDATE config_push ") and "ended_at=" in args[2] and not hits:
            hits.append(args[2])
            raise KeyboardInterrupt

    event.listen(bench.engine, "before_cursor_execute", interrupt)
    assert bench.push().state is PushState.VERIFIED
    assert hits
    assert bench.rows()[0].state == PushState.VERIFIED
    assert not bench.locked()


def test_a_push_that_was_taken_over_while_it_read_writes_nothing_and_says_so(bench: Bench) -> None:
    def take_over() -> None:
        with bench.engine.begin() as connection:
            connection.execute(delete(PushLock))

    bench.watcher.at["reading"] = take_over
    with pytest.raises(LockLost, match="another client"):
        bench.push()
    assert bench.channels.puts == []


def test_rows_are_there_before_the_put(bench: Bench) -> None:
    seen: list[tuple[str, int]] = []

    def look(_value: Any) -> None:
        with Session(bench.engine) as session:
            push = session.get(Push, 1)
            assert push is not None
            seen.append((push.state, len(session.scalars(select(PushItem).where(PushItem.status == "writing")).all())))

    bench.channels.on_put(bench.pv("CH01:VBR"), look)
    bench.push()
    assert seen == [("running", 32)]


def test_what_became_of_the_puts_is_recorded_before_they_are_checked(bench: Bench) -> None:
    failing = bench.pv("CH07:BIAS")
    bench.channels.take_no_puts(failing)
    seen: list[tuple[str, ...]] = []

    def look() -> None:
        with Session(bench.engine) as session:
            items = session.scalars(select(PushItem)).all()
        seen.append(tuple(sorted({item.status for item in items if item.written_at is not None})))

    for step in ("verifying", "restoring"):
        bench.watcher.at[step] = look
    assert bench.push().state is PushState.ROLLED_BACK
    assert seen[:2] == [("written",), ("failed", "verified", "written")]
