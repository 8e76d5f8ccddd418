"""The adapter to memcached, with a real one."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from agents.cache import CacheState, HotCache
from agents.entry import LARGEST_VALUE, decode_entry, encode_entry, is_key, ttl_of
from sipmdcs.clock import SystemClock
from tests.agents.bench import PATIENCE_S


@contextlib.asynccontextmanager
async def running(port: int) -> AsyncIterator[HotCache]:
    cache = HotCache("127.0.0.1", port, SystemClock())
    task = asyncio.create_task(cache.run())
    try:
        yield cache
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition, what):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.02)
    assert condition(), what


async def test_a_batch_is_written_and_read(memcached):
    async with running(memcached.port) as cache:
        cache.put({f"K{n}": b"%d" % n for n in range(500)}, ttl=60)
        await until(lambda: cache.writes == 500, "written")
        found = await cache.get(["K0", "K499", "NOT", "no key"])
    assert found == {"K0": b"0", "K499": b"499"}


async def test_more_than_one_question_is_for_are_written_read_and_dropped(memcached, monkeypatch):
    monkeypatch.setattr("agents.cache._BATCH", 7)
    entries = {f"K{n}": b"%d" % n for n in range(100)}
    async with running(memcached.port) as cache:
        cache.put(entries, ttl=60)
        await until(lambda: cache.writes == 100, "written")
        assert await cache.get(entries) == entries
        cache.drop(list(entries)[:93])
        cache.put({"LAST": b"1"}, ttl=60)
        await until(lambda: cache.writes == 101, "dropped, then written")
        assert await cache.get([*entries, "LAST"]) == {key: entries[key] for key in list(entries)[93:]} | {"LAST": b"1"}


async def test_entries_vanish_after_their_time_to_live(memcached):
    async with running(memcached.port) as cache:
        cache.put({"SHORT": b"1"}, ttl=1)
        cache.put({"LONG": b"1"}, ttl=60)
        await until(lambda: cache.writes == 2, "written")
        async with asyncio.timeout(PATIENCE_S):
            while "SHORT" in await cache.get(["SHORT"]):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert await cache.get(["LONG"]) == {"LONG": b"1"}


async def test_while_it_is_away_the_newest_waits_and_nothing_hangs(memcached):
    async with running(memcached.port) as cache:
        await until(lambda: cache.state is CacheState.CONNECTED, "connected")
        memcached.stop()
        cache.put({"A": b"old", "B": b"1"}, ttl=100)
        await until(lambda: cache.state is CacheState.LOST, "lost")
        start = time.monotonic()
        cache.put({"A": b"new"}, ttl=100)
        for _ in range(20):  # each of which would take 0.5 s if it waited
            assert await cache.get(["A"]) == {}
        assert time.monotonic() - start < 8
        assert cache.waiting == 2
        await asyncio.to_thread(memcached.start)
        await until(lambda: cache.waiting == 0, "written")
        assert await cache.get(["A", "B"]) == {"A": b"new", "B": b"1"}


async def test_what_has_expired_while_it_was_away_is_not_written(memcached):
    memcached.stop()
    async with running(memcached.port) as cache:
        cache.put({"A": b"1"}, ttl=1)
        await until(lambda: cache.waiting == 0, "given up")
        assert cache.writes == 0


async def test_what_memcached_would_refuse_is_not_tried(memcached, caplog):
    async with running(memcached.port) as cache:
        cache.put({"with blank": b"1", "K" * 251: b"1", "BIG": b"x" * (LARGEST_VALUE + 1), "GOOD": b"1"}, ttl=60)
        assert cache.waiting == 1
        await until(lambda: cache.writes == 1, "written")
        cache.put({"BIG": b"x" * (LARGEST_VALUE + 1)}, ttl=60)
    assert caplog.text.count("BIG cannot be cached: 1000001 bytes") == 1


@pytest.mark.parametrize(
    ("key", "good"),
    [("DET:AGENT:A:B", True), ("sipmdcs/DET/agents", True), ("", False), ("a b", False), ("a\n", False), ("ä", False)],
)
def test_keys(key, good):
    assert is_key(key) is good


@pytest.mark.parametrize(("interval", "ttl"), [(0.1, 1), (1, 3), (2.5, 8), (86_400 * 20, 30 * 86_400)])
def test_time_to_live(interval, ttl):
    assert ttl_of(interval, 3) == ttl


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, 1.5), (float("nan"), None), (None, None), ("text", "text"), ([1.0, float("inf")], [1, None])]
)
def test_an_entry_comes_back(value, expected):
    data = encode_entry(value, time=1e9, severity="MAJOR", status="HIHI", unit="V", ttl=3, source="a", seq=1)
    assert decode_entry(data, 1e9 + 2, 50.0) == (expected, 2, "HIHI", 1e9, 48.0)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"5", b"[]", b'{"value": 1}', b'{"severity": "BAD", "value": 1, "time": 0}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_entry_is_invalid(data):
    assert decode_entry(data, 0, 0)[:3] == (None, 3, "READ")
