"""Newest values of inputs, from one subscription."""

import asyncio
import contextlib

import pytest

from agents.latest import Latest
from agents.reading import readings
from sipmdcs.channels_fake import FakeChannels
from sipmdcs.clock import ManualClock
from sipmdcs.severity import Severity, Status


@contextlib.asynccontextmanager
async def watching(channels, clock, names):
    latest = Latest(channels, clock)
    await latest.watch(names)
    task = asyncio.create_task(latest.run())
    await asyncio.sleep(0)
    try:
        yield latest
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.01)


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
        await until(lambda: latest.row("T")[0] == "text")
        for value in (2.0, 3.0, 4.0):
            channels.set("A", value, severity=Severity.MAJOR, status=Status.HIHI)
        await until(lambda: latest.row("A")[0] == 4.0)
        assert latest.row("A") == [4.0, 2, "HIHI", clock.time_ns() / 1e9, clock.monotonic()]
        assert latest.row("GONE") == [None, 3, "UDF", 0.0, None]
        assert (latest.size, latest.disconnected) == (3, 1)


async def test_what_is_disconnected_is_invalid_until_it_has_a_value_again(channels, clock):
    async with watching(channels, clock, ["A"]) as latest:
        await until(lambda: latest.row("A")[0] == 1.5)
        channels.disconnect("A")
        await until(lambda: latest.row("A")[1] == 3)
        assert latest.row("A")[2] == "COMM"
        channels.connect("A")
        await until(lambda: latest.row("A")[1] == 0)


async def test_ages_survive_a_step_of_the_wall_clock(channels, clock):
    async with watching(channels, clock, ["A"]) as latest:
        await until(lambda: latest.row("A")[0] == 1.5)
        clock.advance(2.0)
        clock.step(-3600)
        assert readings({"A": latest.row("A")}, clock.monotonic()).only.age_s == 2.0


async def test_a_name_is_subscribed_to_once(channels, clock):
    async with watching(channels, clock, ["A"]) as latest:
        await latest.watch(["A", "T"])
        await until(lambda: latest.row("T")[0] == "text")
        assert latest.size == 2
