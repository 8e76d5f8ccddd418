"""Copies of inputs in a real memcached cost by change, and are not there when the input is not."""

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st

from agents.cache import HotCache
from agents.mirror import MIRROR_TTL_S, Mirror
from sipmdcs.clock import ManualClock, SystemClock
from tests.agents.test_cache import running, until

PVS = [f"T:BENCH:PS{n}:X" for n in range(500)]


class Copies(Mirror):
    """Notes and writes at once, as a run does."""

    def __init__(self, cache, clock=None):
        super().__init__("copies", cache, 3, clock or SystemClock())

    def run(self, changed, seq, gone=()):
        self.note(changed, gone)
        self.write({}, 1.0, seq)


def rows(value=1.5, status="NO_ALARM"):
    return dict.fromkeys(PVS, (value, 3 if status == "COMM" else 0, status, 1700000000.0, 2.0))


async def test_an_input_that_stands_still_is_not_written_again(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = Copies(cache)
        copies.run(rows(), 1)
        await until(lambda: cache.writes == len(PVS), "written")
        for run in range(2, 6):
            copies.run({}, run)
        assert cache.waiting == 0
        copies.run({PVS[7]: (9.5, 1, "HIGH", 1.7e9, 0.0)}, 6)
        await until(lambda: cache.writes == len(PVS) + 1, "the change alone")
        entry = json.loads((await cache.get([PVS[7]]))[PVS[7]])
        assert (entry["value"], entry["severity"], entry["seq"]) == (9.5, "MINOR", 6)


async def test_an_input_that_is_lost_is_removed(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = Copies(cache)
        copies.run(rows(), 1)
        await until(lambda: cache.writes == len(PVS), "written")
        copies.run(dict.fromkeys(PVS[:3], (1.5, 3, "COMM", 1.7e9, 2.0)), 2, PVS[:2])
        async with asyncio.timeout(40):
            while len(await cache.get(PVS)) != len(PVS) - 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert not await cache.get(PVS[:2])
        entry = json.loads((await cache.get([PVS[2]]))[PVS[2]])
        assert (entry["severity"], entry["status"]) == ("INVALID", "COMM"), "an IOC that lost its controller is not lost itself"
        copies.run(dict(list(rows().items())[:2]), 3)
        await until(lambda: cache.writes == len(PVS) + 3, "one changed, and both are back")


async def test_a_memcached_that_was_restarted_is_filled_again(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = Copies(cache)
        copies.run(rows(), 1)
        await until(lambda: cache.writes == len(PVS), "written")
        memcached.stop()
        cache.put({"BEAT": b"1"}, 100)
        await until(lambda: cache.state.name == "LOST", "lost")
        await asyncio.to_thread(memcached.start)
        await until(lambda: cache.connections == 2, "connected again")
        copies.run({}, 2)
        await until(lambda: cache.writes >= 2 * len(PVS), "written again")
        assert len(await cache.get(PVS)) == len(PVS)


class Noting(HotCache):
    """Never writes; notes when what it was given will have expired."""

    def __init__(self, clock):
        super().__init__("127.0.0.1", 1, clock)
        self.expiry: dict[str, float] = {}
        self.given = 0

    def put(self, entries, ttl):
        self.expiry.update(dict.fromkeys(entries, self._clock.monotonic() + ttl))
        self.given += len(entries)


@given(
    st.floats(0.1, 2000),
    st.integers(2, 5),
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))),
)
def test_no_copy_expires_while_it_is_kept_and_none_is_written_again_much_sooner(interval, keep, count, comings):
    clock = ManualClock()
    cache = Noting(clock)
    copies = Mirror("copies", cache, keep, clock)
    life = max(keep * interval, MIRROR_TTL_S)
    runs = min(int(4 * life / interval) + 1, 400)
    for run in range(runs):
        now = clock.monotonic()
        assert all(now <= expiry for expiry in cache.expiry.values())
        news = [f"T:NEW{index}" for at, index in comings if at * runs // 60 == run]
        if run == 0:
            news += PVS[:count]
        copies.note(dict.fromkeys(news, (1.5, 0, "NO_ALARM", 1.7e9, now)), ())
        copies.write({}, interval, run)
        clock.advance(interval)
    changes = count + len(comings)
    assert cache.given <= changes * (2 + runs * interval / (0.3 * life)), "all copies once in three tenths of their life"


def test_few_copies_are_renewed_at_a_time():
    clock = ManualClock()
    cache = Noting(clock)
    copies = Copies(cache, clock)
    copies.run(rows(), 1)
    for run in range(2, MIRROR_TTL_S):
        before = cache.given
        clock.advance(1.0)
        copies.run({}, run)
        assert cache.given - before <= len(PVS) / 50


async def test_copies_that_were_dropped_are_written_again_and_what_is_not_read_any_more_is_removed(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = Copies(cache)
        copies.run(rows(), 1)
        await until(lambda: cache.waiting == 0, "written")
        copies.drop()
        copies.note({PVS[0]: (7.0, 0, "NO_ALARM", 1.7e9, 2.0)}, ())
        copies.keep(PVS[:10])
        copies.run({}, 2)
        await until(lambda: cache.waiting == 0, "written again")
        async with asyncio.timeout(40):
            while len(await cache.get(PVS)) != 10:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert json.loads((await cache.get(PVS[:1]))[PVS[0]])["value"] == 7
