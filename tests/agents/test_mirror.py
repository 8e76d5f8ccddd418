"""Copies of inputs in a real memcached cost by change, and are not there when the input is not."""

import asyncio
import json

from agents.mirror import MIRROR_TTL_S, Mirror
from sipmdcs.clock import SystemClock
from tests.agents.test_cache import running, until

PVS = [f"T:BENCH:PS{n}:X" for n in range(500)]


class Copies(Mirror):
    """Notes and writes at once, as a run does."""

    def __init__(self, cache, clock=None):
        super().__init__("copies", cache, 3, clock or SystemClock())

    def run(self, changed, seq):
        self.note(changed)
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
        copies.run({PVS[0]: (1.5, 3, "COMM", 1.7e9, 2.0), PVS[1]: (None, 3, "UDF", 0.0, None)}, 2)
        async with asyncio.timeout(40):
            while len(await cache.get(PVS)) != len(PVS) - 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert not await cache.get(PVS[:2])
        copies.run(dict(list(rows().items())[:2]), 3)
        await until(lambda: cache.writes == len(PVS) + 2, "both are back")


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


async def test_copies_are_renewed_before_they_expire_a_share_at_a_time(memcached):
    class Later(SystemClock):
        ahead = 0.0

        def monotonic(self):
            return super().monotonic() + self.ahead

    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        clock = Later()
        copies = Copies(cache, clock)
        copies.run(rows(), 1)
        await until(lambda: cache.writes == len(PVS), "written")
        written = []
        for second in range(5, 25):
            clock.ahead = second / 30 * MIRROR_TTL_S
            before = cache.writes + cache.waiting
            copies.run({}, second)
            written.append(cache.writes + cache.waiting - before)
            await until(lambda: cache.waiting == 0, "written")
        assert len(PVS) <= sum(written) < 2 * len(PVS), "each once before its time is over"
        assert max(written) < len(PVS) / 4


async def test_copies_that_were_dropped_are_written_again_and_what_is_not_read_any_more_is_removed(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = Copies(cache)
        copies.run(rows(), 1)
        await until(lambda: cache.waiting == 0, "written")
        copies.drop()
        copies.note({PVS[0]: (7.0, 0, "NO_ALARM", 1.7e9, 2.0)})
        copies.keep(PVS[:10])
        copies.run({}, 2)
        await until(lambda: cache.waiting == 0, "written again")
        async with asyncio.timeout(40):
            while len(await cache.get(PVS)) != 10:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert json.loads((await cache.get(PVS[:1]))[PVS[0]])["value"] == 7
