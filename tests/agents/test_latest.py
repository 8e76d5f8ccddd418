"""Newest values of inputs, from one subscription."""

import asyncio
import contextlib

import pytest

from agents.latest import Latest
from agents.reading import Readings
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock
from sipmdcs.severity import Severity, Status


@contextlib.asynccontextmanager
async def watching(channels, clock, names):
    latest = Latest(channels, clock)
    await latest.watch(names)
    task = asyncio.create_task(latest.run())
    await asyncio.sleep(0)
    clock.advance(1.0)
    latest.refresh()
    try:
        yield latest
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def channels(clock):
    channels = FakeChannels(clock)
    channels.add("A", 1.5)
    channels.add("T", "text")
    return channels


async def test_newest_value_with_alarm_and_time(channels, clock):
    async with watching(channels, clock, ["A", "T", "GONE"]) as latest:
        assert latest.row("T")[0] == "text"
        for value in (2.0, 3.0, 4.0):
            clock.advance(0.5)
            channels.set("A", value, severity=Severity.MAJOR, status=Status.HIHI)
        came = clock.monotonic()
        clock.advance(0.25)
        seen = latest.select(["GONE", "T", "A"])
        assert list(seen.news()[0]) == ["T", "A"]
        latest.refresh()
        newest = (4.0, 2, "HIHI", pytest.approx(clock.time_ns() / 1e9 - 0.25), pytest.approx(came))
        assert seen.news() == ({"A": newest}, [])
        assert seen.news() == ({}, [])
        assert seen.invalid == [0]
        assert seen.oldest == latest.row("T")[4]
        assert latest.row("GONE") == (None, 3, "UDF", 0.0, None)
        assert (latest.size, latest.disconnected) == (3, 1)


async def test_what_is_disconnected_is_invalid_until_it_has_a_value_again(channels, clock):
    async with watching(channels, clock, ["A"]) as latest:
        seen = latest.select(["A"])
        channels.disconnect("A")
        clock.advance(1.0)
        latest.refresh()
        assert latest.row("A")[:3] == (1.5, 3, "COMM")
        assert latest.disconnected == 1
        fresh, gone = seen.news()
        assert (list(fresh), gone, seen.invalid) == (["A"], ["A"], [0])
        channels.connect("A")
        clock.advance(1.0)
        latest.refresh()
        assert latest.row("A")[1] == 0
        assert seen.news()[1] == []
        channels.set("A", 1.5, severity=Severity.INVALID, status=Status.COMM)
        clock.advance(1.0)
        latest.refresh()
        assert (seen.news()[1], seen.invalid, latest.disconnected) == ([], [0], 0), (
            "the IOC lost its controller, not we the IOC"
        )


@pytest.mark.parametrize("step_s", [-3600, 3600])
async def test_ages_survive_a_step_of_the_wall_clock(channels, clock, step_s):
    async with watching(channels, clock, ["A"]) as latest:
        channels.set("A", 2.5)
        clock.step(step_s)
        clock.advance(0.5)
        latest.refresh()
        clock.advance(1.5)
        assert Readings.of_rows({"A": latest.row("A")}, clock.monotonic()).only.age_s == pytest.approx(2.0, abs=0.5)


async def test_values_are_taken_in_although_nobody_asks(channels, clock):
    async with watching(channels, clock, ["A"]) as latest:
        clock.advance(1.0)
        channels.set("A", 2.5)
        async with asyncio.timeout(30):
            while latest.row("A")[0] != 2.5:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.05)


async def test_a_name_is_subscribed_to_once(channels, clock):
    async with watching(channels, clock, ["A"]) as latest:
        await latest.watch(["A", "T"])
        clock.advance(1.0)
        latest.refresh()
        assert latest.row("T")[0] == "text"
        assert latest.size == 2
