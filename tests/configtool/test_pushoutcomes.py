"""What a push says of single values, look by look; whole pushes are in ``test_push.py``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from configtool.layers import ChannelId
from configtool.pushoutcomes import PushOutcomes
from configtool.pushplan import Item
from configtool.pushsteps import Write
from configtool.reading import Reading, read_pvs
from configtool.targets import Target
from sipmdcs.channels import PvMetadata, PvType
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.outcome import Completed, Completion
from sipmdcs.severity import Severity, Status

START_S = 100.0
SETTLE_S = 3.0
DONE = Completion()
BEFORE = Reading(1.0, 1.0, updated_ns=1)


def item(number: int = 1, before: Reading = BEFORE, tolerance: float = 0.01, write: bool = True, **metadata: Any) -> Item:
    pv = f"T:HV{number}:CH01:BIAS"
    target = Target(ChannelId("1", number), "HV", "BIAS", pv, f"{pv}_RBV", 5.0, "V", tolerance, SETTLE_S, 1, 0.0, 80.0)
    return Item(target, before, write, PvMetadata(PvType.DOUBLE, 1, **metadata))


@dataclass
class World:
    """Devices behind setpoints, and the outcomes of a push to them."""

    items: tuple[Item, ...]
    channels: FakeChannels = field(default_factory=FakeChannels)
    outcomes: PushOutcomes = field(default_factory=PushOutcomes)
    stamp: int = 10

    def __post_init__(self) -> None:
        for one in self.items:
            for pv in one.target.pvs:
                self.channels.add(pv, 1.0)
                self.channels.set(pv, 1.0, time_ns=1)
        self.outcomes.check(START_S)

    def put(self, *, restoring: bool = False, at: float = START_S, completion: Completion = DONE) -> None:
        step = Write(1, self.items, restoring)
        self.stamp += 1
        for pv, value in step.puts.items():
            self.channels.set(pv, value, time_ns=self.stamp)
        self.outcomes.put(step, dict.fromkeys(step.puts, completion), at, self.stamp)

    def answer(self, value: float, number: int = 0, **state: Any) -> None:
        """The device is read out."""
        self.stamp += 1
        self.channels.set(self.items[number].target.readback, value, time_ns=self.stamp, **state)

    def look(self, after_s: float, *, restoring: bool = False) -> list[str | None]:
        """What is said of each item so long after the start."""
        now = START_S + after_s
        answers = read_pvs(self.channels, [one.target for one in self.items])
        self.outcomes.observe(self.channels, self.items, answers, now)
        return [self.outcomes.verdict(one, answers, now, restoring=restoring) for one in self.items]


def test_a_value_that_was_not_written_is_compared_and_has_its_settling_time() -> None:
    world = World((item(write=False),))
    assert world.look(0) == [None]
    assert world.look(SETTLE_S - 0.1) == [None]
    assert world.look(SETTLE_S) == ["T:HV1:CH01:BIAS is 1, expected 5 V"]
    for pv in world.items[0].target.pvs:
        world.channels.set(pv, 5.0, time_ns=2)
    assert world.look(0) == [""]


def test_a_value_that_cannot_be_put_back_says_why() -> None:
    world = World((item(before=Reading(None, 1.0, "T:HV1:CH01:BIAS is nan")),))
    world.put()
    world.answer(5.0)
    assert world.look(0) == [""]
    world.put(restoring=True)
    assert world.look(0, restoring=True) == ["T:HV1:CH01:BIAS cannot be restored: T:HV1:CH01:BIAS is nan"]


@pytest.mark.parametrize("restoring", [False, True])
def test_a_put_that_was_refused_may_have_restored_its_value_all_the_same(restoring: bool) -> None:
    world = World((item(),))
    world.put(restoring=restoring, completion=Completion(Completed.REFUSED, "no"))
    world.answer(1.0 if restoring else 5.0)
    assert world.look(0, restoring=restoring) == ["" if restoring else "T:HV1:CH01:BIAS: no"]


def test_a_readback_that_does_not_follow_has_its_settling_time_and_no_more() -> None:
    world = World((item(),))
    world.put()
    assert world.look(0) == [None]
    for _ in range(2):
        world.answer(2.0)
        assert world.look(0.1) == [None]
    assert world.look(SETTLE_S) == [None]
    assert world.look(SETTLE_S + 0.2) == ["T:HV1:CH01:BIAS: clamped to 2.00 V: T:HV1:CH01:BIAS_RBV holds it instead of 5.00 V"]


def test_a_value_that_was_verified_and_leaves_again_has_its_settling_time_anew() -> None:
    world = World((item(),))
    world.put()
    world.answer(5.02)
    assert world.look(0) == [None]
    world.answer(5.009)
    assert world.look(0) == [""]
    world.outcomes.check(START_S + 50)
    assert world.look(50) == [""]
    for _ in range(2):
        world.answer(2.0)
        assert world.look(50) == [None]
    assert world.look(50 + SETTLE_S) == [None]
    (text,) = world.look(50 + SETTLE_S + 0.2)
    assert text is not None
    assert "holds it instead of 5.00 V" in text
    for step in range(50):  # and comes back slowly
        world.answer(2.0 + step * 0.05)
        assert world.look(60 + step) == [None if step else text]
    world.answer(5.0)
    assert world.look(110) == [""]


def test_it_may_come_nearer_for_as_long_as_it_takes() -> None:
    world = World((item(),))
    world.put()
    for step in range(200):
        world.answer(1.0 + step * 0.019)
        assert world.look(step * 1.0) == [None]
    world.answer(5.0)
    assert world.look(200) == [""]


@pytest.mark.parametrize(
    ("tolerance", "metadata", "shown"),
    [
        (0.01, {}, ("2.00 V", "5.00 V")),
        (0.01, {"units": "mV", "precision": 1}, ("2.00 mV", "5.00 mV")),
        (0.01, {"units": "mV", "precision": 3}, ("2.000 mV", "5.000 mV")),
        (0.01, {"precision": 3}, ("2.000 V", "5.000 V")),
        (1.0, {}, ("2 V", "5 V")),
        (0.0, {}, ("2 V", "5 V")),
    ],
)
def test_values_are_shown_as_finely_as_they_are_compared(
    tolerance: float, metadata: dict[str, Any], shown: tuple[str, str]
) -> None:
    world = World((item(tolerance=tolerance, **metadata),))
    world.put()
    for _ in range(2):
        world.answer(2.0)
        world.look(0)
    held, wanted = shown
    assert world.look(SETTLE_S + 0.2) == [
        f"T:HV1:CH01:BIAS: clamped to {held}: T:HV1:CH01:BIAS_RBV holds it instead of {wanted}"
    ]


@pytest.mark.parametrize("restoring", [False, True])
def test_the_readback_of_an_output_that_was_off_is_restored_and_no_target(restoring: bool) -> None:
    world = World((item(before=Reading(4.0, 0.0, updated_ns=1)),))
    world.put(restoring=restoring)
    for _ in range(2):
        world.answer(0.0)
        assert world.look(0, restoring=restoring) == [("" if restoring else None)]


def test_what_is_away_may_come_back_within_its_settling_time_and_holds_up_no_other() -> None:
    world = World((item(1), item(2)))
    world.put()
    world.channels.disconnect(world.items[0].target.readback)
    world.answer(5.0, 1)
    assert world.look(0) == [None, ""]
    assert world.look(SETTLE_S - 0.1) == [None, ""]
    (text, other) = world.look(SETTLE_S)
    assert text is not None
    assert text.startswith("T:HV1:CH01:BIAS: unknown: T:HV1:CH01:BIAS_RBV: connection lost")
    assert other == ""


def test_a_set_point_that_its_device_does_not_answer_is_unknown() -> None:
    world = World((item(),))
    world.put()
    alarm = {"severity": Severity.INVALID, "status": Status.COMM}
    world.channels.set(world.items[0].target.pv, 5.0, time_ns=world.stamp, **alarm)
    (text,) = world.look(0)
    assert text is not None
    assert text.startswith("T:HV1:CH01:BIAS: unknown: the device did not answer")


def test_a_refusal_says_why() -> None:
    world = World((item(),))
    world.put()
    alarm = {"severity": Severity.INVALID, "status": Status.WRITE, "message": "interlocked"}
    world.channels.set(world.items[0].target.pv, 5.0, time_ns=world.stamp, **alarm)
    assert world.look(0) == ["T:HV1:CH01:BIAS: refused: interlocked"]


def test_a_slow_poll_is_allowed_for_where_no_readback_came_and_its_period_is_known() -> None:
    periods = [20.0, -5.0, math.nan, "slow", None, 20.0]
    world = World(tuple(item(number) for number in range(len(periods))))
    for number, period in enumerate(periods):
        if period is not None:
            world.channels.add(f"T:HV{number}:POLL_PERIOD_RBV", period)
    world.put()
    for _ in range(2):
        world.answer(2.0, 5)
        world.look(0)
    asked: list[float] = []
    get = world.channels.get

    def watched(names: Any, *, timeout: float) -> Any:
        asked.append(timeout)
        return get(names, timeout=timeout)

    world.channels.get = watched  # type: ignore[method-assign]
    world.outcomes.allow_for_slow_polls(world.channels, world.items)
    assert asked == [2.0]
    world.outcomes.allow_for_slow_polls(world.channels, world.items[5:])
    assert asked == [2.0], "nobody waits for it"
    world.channels.get = get  # type: ignore[method-assign]
    late = [text is not None for text in world.look(SETTLE_S + 0.2)]
    assert late == [False, True, True, True, True, True]
    assert world.look(SETTLE_S + 3 * 20.0)[0] is None
    assert world.look(SETTLE_S + 3 * 20.0 + 0.2)[0] is not None
