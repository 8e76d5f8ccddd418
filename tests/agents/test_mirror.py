"""Copies of inputs in a real memcached cost by change, and are not there when the input is not."""

import asyncio
import json
from typing import Any

from agents.outputs import AgentOutputs
from sipmdcs.clock import SystemClock
from tests.agents.test_cache import running, until

NO_PUBLISHER: Any = None
"""Copies publish no records."""
PVS = [f"T:BENCH:PS{n}:X" for n in range(500)]


def outputs(cache):
    return AgentOutputs("copies", "T:AGENT:COPIES", NO_PUBLISHER, cache, 3, SystemClock())


def rows(value=1.5, status="NO_ALARM"):
    return {pv: [value, 3 if status == "COMM" else 0, status, 1.7e9, 2.0] for pv in PVS}


async def test_an_input_that_stands_still_is_not_written_again(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = outputs(cache)
        copies.mirror(rows(), {}, 1.0, 1)
        await until(lambda: cache.writes == len(PVS), "written")
        for run in range(2, 6):
            copies.mirror(rows(), {}, 1.0, run)
        assert cache.waiting == 0
        copies.mirror(rows() | {PVS[7]: [9.5, 1, "HIGH", 1.7e9, 0.0]}, {}, 1.0, 6)
        await until(lambda: cache.writes == len(PVS) + 1, "the change alone")
        entry = json.loads((await cache.get([PVS[7]]))[PVS[7]])
        assert (entry["value"], entry["severity"], entry["seq"]) == (9.5, "MINOR", 6)


async def test_an_input_that_is_lost_is_removed(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = outputs(cache)
        copies.mirror(rows(), {}, 1.0, 1)
        await until(lambda: cache.writes == len(PVS), "written")
        copies.mirror(rows() | {PVS[0]: [1.5, 3, "COMM", 1.7e9, 2.0], PVS[1]: [None, 3, "UDF", 0.0, None]}, {}, 1.0, 2)
        async with asyncio.timeout(40):
            while len(await cache.get(PVS)) != len(PVS) - 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert not await cache.get(PVS[:2])
        copies.mirror(rows(), {}, 1.0, 3)
        await until(lambda: cache.writes == len(PVS) + 2, "both are back")


async def test_a_memcached_that_was_restarted_is_filled_again(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.connections == 1, "connected")
        copies = outputs(cache)
        copies.mirror(rows(), {}, 1.0, 1)
        await until(lambda: cache.writes == len(PVS), "written")
        memcached.stop()
        cache.put({"BEAT": b"1"}, 100)
        await until(lambda: cache.state.name == "LOST", "lost")
        await asyncio.to_thread(memcached.start)
        await until(lambda: cache.connections == 2, "connected again")
        copies.mirror(rows(), {}, 1.0, 2)
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
        copies = AgentOutputs("copies", "T:AGENT:COPIES", NO_PUBLISHER, cache, 3, clock)
        copies.mirror(rows(), {}, 1.0, 1)
        await until(lambda: cache.writes == len(PVS), "written")
        written = []
        for second in range(5, 25):
            clock.ahead = float(second)
            before = cache.writes + cache.waiting
            copies.mirror(rows(), {}, 1.0, second)
            written.append(cache.writes + cache.waiting - before)
            await until(lambda: cache.waiting == 0, "written")
        assert len(PVS) <= sum(written) < 2 * len(PVS), "each once before its 30 s are over"
        assert max(written) < len(PVS) / 4
